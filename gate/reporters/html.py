"""html: the report as one page for people who never see a terminal.

One file that asks for nothing else: styles and script are in it, and its Content-Security-Policy allows exactly those two,
by their digests, and no request, image, form or frame. It reads well without the script, which only adds filters. Every
text is escaped by the template engine, and none of them can name a link: addresses of advisories are checked and told.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from gate.reporters import RenderOptions, Reporter
from gate.reporters._page import page
from gate.verdict import Report

if TYPE_CHECKING:
    from jinja2 import Template

_FOLDER = Path(__file__).with_name("page")


def render(report: Report, options: RenderOptions) -> str:  # noqa: ARG001 -- a page has room for everything
    """Render the report as one page."""
    return _template().render(page=page(report))


@functools.cache
def _template() -> Template:
    """Return the template with style and script in it; to compile it takes longer than to fill it."""
    from jinja2 import Environment, StrictUndefined

    style, script, template = (
        (_FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js", "page.html.jinja")
    )
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    static = {
        "style": style,
        "script": script,
        "style_digest": _digest(style),
        "script_digest": _digest(script),
    }
    return environment.from_string(template, globals=static)


def _digest(text: str) -> str:
    """Return the digest of a style or script as a Content-Security-Policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


REPORTER = Reporter("html", "text/html; charset=utf-8", render)
