"""Find credentials in file contents, fast enough to look at nearly every file of a layer.

Two levels: one search looks for the letters by which credentials start, and only where it hits does an anchored regular
expression decide. What is found never leaves this module in the clear: a `Credential` holds a redacted form.

What is searched: regular files of 20 bytes to 1 MiB, whatever their name or place, apart from ELF programs and from
names that say the content is compressed, an image, a font or a message catalogue. So not covered are larger files,
compressed or archived content, other encodings than ASCII and UTF-8 (UTF-16, base64 of a whole file), tokens without a
recognisable form (passwords, JSON web tokens), file names, link targets and extended attributes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from functools import cache

from ahocorasick_rs import MATCHKIND_LEFTMOST_FIRST, BytesAhoCorasick
from msgspec import Struct

SMALLEST = 20
"""Bytes of the shortest credential that is recognised, an AWS access key id."""
LARGEST = 1024 * 1024
"""Bytes of the largest file that is searched: files that hold credentials are small, and most bytes are in large ones."""
MOST = 16
"""Credentials reported per file: enough to act on, and a hostile file cannot fill the memory."""
_ENOUGH = 8 * MOST
"""Credentials after which the search of one file ends; only a file made for it has so many."""

NOT_SEARCHED_SUFFIXES = (
    b".gz", b".xz", b".zst", b".bz2", b".lz4", b".zip", b".whl", b".jar", b".7z", b".rpm", b".deb", b".apk",
    b".png", b".jpg", b".jpeg", b".gif", b".webp", b".ico", b".avif", b".mp3", b".mp4", b".ogg", b".webm",
    b".woff", b".woff2", b".ttf", b".otf", b".eot", b".mo", b".gmo", b".pdf",
)  # fmt: skip
"""Compressed and packed content would have to be unpacked first; the others are large in number and hold no text."""

COVERAGE = (
    "files of 20 bytes to 1 MiB in every layer, apart from ELF programs, archives, compressed files, pictures, fonts,"
    " PDF and message catalogues; not UTF-16, not encoded content, not names, links or extended attributes"
)
"""What is searched, in one sentence for options and reports."""

_ELF = b"\x7fELF"
_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_REPEATED = re.compile(rb"(.)\1{7}|EXAMPLE|[xX]{6}|0123456789abcdef0123456789", re.DOTALL)
"""What placeholders in documents look like; in random characters eight equal ones in a row do not happen."""
_DISTINCT = 8
"""Different characters in a token: fewer only in placeholders."""


class Credential(Struct, frozen=True):
    """A credential that was seen: what kind, a form of it that is safe to print, and the offset in bytes."""

    kind: str
    redacted: str
    offset: int


Confirm = Callable[[bytes, int, int, int], "tuple[Credential, ...]"]
"""Judge what starts at `at` in `data[start:end]`; offsets in the result are relative to `start`."""


def searched(path: bytes, size: int) -> bool:
    """Whether a file of this name and size is searched at all; `path` may be relative or absolute."""
    return SMALLEST <= size <= LARGEST and not path.lower().endswith(NOT_SEARCHED_SUFFIXES)


class CredentialScan:
    """Searches one file of `size` bytes, which may come in several pieces; keeps at most `LARGEST` bytes of it."""

    __slots__ = ("_found", "_pieces", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._pieces = bytearray()
        self._found: tuple[Credential, ...] = ()

    def feed(self, data: bytes, start: int, end: int) -> None:
        """Take the next piece, `data[start:end]`."""
        if end - start == self._size:
            self._found = tuple(_search(data, start, end))
        elif len(self._pieces) < LARGEST:
            self._pieces += data[start : min(end, start + LARGEST - len(self._pieces))]

    def found(self) -> tuple[Credential, ...]:
        """Return what was found, in order of offset, once the whole file was fed."""
        if self._pieces:
            data = bytes(self._pieces)
            self._pieces.clear()
            self._found = tuple(_search(data, 0, len(data)))
        return self._found


def in_text(text: str) -> tuple[Credential, ...]:
    """Find credentials in a text, such as a label or a build step; offsets count its UTF-8 bytes."""
    data = text.encode("utf-8", "surrogatepass")
    return tuple(_search(data, 0, len(data)))


def _search(data: bytes, start: int, end: int) -> list[Credential]:
    """Search `data[start:end]` for every form; one that starts twice at the same place is reported once."""
    if data.startswith(_ELF, start):
        return []
    found: dict[int, Credential] = {}
    for form, begin, _ in _searcher().find_matches_as_indexes(memoryview(data)[start:end]):
        for credential in _FORMS[form][1](data, start, start + begin, end):
            found.setdefault(credential.offset, credential)
        if len(found) >= _ENOUGH:
            break
    return [found[offset] for offset in sorted(found)[:MOST]]


@cache
def _searcher() -> BytesAhoCorasick:
    """Return what searches for all starts at once, at several GiB a second.

    Only the leftmost kinds of match use vector instructions. No start begins inside another, so none is passed over.
    """
    return BytesAhoCorasick([start for start, _ in _FORMS], matchkind=MATCHKIND_LEFTMOST_FIRST)


_MARKER = re.compile(rb"-----BEGIN ((?:[A-Z0-9]{1,12} ){0,3})PRIVATE KEY( BLOCK)?-----")
_BREAK = rb"(?:\\r|\\n|[\s\"'+,\\])"
_BREAKS = re.compile(_BREAK)
_HEADERS = re.compile(
    _BREAK
    + rb"{0,16}(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset)\b[^\r\n\\]{0,200}"
    + _BREAK
    + rb"{1,16})*"
)
"""What may stand between marker and material: line ends, real or escaped as in JSON and source code, and headers."""
_LOOKED_AT = 400
"""Bytes behind the headers that are looked at: enough for the shortest key, with line ends and indentation."""
_MATERIAL = {
    b"OPENSSH ": re.compile(rb"(?=[A-Za-z0-9/]{56})(?:b3BlbnNzaC1rZXktdjEA{5})?([A-Za-z0-9/]{18})"),
    b"PGP ": re.compile(rb"[lx][A-Za-z0-9/]{59}"),
}
"""How key material starts, line ends and plus signs apart: an OpenSSH key by its magic, a PGP key by a packet tag. Group 1
is what cannot be a placeholder; an OpenSSH key goes on with numbers that are mostly zero."""
_BASE64 = re.compile(rb"[A-Za-z0-9/]{56}")
"""All others: any base64 of the length of the shortest, an Ed25519 key in PKCS #8 with 64 characters. Most start with a
DER sequence (`MII`), but encrypted ones have no structure, and nothing honest puts other base64 behind such a marker."""


def _private_key(data: bytes, start: int, at: int, end: int) -> tuple[Credential, ...]:
    """A PEM private key: the marker counts only with key material behind it, for libraries and manuals name it often."""
    begin = data.rfind(b"-----BEGIN ", max(start, at - 48), at)
    marker = _MARKER.match(data, begin, min(end, at + 64)) if begin >= 0 else None
    if marker is None:
        return ()
    headers = _HEADERS.match(data, marker.end(), end)
    place = headers.end() if headers else marker.end()
    stated = data[begin:place]
    form = _BASE64 if b"Proc-Type" in stated else _MATERIAL.get(marker[1], _BASE64)
    material = form.match(_BREAKS.sub(b"", data[place : min(end, place + _LOOKED_AT)]))
    if material is None or _placeholder(material[material.lastindex or 0]):
        return ()
    kind = "encrypted private key" if b"ENCRYPTED" in stated else "private key"
    return (Credential(kind, marker[0].decode("ascii"), begin - start),)


def _putty_key(data: bytes, start: int, at: int, end: int) -> tuple[Credential, ...]:
    """A private key in PuTTY's own format, which has a count of private lines."""
    lines = data.find(b"\nPrivate-Lines: ", at, min(end, at + 4_096))
    if lines < 0:
        return ()
    return (Credential("private key", "PuTTY-User-Key-File-…", at - start),)


