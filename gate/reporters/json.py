r"""json: the whole report for machines, with a published schema (gate/schemas/report.json).

The text is ASCII and has no control characters, so it is safe in any terminal and log; a lone surrogate, which many
readers refuse, is written as the six visible characters `\udc80`. Keys of free mappings are sorted: equal reports give
equal bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gate.limits import MIB
from gate.reporters import RenderOptions, Reporter
from gate.reporters._document import report_document
from gate.verdict import Report

_NOT_ASCII = re.compile(r"[^\n -~]")
_SURROGATE = r"[\ud800-\udfff]"
_INDENTED = 8 * MIB
"""Bytes above which nothing is indented: nobody reads so much, and twenty thousand findings take 35 MB instead of 80."""


def render(report: Report, options: RenderOptions) -> str:  # noqa: ARG001 -- machines get everything, always
    """Render the report as JSON that ends in a line feed."""
    return json_text(report_document(report))


def json_text(value: object) -> str:
    """Return any value of plain data, dataclasses and structs as JSON that is safe to show and ends in a line feed."""
    try:
        encoded = msgspec.json.encode(value, enc_hook=_plain, order="deterministic")
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(value, enc_hook=_plain, order="deterministic")
        encoded = msgspec.json.encode(_visible_surrogates(plain))
    if len(encoded) <= _INDENTED:
        encoded = msgspec.json.format(encoded, indent=2)
    # "##[…]" is a command to build systems wherever it stands in a line
    text = encoded.replace(b"##", b"#\\u0023").decode()
    if not text.isascii() or "\x7f" in text:  # a large report has mostly nothing to escape
        text = _NOT_ASCII.sub(_escape, text)
    return text + "\n"


def _plain(value: object) -> object:
    """Turn what msgspec does not know into what it does; anything else in a report is a bug."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a report cannot hold a {type(value).__name__}")


def _escape(match: re.Match[str]) -> str:
    """Write a character as JSON escapes of its UTF-16 code units."""
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _visible_surrogates(value: Any) -> Any:
    """Replace lone surrogates in every string by visible text."""
    if isinstance(value, str):
        return re.sub(_SURROGATE, lambda match: f"\\u{ord(match[0]):04x}", value)
    if isinstance(value, list | tuple):
        return [_visible_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_visible_surrogates(name): _visible_surrogates(item) for name, item in value.items()}
    return value


REPORTER = Reporter("json", "application/json", render)
