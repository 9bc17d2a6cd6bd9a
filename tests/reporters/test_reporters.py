"""Reporters are found by name, one at a time."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gate import plugins, reporters
from gate.errors import InvalidInput
from gate.reporters import Reporter, formats, reporter


def test_every_module_is_a_reporter_under_its_own_name() -> None:
    found = list(plugins.constants(reporters, "REPORTER", Reporter))
    assert (
        tuple(one.name for one in found)
        == formats()
        == (
            *(
                "codequality",
                "comment",
                "cyclonedx",
                "github",
                "gitlab",
                "html",
                "json",
                "junit",
                "markdown",
                "openmetrics",
                "sarif",
                "text",
            ),
        )
    )
    assert all(reporter(one.name) is one for one in found)


@pytest.mark.parametrize("name", ["yaml", "_document", "", "../json", "json.x"])
def test_there_is_no_other(name: str) -> None:
    with pytest.raises(InvalidInput, match="there is no format"):
        reporter(name)


def test_a_module_without_its_constant_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.reporters.json.REPORTER", None)
    with pytest.raises(InvalidInput, match="offers no reporter 'json'"):
        reporter("json")


def test_json_does_not_import_what_draws_tables() -> None:
    code = "import sys; from gate.reporters import reporter; reporter('json'); print('rich' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )
