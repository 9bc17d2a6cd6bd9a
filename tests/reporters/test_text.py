"""The text report: what people read, word by word (golden), and what must never reach a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from gate.reporters import RenderOptions
from gate.reporters.text import FINDINGS_PER_RULE, LINES_PER_SECTION, render
from gate.rule import Action, Finding, Location
from gate.verdict import Excepted, Outcome, Report
from tests.kit.golden import assert_golden
from tests.kit.reports import (
    HOSTILE,
    NOW,
    based_report,
    failing,
    failing_report,
    hostile_report,
    passing_report,
    report,
    result,
    unseen_report,
    verdict,
    vulnerability,
)

PLAIN = RenderOptions(width=100)


@pytest.mark.parametrize(
    ("name", "of", "options"),
    [
        ("pass", passing_report, PLAIN),
        ("pass-quiet", passing_report, RenderOptions(quiet=True)),
        ("fail", failing_report, PLAIN),
        ("fail-verbose", failing_report, RenderOptions(width=120, verbose=True)),
        ("fail-quiet", failing_report, RenderOptions(quiet=True)),
        ("based", based_report, PLAIN),
        ("based-quiet", based_report, RenderOptions(quiet=True)),
        ("hostile", hostile_report, RenderOptions(width=80, verbose=True)),
    ],
)
def test_golden(name: str, of: Callable[[], Report], options: RenderOptions) -> None:
    assert_golden(f"reporters/golden/{name}.txt", render(of(), options))


@pytest.mark.parametrize("quiet", [False, True])
def test_the_first_line_says_that_platforms_were_left_out(quiet: bool) -> None:
    found = replace(
        passing_report(), partial=("oci:image:1.0",), left_out={"oci:image:1.0": {"linux/386": "x"}}
    )
    first, *_ = render(found, RenderOptions(quiet=quiet)).splitlines()
    assert "partial: platforms were left out" in first
    for whole in (passing_report(), replace(found, partial=())):
        assert "partial" not in render(whole, RenderOptions(quiet=quiet))
    assert "partial" in render(replace(found, run={}), RenderOptions()).splitlines()[0]


def test_a_pass_is_a_few_lines() -> None:
    assert len(render(passing_report(), PLAIN).splitlines()) == 4


def test_what_nobody_saw_is_no_failure() -> None:
    unseen = Finding("a program of no package", Location(path="/app/server"), unknown=True)
    told = result("scan-coverage", Outcome.UNKNOWN, findings=(unseen,), reason="/app/server: nobody saw it")
    text = render(report(verdict(told)), PLAIN)
    assert "WHAT FAILED" not in text
    assert re.search(r"WHAT NOBODY SAW .*\n \? scan-coverage .*a program of no package  /app/server", text)
    assert "COULD NOT TELL\n ? scan-coverage: /app/server: nobody saw it" in text


def test_what_findings_tell_is_not_told_again() -> None:
    text = render(unseen_report(), PLAIN)
    assert "COULD NOT TELL" not in text
    assert text.count("a program of no package") == text.count("→ install it as a package") == 1


def test_what_to_fix_comes_first() -> None:
    text = render(failing_report(), PLAIN)
    assert text.index("FIX FIRST") < text.index("after that these stay") < text.index("WHAT FAILED")


@pytest.mark.parametrize("width", range(60, 100))
def test_a_layer_keeps_its_number(width: int) -> None:
    text = render(failing_report(), RenderOptions(width=width))
    assert not re.search(r"layer$", text, re.MULTILINE)
    assert "\ue000" not in render(
        report(verdict(failing("no-shell", Finding("\ue000", Location(path="\ue000"))))),
        RenderOptions(width=width),
    )


def test_a_narrow_terminal_has_rules_over_their_severities() -> None:
    text = render(failing_report(), RenderOptions(width=60))
    assert re.search(r"\n ✗ no-shell\n   high +/bin/bash is a shell", text)
    assert (
        " 1. openssl 1.0-1 → 1.0-1+deb12u10\n    clears 1 critical, 1 high, found by grype, trivy\n" in text
    )
    *_, first, second, rest, codes, ending = text.splitlines()
    assert first == "image-gate explain no-shell"
    assert f"{second} {rest}" == "image-gate except add no-shell --path PATH --until DATE --reason TEXT"
    assert codes == "0 pass · 1 fail · 2 wrong request · 3 could not decide"
    assert ending == "exit 1: fail, the policy is broken"


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_lines_stay_within_the_width(width: int) -> None:
    *lines, last = render(failing_report(), RenderOptions(width=width)).splitlines()
    assert all(len(line) <= width for line in lines)
    assert last.startswith("exit 1: fail")


@pytest.mark.parametrize("quiet", [False, True])
def test_colour_adds_nothing_but_colour(quiet: bool) -> None:
    plain = render(failing_report(), RenderOptions(quiet=quiet))
    coloured = render(failing_report(), RenderOptions(color=True, quiet=quiet))
    assert "\x1b[1;31m" in coloured
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in bare.splitlines()] == plain.splitlines()


@pytest.mark.parametrize("width", [40, 41, 79, 80, 120, 500])
@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("quiet", [False, True])
def test_hostile_strings_cannot_act(width: int, verbose: bool, quiet: bool) -> None:
    text = render(hostile_report(), RenderOptions(width=width, verbose=verbose, quiet=quiet))
    assert all(line.isprintable() for line in text.split("\n"))
    assert not re.search(r"^\s*::[\w-]+( .*)?::|##\[", text, re.MULTILINE)
    assert HOSTILE not in text


def test_a_hostile_string_cannot_pass_for_a_line_of_ours() -> None:
    forged = f"x{' ' * 200}✓ PASS  oci:other  exit 0: pass{' ' * 200}"
    text = render(report(verdict(failing("no-shell", Finding(forged, Location(path=forged))))), PLAIN)
    starts = [line for line in text.splitlines() if line.startswith(("✓", "exit"))]
    assert starts == [line for line in text.splitlines() if line.startswith("exit 1: fail")]


@pytest.mark.parametrize("quiet", [False, True])
def test_passwords_are_not_shown(quiet: bool) -> None:
    secret = "user:hunter2@registry.example.com/api"
    found = report(
        verdict(result("non-root", Outcome.UNKNOWN, reason=f"cannot reach {secret}", hint=f"try {secret}")),
        left_out={secret: {"linux/386": "not wanted"}},
    )
    assert "hunter2" not in render(found, RenderOptions(quiet=quiet, verbose=True))


def test_many_findings_are_cut_and_counted_and_all_are_there_with_verbose() -> None:
    many = [Finding(f"shell number {number}") for number in range(FINDINGS_PER_RULE + 3)]
    found = report(verdict(failing("no-shell", *many)))
    text = render(found, PLAIN)
    assert "shell number 4" in text
    assert "shell number 5" not in text
    assert "and 3 more (--verbose lists all)" in text
    assert "shell number 7" in render(found, RenderOptions(verbose=True))


def test_many_upgrades_are_cut_and_counted() -> None:
    many = [vulnerability(f"CVE-{n}", f"package{n:02}", ("2",)) for n in range(LINES_PER_SECTION + 2)]
    found = report(verdict(failing("vulnerabilities", *many)))
    text = render(found, PLAIN)
    assert "10. package09" in text
    assert "11. package10" not in text
    assert "and 2 more (--verbose lists all)" in text
    assert "12. package11" in render(found, RenderOptions(verbose=True))


def test_integrity_errors_come_first_among_the_unknown() -> None:
    lines = render(failing_report(), PLAIN).splitlines()
    start = lines.index(" COULD NOT TELL")
    assert [line[:3] for line in lines[start + 1 : start + 6]] == [" ? ", "   ", " ? ", "   ", " ! "]
    assert "non-root" in lines[start + 1]


def test_one_reason_for_many_rules_is_said_once() -> None:
    rules = [
        result(f"rule-{n}", Outcome.UNKNOWN, reason="layer 2 is cut off", blocking=True) for n in range(6)
    ]
    text = render(report(verdict(*rules)), PLAIN)
    assert "? rule-0, rule-1, rule-2, rule-3 and 2 more: layer 2 is cut off" in text
    assert text.count("cut off") == 1


def test_a_finding_that_only_warns_is_a_warning_also_in_a_rule_that_denies() -> None:
    warning = Finding("CVE-2026-0001 (unknown)", action=Action.WARN)
    text = render(report(verdict(failing("vulnerabilities", Finding("CVE-2026-0002"), warning))), PLAIN)
    assert text.index("WHAT FAILED") < text.index("CVE-2026-0002") < text.index("WARNINGS")
    assert text.index("WARNINGS") < text.index("CVE-2026-0001")


def test_expired_exceptions_are_said() -> None:
    run = {
        "version": "0.1.0",
        "policy": {"digest": "sha256:1", "expired_exceptions": ["no-shell path /bin/sh"]},
    }
    assert "! no longer excepted: no-shell path /bin/sh" in render(
        report(verdict(result("no-shell")), run=run), PLAIN
    )


def test_exceptions_that_end_soon_and_those_that_nothing_needs_are_said() -> None:
    policy = {
        "digest": "sha256:1",
        "expiring_exceptions": [
            {"exception": "no-shell path /a", "until": "2026-12-01", "days": 1, "owner": "shop"},
            {"exception": "no-shell path /b", "until": "2026-12-03", "days": 3, "owner": ""},
            "odd",
        ],
        "unused_exceptions": ["no-shell path /c", "no-shell path /d"],
        "broad_exceptions": [{"exception": "no-shell path /e/**", "findings": 12}, "odd"],
    }
    told = report(verdict(result("no-shell")), run={"version": "0.1.0", "policy": policy})
    text = render(told, PLAIN)
    assert "! exception ends in 1 day (2026-12-01, owner shop): no-shell path /a\n" in text
    assert "! exception ends in 3 days (2026-12-03): no-shell path /b\n" in text
    assert "! exception covers 12 findings, if all are meant: no-shell path /e/**\n" in text
    assert "! 2 exceptions cover nothing here (--verbose or the page names them)\n" in text
    assert "/c" not in text
    verbose = render(told, RenderOptions(verbose=True))
    assert "! exception covers nothing here: no-shell path /c\n" in verbose
    assert "! exception covers nothing here: no-shell path /d\n" in verbose


def test_what_the_baseline_knows_is_said_and_not_as_passed() -> None:
    known = Excepted(
        Finding("shell sh", Location(path="/bin/sh")), "known since x", NOW.date(), baseline=True
    )
    facts = {"file": "b.json", "created": "2026-11-01", "until": "2026-12-31", "in_force": True}
    run = {"version": "0.1.0", "policy": {"baseline": {**facts, "not_for": ["oci:other (linux/amd64)"]}}}
    judged = verdict(result("no-shell", excepted=(known,)), result("non-root"))
    text = render(report(judged, run=run), RenderOptions(verbose=True))
    assert "! baseline b.json of 2026-11-01: what it knows does not count, until 2026-12-31\n" in text
    assert "! baseline b.json of 2026-11-01 says nothing of oci:other (linux/amd64)\n" in text
    assert "1 known · 1 rule passed" in text
    assert " KNOWN BEFORE (BASELINE), NOT PASSED\n no-shell: shell sh /bin/sh\n" in text
    assert " PASSED\n non-root\n" in text
    assert "EXCEPTIONS" not in text
    over = {"version": "0.1.0", "policy": {"baseline": {**facts, "in_force": False}}}
    text = render(report(judged, run=over), PLAIN)
    assert "! baseline b.json of 2026-11-01 ended on 2026-12-31 and covers nothing any more\n" in text


def test_a_report_without_facts_still_renders() -> None:
    text = render(
        report(verdict(result("no-shell"), evidence={}, not_run={}), run={}), RenderOptions(verbose=True)
    )
    assert text.startswith("image-gate 0.1.0\n✓ PASS  oci:image:1.0  linux/amd64\n")


def test_nothing_judged_is_no_pass() -> None:
    assert render(Report(()), PLAIN).splitlines()[-1].startswith("exit 3: unknown")
