"""The lines of a Dockerfile that problems are shown at."""

from __future__ import annotations

import pytest

from gate.reporters._dockerfile import Dockerfile

TEXT = """\
# USER is set below
FROM golang:1.26 AS build
USER root
RUN make \\
    USER nobody \\
    # FROM inside

from debian:12
LABEL a=b
user app
EXPOSE 80
"""


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("non-root", 10),
        ("exposed-ports", 11),
        ("required-labels", 9),
        ("healthcheck", 8),
        ("no-shell", 8),
        ("vulnerabilities", 8),
        ("not-judged", 8),
    ],
)
def test_the_line_is_that_of_the_last_stage(rule: str, line: int) -> None:
    assert Dockerfile("Dockerfile", TEXT).line_for(rule) == line


@pytest.mark.parametrize("text", ["", "\n\n", "USER", "\x00\x85x", "RUN x"])
def test_a_dockerfile_without_a_stage_has_a_first_line_all_the_same(text: str) -> None:
    assert Dockerfile("Dockerfile", text).line_for("no-shell") == 1
