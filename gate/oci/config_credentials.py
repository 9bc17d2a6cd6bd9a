"""Find credentials in an image configuration: environment, labels, build steps and commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from gate.oci.credentials import in_text
from gate.oci.manifest import ImageConfig

MOST = 200
"""Credentials reported per configuration: enough to act on, and a hostile one has room for a million."""

_SECRET_NAME = re.compile(
    r"(?!(?:no|disabled?|without|skip)[_.-]).*(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?"
    r"|(?:API|ACCESS|SECRET|PRIVATE|ENCRYPTION)[_.-]?KEY)[0-9]?",
    re.IGNORECASE | re.DOTALL,
)
"""Names whose value is a secret. They end so: PASSWORD_FILE, TOKEN_URL and GPG_KEY (a fingerprint) are none."""

_ASSIGNMENT = re.compile(r"""(?<![\w$.-])([A-Za-z_][A-Za-z0-9_.-]{0,100})=("[^"]*"|'[^']*'|[^\s;&|]*)""")
_OPTION = re.compile(r"""(?<!\S)--?([A-Za-z][A-Za-z0-9_.-]{0,100})[ =]("[^"]*"|'[^']*'|[^\s;&|-][^\s;&|]*)""")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://([^\s/:@'\"]{1,200}):([^\s/@'\"]{1,500})@", re.IGNORECASE)

_HARMLESS = re.compile(
    r"|\$[A-Za-z_].*|`.*|.*\$[{(].*|\{\{.*|%\w+%|.*\.\.\.|true|false|yes|no|on|off|none|null|nil|undefined|[0-9]{1,3}"
    r"|[x*.\-_?]+|/[\w./${}-]*|(?:file|https?|arn|secretsmanager|vault)://?[^@]*|\[?redacted\]?|REPLACE.*|<.*>",
    re.IGNORECASE | re.DOTALL,
)
"""Values that are no secret: nothing, a variable, a switch, a small number, a placeholder, the path or address of one."""


class ConfigCredential(Struct, frozen=True):
    """A credential in a configuration: its kind, the field that holds it (`Env NAME`, `history 3`), and a safe form."""

    kind: str
    field: str
    redacted: str


def in_config(config: ImageConfig) -> tuple[ConfigCredential, ...]:
    """Find credentials by their form in every text of the configuration, and by name in variables, labels and commands.

    Each place is reported once per kind. Texts are what the configuration holds; nothing is decoded.
    """
    found: dict[tuple[str, str], ConfigCredential] = {}
    for field, text in _texts(config):
        for credential in _in_field(field, text):
            found.setdefault((credential.kind, credential.field), credential)
            if len(found) >= MOST:
                return tuple(found.values())
    return tuple(found.values())


def _texts(config: ImageConfig) -> Iterator[tuple[str, str]]:
    """Yield every text with the field it stands in; the known fields first, by their usual names."""
    for variable in config.env:
        name, _, _ = variable.partition("=")
        yield f"Env {name[:100]}", variable
    for name, value in config.labels.items():
        yield f"Labels {name[:100]}", f"{name}={value}"
    for number, step in enumerate(config.history):
        yield f"history {number}", step.created_by
        yield f"history {number} comment", step.comment
        yield f"history {number} author", step.author
    yield "Entrypoint", " ".join(config.entrypoint)
    yield "Cmd", " ".join(config.cmd)
    for name, value in config.raw.items():
        if name not in ("history", "rootfs"):
            skipped = ("Env", "Labels", "Entrypoint", "Cmd") if name == "config" else ()
            yield from _walk(name, value, skipped)


def _walk(field: str, value: Any, skipped: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield the texts below a field; the depth of a configuration is bounded where it is parsed."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, list):
        for member in value:
            yield from _walk(field, member)
    elif isinstance(value, dict):
        for name, member in value.items():
            if name not in skipped:
                yield from _walk(f"{field} {name[:100]}", member)


def _in_field(field: str, text: str) -> Iterator[ConfigCredential]:
    """Yield what one text holds."""
    known = in_text(text)
    for credential in known:
        yield ConfigCredential(credential.kind, field, credential.redacted)
    for match in _URL.finditer(text):
        if not _HARMLESS.fullmatch(match[2]):
            yield ConfigCredential("password in a URL", field, f"user {match[1][:40]}, password …")
    if known:  # the same value would be reported again, by its name
        return
    for pattern, what in ((_ASSIGNMENT, "variable"), (_OPTION, "option")):
        for match in _whole(field, text) if what == "variable" else pattern.finditer(text):
            name, value = match[1], match[2].strip("\"'")
            if _SECRET_NAME.fullmatch(name) and not _HARMLESS.fullmatch(value):
                yield ConfigCredential(
                    f"secret in a {what}", field, f"{name[:60]}=… ({len(value)} characters)"
                )


_VARIABLE = re.compile(r"([^=]{1,200})=(.*)", re.DOTALL)


def _whole(field: str, text: str) -> Iterator[re.Match[str]]:
    """Yield the assignments of a text: a variable or label is one as a whole, a command may hold several."""
    if field.startswith(("Env ", "Labels ")):
        match = _VARIABLE.fullmatch(text)
        return iter((match,) if match else ())
    return _ASSIGNMENT.finditer(text)
