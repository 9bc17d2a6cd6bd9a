"""os-release: which distribution and release an image says it is.

Source: os-release(5). The file is a shell fragment of assignments; it is read, never run.
"""

from __future__ import annotations

import re
from datetime import date

from msgspec import Struct

from gate.errors import MalformedImage

OS_RELEASE_PATHS = ("etc/os-release", "usr/lib/os-release")
"""Where it is, the first before the second; usually one is a link to the other."""

SIZE_LIMIT = 64 * 1024
"""Bytes; real ones stay below 1 KiB."""

_FIELDS = {
    "ID": "id",
    "ID_LIKE": "id_like",
    "NAME": "name",
    "VERSION_ID": "version_id",
    "VERSION_CODENAME": "version_codename",
    "VARIANT_ID": "variant_id",
    "PRETTY_NAME": "pretty_name",
    "SUPPORT_END": "support_end",
}
_KEY = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_LOOSE_KEY = re.compile(r"(?:export[ \t]+)?[ \t]*([A-Za-z_]+)")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_PLAIN = re.compile(r"[^\s'\"\\$`;&|<>()#][^\s'\"\\$`;&|<>()]*|")
_LAX = frozenset({"NAME", "PRETTY_NAME"})
"""Fields for people: written without quotes now and then, though they hold spaces."""
_ID = re.compile(r"[A-Za-z0-9._+-]{1,64}")
_SPECIAL = re.compile(r"['\"\\$`]")
_EXPANSION = re.compile(r"(?<!\\)(?:\\\\)*[$`]")


class OsRelease(Struct, frozen=True):
    """The fields of os-release that evidence needs; empty where the file has none.

    `id` is in lower case, as the specification demands (`debian`, `rhel`, `opensuse-leap`; openEuler ignores it); a file
    without `ID` means `linux`.
    `support_end` is the vendor's own end of support, which few state.
    """

    id: str = "linux"
    id_like: tuple[str, ...] = ()
    name: str = ""
    version_id: str = ""
    version_codename: str = ""
    variant_id: str = ""
    pretty_name: str = ""
    support_end: date | None = None

    @classmethod
    def parse(cls, content: bytes, path: str = OS_RELEASE_PATHS[0]) -> OsRelease:
        """Read the bytes of an os-release file; raises `MalformedImage`.

        Lines that are no assignments are passed over unless they speak of a field that counts here: real files contain the
        odd one. Refused is what readers differ on: a field that is given twice with two values, and a value that a shell
        would expand or continue on the next line.
        """
        values: dict[str, str] = {}
        for number, raw in enumerate(_text(content, path).split("\n"), 1):
            line = raw.strip(" \t\r")
            match = _KEY.fullmatch(line)
            if match is None:
                loose = _LOOSE_KEY.match(line)
                if loose is not None and loose[1].upper() in _FIELDS:
                    raise _malformed(path, f"line {number} is no assignment: {line[:60]!a}")
                continue
            key, value = match[1], _unquote(match[2])
            if value is None and key in _LAX and not _SPECIAL.search(match[2]):
                value = match[2]
            if value is None and (key in _FIELDS or _SPECIAL.search(match[2])):
                raise _malformed(path, f"line {number} is more than an assignment: {line[:60]!a}")
            if key in _FIELDS and value is not None and values.setdefault(_FIELDS[key], value) != value:
                raise _malformed(path, f"{key} has two values")
        return cls._from_values(values, path)

    @classmethod
    def _from_values(cls, values: dict[str, str], path: str) -> OsRelease:
        identity = values.get("id") or "linux"
        if _ID.fullmatch(identity) is None:
            raise _malformed(path, f"ID {identity[:60]!a} is not a word")
        end = None
        if text := values.get("support_end"):
            try:
                end = date.fromisoformat(text)
            except ValueError:
                raise _malformed(path, f"SUPPORT_END {text[:60]!a} is not a date") from None
        return cls(
            id=identity.lower(),
            id_like=tuple(values.get("id_like", "").split()),
            name=values.get("name", ""),
            version_id=values.get("version_id", ""),
            version_codename=values.get("version_codename", ""),
            variant_id=values.get("variant_id", ""),
            pretty_name=values.get("pretty_name", ""),
            support_end=end,
        )


def _text(content: bytes, path: str) -> str:
    if len(content) > SIZE_LIMIT:
        raise _malformed(path, f"it has {len(content):,} bytes; more than {SIZE_LIMIT:,} are not read")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed(path, "it is not UTF-8") from None
    if "\0" in text:
        raise _malformed(path, "it contains NUL bytes")
    return text


def _unquote(value: str) -> str | None:
    """Return what a shell would assign, or None where it would do more than that (expand, join, run)."""
    if (single := _SINGLE.fullmatch(value)) is not None:
        return single[1]
    if (double := _DOUBLE.fullmatch(value)) is not None:
        return None if _EXPANSION.search(double[1]) else _ESCAPE.sub(r"\1", double[1])
    return value if _PLAIN.fullmatch(value) else None


def _malformed(path: str, what: str) -> MalformedImage:
    return MalformedImage(
        f"/{path} cannot be read: {what}", hint="see os-release(5); scanners choose their data by this file"
    )
