"""Nothing is left out in silence: the rule in conftest.py, applied to a small run of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TEST = """
import pytest

def test_runs(): pass

def test_needs_a_tool(tools): tools.path("no-such-tool")

@pytest.mark.xfail(strict=True)
def test_is_expected_to_fail(): assert False
"""
LEFT_OUT_MODULE = "import pytest; pytest.skip('needs another system', allow_module_level=True)"


@pytest.fixture
def inner(pytester: pytest.Pytester) -> pytest.Pytester:
    """A test folder under the rule, with one test that lacks its tool."""
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text())
    pytester.makepyfile(test_inner=TEST)
    return pytester


def test_a_missing_tool_is_named_and_counted(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    result = inner.runpytest("-rs")
    result.assert_outcomes(passed=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["LEFT OUT: 1 tests did not run*", "*needs no-such-tool: *"])
    assert result.ret == pytest.ExitCode.OK


def test_in_ci_a_missing_tool_is_a_failure(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = inner.runpytest()
    result.assert_outcomes(passed=1, errors=0, failed=1, xfailed=1)
    result.stdout.fnmatch_lines(["*left out, which CI does not allow*needs no-such-tool*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_in_ci_a_module_that_leaves_itself_out_is_a_failure(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    inner.makepyfile(test_module=LEFT_OUT_MODULE)
    result = inner.runpytest("test_module.py")
    assert result.ret not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    result.stdout.fnmatch_lines(["*left out, which CI does not allow*needs another system*"])
