"""What every format must do: show what closes the gate, be the same from the JSON alone, and be inert."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gate.reporters import RenderOptions, formats, reporter
from gate.reporters._dockerfile import Dockerfile
from gate.reporters._problems import problems
from gate.reporters._reading import read_report
from gate.reporters._restoring import restored
from gate.reporters.json import render as render_json
from gate.rule import Action, Finding, Location
from gate.verdict import Outcome, Report, Undecided
from tests.kit.reports import (
    HOSTILE,
    based_report,
    failing,
    failing_report,
    hostile_report,
    passing_report,
    report,
    result,
    unseen_report,
    verdict,
    vexed_report,
    vulnerability,
)

REPORTS = (
    passing_report,
    failing_report,
    based_report,
    hostile_report,
    unseen_report,
    vexed_report,
    lambda: vexed_report(HOSTILE),
)
DOCKERFILE = Dockerfile("deploy/Dockerfile", ((1, "FROM"), (2, "USER")))
OPTIONS = (RenderOptions(), RenderOptions(verbose=True), RenderOptions(dockerfile=DOCKERFILE))


def from_its_json(found: Report, folder: Path) -> Report:
    """Write a report as JSON and read it back."""
    path = folder / "report.json"
    path.write_text(render_json(found, RenderOptions()))
    return restored(read_report(str(path)), str(path))


@pytest.mark.parametrize("name", formats())
@pytest.mark.parametrize("of", REPORTS)
def test_a_report_is_the_same_when_it_is_made_from_the_json_alone(
    name: str, of: Callable[[], Report], tmp_path: Path
) -> None:
    again = from_its_json(of(), tmp_path)
    for options in OPTIONS:
        assert reporter(name).render(again, options) == reporter(name).render(of(), options)


def words(name: str, text: str) -> str:
    """Undo the encoding of a format, so that a test can look for what people read."""
    if name in ("json", "sarif", "gitlab", "codequality", "cyclonedx"):
        text = json.dumps(json.loads(text), ensure_ascii=False)
    return re.sub(r"\s+", " ", html.unescape(unquote(text)))


@pytest.mark.parametrize("name", formats())
@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.UNKNOWN])
@pytest.mark.parametrize("action", [Action.DENY, Action.WARN])
def test_a_rule_that_did_not_pass_is_seen(name: str, outcome: Outcome, action: Action) -> None:
    found = Finding("the flux is uncalibrated") if outcome is Outcome.FAIL else None
    rule = result(
        "max-age", outcome, action=action, findings=(found,) if found else (), reason="nobody can tell"
    )
    text = words(name, reporter(name).render(report(verdict(rule, result("non-root"))), RenderOptions()))
    assert "max-age" in text
    if name != "openmetrics":
        assert ("the flux is uncalibrated" if found else "nobody can tell") in text


@pytest.mark.parametrize("name", formats())
def test_what_could_not_be_told_of_a_file_is_unknown_and_said_once(name: str) -> None:
    text = words(name, reporter(name).render(unseen_report(), RenderOptions()))
    assert "scan-coverage" in text
    assert "rule fails" not in text
    assert len(problems(unseen_report())) == 1
    if name != "openmetrics":
        assert "/app/server" in text
    if name not in ("json", "openmetrics", "gitlab", "junit"):
        assert text.count("a program of no package") == 1


@pytest.mark.parametrize("name", sorted(set(formats()) - {"json", "openmetrics"}))
def test_a_rule_that_names_a_package_has_found_no_vulnerability(name: str) -> None:
    old = Finding("the newest package, curl, is of 2025-01-01", details={"package": "curl", "age_days": 400})
    text = words(name, reporter(name).render(report(verdict(failing("last-patched", old))), RenderOptions()))
    assert "the newest package, curl, is of 2025-01-01" in text
    assert not re.search(r'in curl|package: curl|"name": "curl"|<td>curl|1 package|`curl`', text)


@pytest.mark.parametrize("name", formats())
def test_an_image_that_was_not_judged_is_seen(name: str) -> None:
    undecided = Undecided("oci:broken", "linux/s390x", "the manifest is cut off", "copy it again")
    text = words(name, reporter(name).render(report(undecided=(undecided,)), RenderOptions()))
    assert "oci:broken" in text
    if name != "openmetrics":
        assert "the manifest is cut off" in text


@pytest.mark.parametrize("name", ["text", "json", "html", "markdown", "comment"])
def test_what_vex_takes_away_is_seen(name: str) -> None:
    text = words(name, reporter(name).render(vexed_report(), RenderOptions()))
    assert "CVE-2026-0009" in text
    assert "not_affected" in text
    assert "vulnerable_code_not_in_execute_path" in text


@pytest.mark.parametrize("name", ["text", "html", "markdown", "comment"])
def test_what_ends_and_what_does_not_count_is_said_to_people(name: str) -> None:
    refused = {"number": 3, "id": "CVE-2026-0001", "reason": "it names no product"}
    run = {
        "policy": {
            "baseline": {"file": "b.json", "created": "2026-11-01", "until": "2026-12-31", "in_force": True},
            "expired_exceptions": ["no-setuid path /usr/bin/su"],
            "expiring_exceptions": [{"exception": "no-shell", "days": 5, "until": "2026-11-28"}],
        },
        "vex": [{"name": "shop.json", "origin": "policy", "refused": 1, "refused_statements": [refused]}],
    }
    text = words(name, reporter(name).render(replace(passing_report(), run=run), RenderOptions()))
    assert "baseline b.json of 2026-11-01: what it knows does not count" in text
    assert "no longer excepted: no-setuid path /usr/bin/su" in text
    assert "exception ends in 5 days" in text
    assert "statement 3 on CVE-2026-0001 does not count: it names no product" in text


@pytest.mark.parametrize("name", formats())
@pytest.mark.parametrize(
    "found", [report(), replace(passing_report(), as_of=date(2026, 12, 31))], ids=["empty", "another day"]
)
def test_no_verdict_is_never_shown_as_a_pass(name: str, found: Report) -> None:
    text = words(name, reporter(name).render(found, RenderOptions()))
    assert text != words(name, reporter(name).render(passing_report(), RenderOptions()))
    assert re.search(r"unknown|no verdict|nothing was judged", text)


@pytest.mark.parametrize("name", formats())
@pytest.mark.parametrize("options", OPTIONS)
def test_hostile_strings_are_printable_and_give_no_commands(name: str, options: RenderOptions) -> None:
    text = reporter(name).render(hostile_report(), options)
    assert HOSTILE not in text
    assert all(line.isprintable() for line in text.split("\n"))
    commands = [line for line in text.splitlines() if re.match(r"\s*::|.*##\[", line)]
    ours = r"::(error|warning|notice) [^:]*title=image-gate[^:]*::[^:]"
    assert all(name == "github" and re.match(ours, line) for line in commands)


MARKUP = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "]]><x/>",
    "`</code>` <b>bold</b>",
    "a | b | c",
    "[click](https://evil.test)",
    "![pixel](https://evil.test/x.png)",
    "@everyone #1 &lt;script&gt;",
    "</details></table>\\",
    "\\`x` | y",
    "javascript:alert(1)",
    "=cmd|' /C calc'!A0",
    "{0} {{x}} {% x %}",
    "%0A::error::x",
)
"""What could act in a page, a table or a text with marks."""


def marked_report(text: str) -> Report:
    """A report with `text` wherever an image, a scanner or a caller can put it."""
    location = Location("sha256:x", 0, text, f"pkg:npm/{text}@1")
    opinions = [{"scanner": "trivy", "url": text, "vectors": {text: text}, "scores": {text: 5.0}}]
    package = vulnerability(
        text, text, (text,), found_by=(text,), aliases=[text], title=text, opinions=opinions, source=text
    )
    return report(
        verdict(
            failing("no-shell", Finding(text, location, id=text, remediation=text)),
            failing("vulnerabilities", replace(package, location=location)),
            result("non-root", Outcome.UNKNOWN, reason=text, hint=text),
            evidence={"distribution": text, "scanners": {text: {"version": text}}},
        ),
        undecided=(Undecided(text, text, text, text),),
    )


@pytest.mark.parametrize("text", MARKUP)
@pytest.mark.parametrize("name", ["markdown", "comment"])
def test_markdown_keeps_foreign_text_in_code_spans(name: str, text: str) -> None:
    rendered = reporter(name).render(marked_report(text), RenderOptions())
    outside = re.sub(r"`[^`\n]*`", "CODE", rendered)
    assert "CODE" in outside
    assert "`" not in outside
    marks = re.sub(r"<(/?(details|summary|sub|br)|!-- image-gate:[0-9a-f]{16} --)>", "", outside)
    assert not re.search(r"[<>@\[\]\\]|evil|javascript", marks)
    cells = {line.count("|") for line in outside.splitlines() if line.startswith("| ")}
    assert cells <= {6, 7}


@pytest.mark.parametrize("text", MARKUP)
def test_sarif_has_no_links_and_no_placeholders(text: str) -> None:
    run = json.loads(reporter("sarif").render(marked_report(text), RenderOptions()))["runs"][0]
    for found in run["results"]:
        assert not re.search(r"(?<!\\)\[|(?<!\{)\{(?!\{)\d", found["message"]["text"])
        assert re.fullmatch(
            r"[A-Za-z0-9._/-]+", found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        )
    assert all("helpUri" not in rule for rule in run["tool"]["driver"]["rules"])


@pytest.mark.parametrize("text", MARKUP)
@pytest.mark.parametrize("name", formats())
def test_every_problem_is_there_whatever_it_is_called(name: str, text: str) -> None:
    found = marked_report(text)
    assert len(problems(found)) == 4
    assert reporter(name).render(found, RenderOptions())


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=60))
def test_any_text_stays_in_its_place(text: str) -> None:
    found = marked_report(text)
    rendered = reporter("comment").render(found, RenderOptions())
    assert "`" not in re.sub(r"`[^`\n]*`", "", rendered)
    for name in ("sarif", "gitlab", "codequality"):
        json.loads(reporter(name).render(found, RenderOptions()))
    lines = reporter("github").render(found, RenderOptions()).split("\n")
    assert all(re.match("::(error|warning|notice) ", line) for line in lines[:-1])
