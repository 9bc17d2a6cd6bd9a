"""Facts in few words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gate.remedies import remedies
from gate.reporters._facts import facts_of_scanners, place, rule_counts, what_stays
from gate.rule import Action, Finding, Location
from tests.kit.reports import BASE, NOW, failing, failing_report, result, verdict


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (Location(BASE, 0, "/bin/sh"), "/bin/sh (layer 0)"),
        (Location(path="/bin/sh"), "/bin/sh"),
        (Location(BASE, 3, package="pkg:deb/debian/zlib1g@1?arch=amd64"), "layer 3"),
        (Location(package="pkg:deb/debian/zlib1g@1?arch=amd64"), "pkg:deb/debian/zlib1g@1"),
        (Location(), ""),
        (Location(BASE, 0, "/bin/sh", base=True), "/bin/sh (layer 0, base)"),
        (Location(BASE, 3, "/bin/sh", base=False), "/bin/sh (layer 3, own)"),
        (Location(BASE, 3, package="pkg:deb/a@1", base=True), "layer 3, base"),
        (Location(package="pkg:deb/a@1", base=False), "pkg:deb/a@1, own"),
        (Location(path="/bin/sh", base=False), "/bin/sh (own)"),
    ],
)
def test_place(location: Location, expected: str) -> None:
    assert place(location) == expected


def test_many_that_only_warn_do_not_hide_what_closes() -> None:
    warned = [failing(f"w{number}", Finding("x"), action=Action.WARN) for number in range(4)]
    closes = failing("a", Finding("x"))
    assert list(what_stays(remedies(verdict(closes, *warned)))) == [
        ("a", "1 high"),
        ("4 rules that only warn", ""),
    ]
    assert [rule for rule, _ in what_stays(remedies(verdict(closes, *warned[:3])))] == ["a", "w0", "w1", "w2"]


def test_counts_of_rules() -> None:
    assert rule_counts(verdict(result("a"), result("b"))) == "2 rules passed"
    expected = "2 rules failed · 2 rules unknown · 2 warnings · 1 excepted · 2 rules passed"
    assert rule_counts(failing_report().verdicts[0]) == expected


def test_a_reused_scan_says_when_it_was_made() -> None:
    scanners = {"trivy": {"version": "0.76.0", "packages": 1, "reused": "2026-11-25T06:00:00+00:00"}}
    lines = facts_of_scanners(verdict(result("a"), evidence={"scanners": scanners}), verbose=False)
    assert lines == ["trivy 0.76.0 · saw 1 package · reused from 2026-11-25T06:00:00+00:00"]


def test_scanners_that_are_no_facts_are_left_out() -> None:
    assert facts_of_scanners(verdict(result("a"), evidence={"scanners": {"trivy": "x"}}), verbose=True) == []
    assert facts_of_scanners(verdict(result("a"), evidence={"scanners": 7}), verbose=True) == []


def test_problems_of_a_scanner_are_told() -> None:
    scanners = {"trivy": {"version": "0.76.0", "problems": ["its database is 9 days old"]}}
    lines = facts_of_scanners(verdict(result("a"), evidence={"scanners": scanners}), verbose=False)
    assert lines == ["trivy 0.76.0", "  ! its database is 9 days old"]


def test_feeds_have_an_age_a_source_or_a_reason() -> None:
    built = (NOW - timedelta(days=3)).isoformat()
    feeds = {
        "epss": {"unavailable": "there\x1b is none"},
        "kev": {
            "built": built,
            "source": "https://f.example.com/kev",
            "digest": "sha256:1",
            "bundle": "sha256:" + "a" * 64,
            "warnings": ["not\nnow"],
        },
    }
    lines = facts_of_scanners(verdict(result("a"), evidence={"feeds": feeds}), verbose=False)
    assert lines == [
        "epss feed · there\\x1b is none",
        "kev feed · 3 days old, from bundle sha256:aaaaaaaaaaaa · https://f.example.com/kev",
        "  ! not\\nnow",
    ]
    lines = facts_of_scanners(verdict(result("a"), evidence={"feeds": feeds}), verbose=True)
    assert lines[1].endswith(f"{built} · sha256:1")
