"""What is shown of a comparison: short without --verbose, whole with it, and safe in any terminal."""

from __future__ import annotations

from typing import Any

import pytest

from gate.reporters import RenderOptions, reporter
from gate.reporters._against import SHOWN, since
from gate.reporters.text import render
from tests.kit.reports import HOSTILE, RUN, passing_report, report
from tests.reporters.test_text import PLAIN


def finding(number: int) -> dict[str, str]:
    return {
        "rule": "vulnerabilities",
        "id": f"CVE-{number}",
        "package": "pkg:deb/x",
        "path": "",
        "severity": "high",
        "message": "m",
    }


def image(**changes: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {name: [] for name in ("new", "fixed", "accepted", "not_told", "fell", "changed")}
    status = {"before": "pass", "now": "pass"}
    return {"reference": "oci:x", "platform": "linux/amd64", "status": status, **empty, **changes}


def against(*images: dict[str, Any], **changes: Any) -> dict[str, object]:
    facts = {"report": "old.json", "started": "2026-11-24", "changed": [], "only_before": [], "only_now": []}
    return {**RUN, "against": {**facts, "images": list(images), **changes}}


def lines(run: dict[str, object], *, verbose: bool = False) -> list[str]:
    return ["".join(pair) for pair in since(run, verbose=verbose)[1]]


def test_nothing_compared_shows_nothing() -> None:
    assert since(RUN, verbose=True) == ("", [])
    assert since({"against": "odd"}, verbose=True) == ("", [])


def test_no_change_is_said() -> None:
    assert lines(against(image())) == ["nothing changed"]
    assert since(against(), verbose=False)[0] == "SINCE old.json OF 2026-11-24"


def test_each_kind_of_change_has_its_mark() -> None:
    one = image(
        status={"before": "pass", "now": "fail"},
        new=[finding(1)],
        fixed=[finding(2), finding(3)],
        accepted=[{**finding(4), "id": "", "path": "/a"}],
        not_told=[finding(5)],
        fell=["no-shell"],
        changed=[{"what": "trivy database", "before": "", "now": "2026-11-24"}],
    )
    changed = [{"what": "policy digest", "before": "a", "now": "b"}]
    assert lines(against(one, changed=changed, only_before=["p"], only_now=["q"])) == [
        "~ policy digest: a → b",
        "oci:x (linux/amd64): was pass, is fail; 1 new, 2 fixed, 1 accepted, 1 not told",
        "  ~ trivy database: none → 2026-11-24",
        "  + new: vulnerabilities CVE-1 (high) pkg:deb/x",
        "  - fixed: vulnerabilities CVE-2 (high) pkg:deb/x",
        "  - fixed: vulnerabilities CVE-3 (high) pkg:deb/x",
        "  ~ accepted since: vulnerabilities m (high) pkg:deb/x /a",
        "  ? not told: its rule did not run, or could not be decided: vulnerabilities CVE-5 (high) pkg:deb/x",
        "  ! no-shell found much before and nothing now: see that it still looks",
        "! not in this run: p",
        "! not in what it is compared with: q",
    ]


def test_long_lists_are_cut_unless_all_is_wanted() -> None:
    run = against(image(new=[finding(number) for number in range(SHOWN + 3)]))
    assert "    and 3 more (--verbose lists all)" in lines(run)
    assert len(lines(run)) == 1 + SHOWN + 1
    assert len(lines(run, verbose=True)) == 1 + SHOWN + 3


def test_it_stands_before_what_the_exit_code_means() -> None:
    one = report(*passing_report().verdicts, run=against(image(new=[finding(1)])))
    text = render(one, PLAIN)
    assert text.index("✓ PASS") < text.index(" SINCE old.json OF 2026-11-24\n") < text.index("exit 0: pass")
    assert " SINCE" not in render(one, RenderOptions(quiet=True))


def test_hostile_texts_stay_one_line_and_act_on_nothing() -> None:
    odd = dict.fromkeys(finding(1), HOSTILE)
    one = image(
        reference=HOSTILE, platform=HOSTILE, status={"before": HOSTILE, "now": HOSTILE},
        new=[odd], fixed=[odd], accepted=[odd], not_told=[odd], fell=[HOSTILE],
        changed=[{"what": HOSTILE, "before": HOSTILE, "now": HOSTILE}],
    )  # fmt: skip
    run = against(one, report=HOSTILE, started=HOSTILE, only_before=[HOSTILE], only_now=[HOSTILE])
    text = render(report(*passing_report().verdicts, run=run), RenderOptions(verbose=True))
    assert not any(ord(character) < 32 and character != "\n" for character in text)
    assert not set(text) & {"\u202e", "\u2066", "\x7f", "\x9b"}
    assert "##[" not in text
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    for wrong in ({"images": "x"}, {"images": ["x", {"new": 1, "status": 2}]}, {"changed": 3, "only_now": 4}):
        assert since(against(**wrong), verbose=True)[0]


@pytest.mark.parametrize("name", ["text", "html", "markdown", "comment"])
def test_what_people_read_says_what_changed(name: str) -> None:
    run = against(image(new=[finding(1)], fixed=[finding(2)]))
    shown = reporter(name).render(report(*passing_report().verdicts, run=run), RenderOptions())
    assert "SINCE old.json OF 2026-11-24" in shown
    assert "new: vulnerabilities CVE-1 (high) pkg:deb/x" in shown
    assert "fixed: vulnerabilities CVE-2" in shown


def test_an_image_to_compare_with_has_no_date_and_may_not_have_been_judged() -> None:
    facts = {"report": "./other", "image": True, "started": "2026-11-22", "not_judged": ["./other: \x1bgone"]}
    title, lines = since({"against": facts}, verbose=False)
    assert title == "AGAINST ./other"
    assert lines == [("! ", "could not be judged for comparison: ./other: \\x1bgone")]
