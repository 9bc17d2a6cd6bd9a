"""The JSON report: its shape, and bytes that no reader and no terminal can be misled by."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gate.oci import strict_json
from gate.reporters import RenderOptions
from gate.reporters.json import json_text, render
from gate.rule import Action, Finding
from gate.verdict import Report
from tests.kit.golden import assert_golden
from tests.kit.reports import (
    based_report,
    failing,
    failing_report,
    hostile_report,
    passing_report,
    report,
    result,
    verdict,
)


def rendered(found: Report) -> Any:
    return json.loads(render(found, RenderOptions()))


@pytest.mark.parametrize(
    ("name", "of"), [("pass", passing_report), ("fail", failing_report), ("based", based_report)]
)
def test_golden(name: str, of: Callable[[], Report]) -> None:
    assert_golden(f"reporters/golden/{name}.json", render(of(), RenderOptions()))


def test_the_options_change_nothing() -> None:
    options = RenderOptions(width=40, color=True, verbose=True, quiet=True)
    assert render(failing_report(), options) == render(failing_report(), RenderOptions())


def test_equal_reports_give_equal_bytes_whatever_the_order_of_their_mappings() -> None:
    found = passing_report()
    turned = replace(found, run=dict(reversed(list(found.run.items()))))
    assert render(turned, RenderOptions()) == render(found, RenderOptions())


def test_hostile_strings_are_ascii_and_every_strict_reader_reads_them() -> None:
    text = render(hostile_report(), RenderOptions())
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert "##" not in text
    strict_json.parse(text.encode(), "the report")
    assert json.loads(text)["verdicts"][0]["results"][0]["findings"][0]["message"].startswith(
        "\x1b[2Jx\n::error::y"
    )


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_survives_apart_from_lone_surrogates(text: str) -> None:
    found = json_text({"text": text})
    assert found.isascii()
    assert json.loads(found)["text"] == "".join(
        f"\\u{ord(character):04x}" if 0xD800 <= ord(character) <= 0xDFFF else character for character in text
    )


def test_what_could_not_be_judged_is_an_unknown_verdict_with_its_reason() -> None:
    last = rendered(failing_report())["verdicts"][-2]
    assert last["status"] == "unknown"
    assert last["results"] == []
    assert last["reason"].startswith("blob sha256:12")
    assert last["subject"]["platform"] == "linux/s390x"
    assert last["subject"]["digest"] is None


def test_platforms_say_what_was_judged_and_what_was_left_out() -> None:
    first = rendered(failing_report())["verdicts"][0]
    assert first["platforms"] == {
        "checked": ["linux/amd64", "linux/arm64/v8"],
        "left_out": [{"platform": "linux/386", "reason": "left out by --platform"}],
        "partial": True,
    }
    assert not rendered(passing_report())["verdicts"][0]["platforms"]["partial"]


def test_a_required_platform_that_is_missing_is_a_failure_without_results() -> None:
    missing = rendered(failing_report())["verdicts"][-1]
    assert (missing["status"], missing["subject"]["platform"]) == ("fail", "linux/arm64")
    assert missing["results"] == []
    assert missing["reason"].startswith("the policy requires linux/arm64")


@pytest.mark.parametrize(
    ("of_rule", "of_finding", "expected"),
    [
        (Action.DENY, None, "deny"),
        (Action.DENY, Action.WARN, "warn"),
        (Action.WARN, None, "warn"),
        (Action.WARN, Action.DENY, "warn"),
    ],
)
def test_a_finding_never_goes_beyond_its_rule(
    of_rule: Action, of_finding: Action | None, expected: str
) -> None:
    found = rendered(report(verdict(failing("no-shell", Finding("x", action=of_finding), action=of_rule))))
    assert found["verdicts"][0]["results"][0]["findings"][0]["action"] == expected


def test_passwords_are_not_told() -> None:
    secret = "https://user:hunter2@registry.example.com/api"
    finding = Finding(f"seen at {secret}", remediation=f"see {secret}")
    found = report(
        verdict(failing("no-shell", finding, reason=secret, hint=secret)),
        left_out={"oci:image:1.0": {"x": secret}},
    )
    assert "hunter2" not in render(found, RenderOptions())


def test_facts_of_every_plain_kind_are_told_and_others_are_a_bug() -> None:
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    facts = {"at": moment, "nested": MappingProxyType({"b": (1, 2.5), "a": None}), "action": Action.DENY}
    found = rendered(report(verdict(result("no-shell"), evidence=facts)))["verdicts"][0]["evidence"]
    assert found == {"action": "deny", "at": "2026-11-23T00:00:00Z", "nested": {"a": None, "b": [1, 2.5]}}
    with pytest.raises(TypeError, match="cannot hold a object"):
        render(report(verdict(result("no-shell"), evidence={"x": object()})), RenderOptions())


def test_what_nobody_reads_is_not_indented() -> None:
    """Indented, a report of twenty thousand findings would take more than twice as many bytes, and as much memory again."""
    small, large = {"a": ["b"]}, {"a": ["b" * 9_000_000]}
    assert json_text(small) == '{\n  "a": [\n    "b"\n  ]\n}\n'
    text = json_text(large)
    assert text.count("\n") == 1
    assert json.loads(text) == large