def _token(kind: str, pattern: bytes, shown: int) -> Confirm:
    """Judge tokens of a fixed form: the whole word must match `pattern`; its first `shown` characters are printed."""

    def confirm(data: bytes, start: int, at: int, end: int) -> tuple[Credential, ...]:
        if at > start and data[at - 1] in _WORD:
            return ()
        found = re.compile(pattern).match(data, at, end)  # once it is needed: all together take 15 ms
        if found is None or _placeholder(found[0][shown:]):
            return ()
        if found.end() < end and data[found.end()] in _WORD:
            return ()
        return (Credential(kind, _redacted(found[0], shown), at - start),)

    return confirm


def _value(kind: str, pattern: bytes) -> Confirm:
    """Judge a value by the name before it: group 1 of `pattern` is the secret, of which nothing is printed."""

    def confirm(data: bytes, start: int, at: int, end: int) -> tuple[Credential, ...]:
        found = re.compile(pattern).match(data, at, end)  # once it is needed: all together take 15 ms
        if found is None or _placeholder(found[1]):
            return ()
        return (Credential(kind, _redacted(found[1], 0), found.start(1) - start),)

    return confirm


_AUTH = re.compile(rb'"auth"\s{0,8}:\s{0,8}"([A-Za-z0-9+/]{8,4000}={0,2})"')


