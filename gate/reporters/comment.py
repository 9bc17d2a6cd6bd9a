"""comment: the report in Markdown for a comment on a pull or merge request.

GitHub takes 65,536 characters. The first line is a mark, invisible and the same for the same images in every run, by which
a later run finds the comment and writes it anew instead of adding one.
"""

from __future__ import annotations

import hashlib

from gate.reporters import RenderOptions, Reporter
from gate.reporters._markdown import Size, markdown
from gate.reporters._problems import image_names
from gate.verdict import Report

SIZE = Size(bytes=60_000, entries=20)


def mark(report: Report) -> str:
    """Return the mark of a comment on these images, whatever their tags."""
    digest = hashlib.sha256("\n".join(image_names(report)).encode()).hexdigest()
    return f"<!-- image-gate:{digest[:16]} -->"


def render(report: Report, options: RenderOptions) -> str:  # noqa: ARG001 -- the place decides how much is told
    """Render the report for a comment."""
    return f"{mark(report)}\n{markdown(report, SIZE)}"


REPORTER = Reporter("comment", "text/markdown; charset=utf-8", render)
