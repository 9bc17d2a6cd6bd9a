"""markdown: the summary of a job, as GitHub and GitLab show it.

GitHub takes 1,024 KiB of a step and shows nothing at all where there is more.
"""

from __future__ import annotations

from gate.reporters import RenderOptions, Reporter
from gate.reporters._markdown import Size, markdown
from gate.verdict import Report

SIZE = Size(bytes=900 * 1024, entries=2_000)


def render(report: Report, options: RenderOptions) -> str:  # noqa: ARG001 -- the place decides how much is told
    """Render the report for a job's summary."""
    return markdown(report, SIZE)


REPORTER = Reporter("markdown", "text/markdown; charset=utf-8", render)