def _registry_login(data: bytes, start: int, at: int, end: int) -> tuple[Credential, ...]:
    """A login in Docker's `config.json`: base64 of `user:password`."""
    match = _AUTH.match(data, at, end)
    if match is None:
        return ()
    try:
        user, _, password = base64.b64decode(match[1], validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return ()
    if not (user and password and user.isascii() and password.isascii() and b"\0" not in user):
        return ()
    return (
        Credential("registry login", f"user {_printable(user[:40])}, password …", match.start(1) - start),
    )


def _placeholder(secret: bytes) -> bool:
    """Whether a document would print this in a secret's place."""
    return len(set(secret)) < _DISTINCT or _REPEATED.search(secret) is not None


def _redacted(secret: bytes, shown: int) -> str:
    """The first `shown` characters, which tell the kind, and the length."""
    return f"{_printable(secret[:shown])}… ({len(secret)} characters)"


def _printable(data: bytes) -> str:
    """Bytes as text without control characters."""
    return "".join(
        character if character.isprintable() else "?" for character in data.decode("ascii", "replace")
    )


_AWS_VALUE = rb"""[\w.]{0,40}["']?\s{0,8}[:=]\s{0,8}["']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"""
_SLACK = rb"-[0-9]{6,16}-[A-Za-z0-9-]{16,200}"


_FORMS: tuple[tuple[bytes, Confirm], ...] = (
    (b"PRIVATE KEY-----", _private_key),
    (b"PRIVATE KEY BLOCK-----", _private_key),
    (b"PuTTY-User-Key-File-", _putty_key),
    (b"AGE-SECRET-KEY-1", _token("age private key", rb"AGE-SECRET-KEY-1[0-9A-Z]{58}", 16)),
    (b'"auth"', _registry_login),
    *(
        (start, _token("GitHub token", start + rb"[A-Za-z0-9]{36,251}", 4))
        for start in (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_")
    ),
    (b"github_pat_", _token("GitHub token", rb"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", 11)),
    (b"glpat-", _token("GitLab token", rb"glpat-[\w-]{20,300}", 6)),
    (b"xoxb-", _token("Slack token", b"xoxb" + _SLACK, 5)),
    (b"xoxp-", _token("Slack token", b"xoxp" + _SLACK, 5)),
    (
        b"hooks.slack.com/services/",
        _value(
            "Slack webhook",
            rb"hooks\.slack\.com/services/(T[A-Z0-9]{6,14}/B[A-Z0-9]{6,14}/[A-Za-z0-9]{18,32})",
        ),
    ),
    (b"AKIA", _token("AWS access key id", rb"AKIA[0-9A-Z]{16}", 4)),
    (b"AWS_SECRET_ACCESS_KEY", _value("AWS secret key", b"AWS_SECRET_ACCESS_KEY" + _AWS_VALUE)),
    (b"aws_secret_access_key", _value("AWS secret key", b"aws_secret_access_key" + _AWS_VALUE)),
    (b"SecretAccessKey", _value("AWS secret key", b"SecretAccessKey" + _AWS_VALUE)),
    (b"AIza", _token("Google API key", rb"AIza[\w-]{35}", 4)),
    (b"AccountKey=", _value("Azure storage key", rb"AccountKey=([A-Za-z0-9+/]{86}==)")),
    (b"npm_", _token("npm token", rb"npm_[A-Za-z0-9]{36}", 4)),
    (b":_authToken", _value("npm token", rb":_authToken\s{0,8}=\s{0,8}[\"']?([A-Za-z0-9+/=_.-]{16,1000})")),
    (b"pypi-AgEI", _token("PyPI token", rb"pypi-AgEI[\w-]{50,500}", 5)),
    (b"sk_live_", _token("Stripe key", rb"sk_live_[A-Za-z0-9]{24,250}", 8)),
    (b"sk-ant-", _token("Anthropic key", rb"sk-ant-[\w-]{40,200}", 7)),
    (b"dckr_pat_", _token("Docker Hub token", rb"dckr_pat_[\w-]{24,64}", 9)),
)
"""How each kind of credential starts, and who decides on what follows."""
