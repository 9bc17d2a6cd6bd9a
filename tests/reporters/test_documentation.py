"""docs/reports.md: every format has its section, and every example is what the format writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gate.reporters import formats

TEXT = (Path(__file__).parent.parent.parent / "docs" / "reports.md").read_text(encoding="utf-8")
GOLDEN = Path(__file__).parent / "golden"
EXAMPLES: dict[str, str] = {
    "text": "fail.txt",
    "json": "fail.json",
    "markdown and comment": "fail.md",
    "github": "fail-github.txt",
    "sarif": "fail.sarif",
    "gitlab": "fail-gitlab.json",
    "codequality": "fail-codequality.json",
    "junit": "fail-junit.xml",
    "cyclonedx": "fail-cyclonedx.json",
    "openmetrics": "fail-openmetrics.txt",
}
"""Section to the golden file that its example is taken from."""


def test_every_format_is_described() -> None:
    assert {name for name in formats() if f"| [{name}](#" in TEXT} == set(formats())


@pytest.mark.parametrize("section", EXAMPLES)
def test_every_example_is_what_the_format_writes(section: str) -> None:
    (text,) = re.findall(rf"\n## {section}\n(.*?)(?=\n## |\Z)", TEXT, re.DOTALL)
    (example,) = re.findall(r"```\w+\n(.*?)```", text, re.DOTALL)
    lines = (GOLDEN / EXAMPLES[section]).read_text(encoding="utf-8").splitlines()
    written = {line.strip() for line in lines}
    assert [line for line in example.splitlines() if line and line.strip() not in written] == []
