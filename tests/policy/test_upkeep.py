"""What reports tell of a policy's exceptions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gate.policy.baseline import Baseline
from gate.policy.policy import Policy
from gate.policy.upkeep import BROAD, baseline_facts, exception_facts
from gate.rule import Finding, Location
from gate.verdict import Excepted, Outcome, Verdict
from tests.kit.reports import NOW, result, subject, verdict

TODAY = NOW.date()
Load = Callable[[str], Policy]
SHELL = Finding("a shell", Location(path="/bin/sh"))


def policy_of(load: Load, *entries: str, more: str = "") -> Policy:
    items = "".join(f"  - {{reason: r, {entry}}}\n" for entry in entries)
    return load(f"schema: 1\nrules: {{no-shell: {{}}, non-root: {{}}}}\n{more}exceptions:\n{items}")


def judged(*excepted: Finding, outcome: Outcome = Outcome.PASS, **changes: Any) -> Verdict:
    covered = tuple(Excepted(finding, "r", TODAY) for finding in excepted)
    return verdict(result("no-shell", outcome, excepted=covered), **changes)


@pytest.mark.parametrize(
    ("days", "expired", "expiring"),
    [(-1, True, False), (0, False, True), (14, False, True), (15, False, False)],
)
def test_what_has_expired_and_what_soon_will(load: Load, days: int, expired: bool, expiring: bool) -> None:
    until = TODAY + timedelta(days=days)
    facts = exception_facts(
        policy_of(load, f"rule: no-shell, path: /bin/sh, until: {until}, owner: shop"), [], TODAY
    )
    assert facts["expired_exceptions"] == (["no-shell path /bin/sh"] if expired else [])
    told = {"exception": "no-shell path /bin/sh", "until": str(until), "days": days, "owner": "shop"}
    assert facts["expiring_exceptions"] == ([told] if expiring else [])


def test_the_policy_says_what_soon_is(load: Load) -> None:
    entry = f"rule: no-shell, path: /bin/sh, until: {TODAY + timedelta(days=20)}"
    for days, told in ((19, 0), (20, 1)):
        policy = policy_of(load, entry, more=f"exceptions-notice-days: {days}\n")
        assert len(exception_facts(policy, [], TODAY)["expiring_exceptions"]) == told  # type: ignore[arg-type]


SH, BASH = (f"rule: no-shell, path: /bin/{name}, until: 2030-01-01" for name in ("sh", "bash"))


def unused(policy: Policy, *verdicts: Verdict) -> object:
    return exception_facts(policy, verdicts, TODAY)["unused_exceptions"]


def test_what_covered_nothing_is_unused(load: Load) -> None:
    policy = policy_of(load, SH, BASH)
    assert unused(policy, judged(SHELL)) == ["no-shell path /bin/bash"]
    assert unused(policy, judged(), judged(SHELL)) == ["no-shell path /bin/bash"]
    assert unused(policy, judged()) == ["no-shell path /bin/sh", "no-shell path /bin/bash"]


def test_what_was_not_judged_says_nothing_of_an_exception(load: Load) -> None:
    elsewhere = f"{SH}, images: registry.example.com/other"
    other_rule = "rule: non-root, id: x, until: 2030-01-01"
    past = SH.replace("2030", "2020")
    policy = policy_of(load, elsewhere, other_rule, past)
    assert unused(policy, judged()) == []
    assert unused(policy) == []
    assert unused(policy_of(load, SH), judged(outcome=Outcome.UNKNOWN)) == []
    here = subject(names=())
    assert unused(policy_of(load, SH), judged(subject=here)) == ["no-shell path /bin/sh"]


def test_what_covers_much_without_naming_it(load: Load) -> None:
    """An id says what was looked at; a pattern over paths also takes in what nobody saw."""
    shells = [Finding("a shell", Location(path=f"/bin/{number}"), id="x") for number in range(BROAD + 1)]
    pattern = "rule: no-shell, path: /bin/*, until: 2030-01-01"
    policy = policy_of(load, pattern, f"id: x, {pattern}")
    facts = exception_facts(policy, [judged(*shells[:3]), judged(*shells[3:])], TODAY)
    assert facts["broad_exceptions"] == [{"exception": "no-shell path /bin/*", "findings": BROAD + 1}]
    assert not exception_facts(policy, [judged(*shells[1:])], TODAY)["broad_exceptions"]


def test_a_policy_without_exceptions_has_nothing_to_tell(load: Load) -> None:
    facts = exception_facts(load("schema: 1\nrules: {no-shell: {}}\n"), [judged()], date(2026, 1, 1))
    assert set(facts) == {
        "broad_exceptions",
        "expired_exceptions",
        "expiring_exceptions",
        "unused_exceptions",
    }
    assert not any(facts.values())


def test_the_baseline_says_which_images_it_is_not_for(load: Load) -> None:
    known: dict[tuple[str, str], dict[Any, Any]] = {("registry.example.com/shop/api", "linux/amd64"): {}}
    baseline = Baseline("b.json", date(2026, 11, 1), known, TODAY)
    policy = replace(load("schema: 1\nrules: {no-shell: {}}\n"), baseline=baseline)
    other = subject("other.tar", names=())
    facts = baseline_facts(policy, [judged(), judged(subject=other)], TODAY)
    assert facts == {
        "baseline": {
            "file": "b.json",
            "created": "2026-11-01",
            "until": str(TODAY),
            "in_force": True,
            "not_for": ["other.tar (linux/amd64)"],
        }
    }
    late = baseline_facts(policy, [], TODAY + timedelta(days=1))["baseline"]
    assert late["in_force"] is False  # type: ignore[index]
    assert baseline_facts(replace(policy, baseline=None), [], TODAY) == {}
