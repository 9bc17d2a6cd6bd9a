from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gate.errors import Fault, IntegrityError, MalformedImage, Unavailable
from gate.evaluate import evaluate
from gate.evidence import KINDS, Bases, Evidence, Secrets, Subject, Vulnerabilities
from gate.oci.filesystem import Filesystem
from gate.options import Options
from gate.policy.baseline import Baseline, KnownAs
from gate.policy.exceptions import PolicyException
from gate.policy.policy import Policy, RuleSetting
from gate.policy.recognition import fingerprint
from gate.rule import Action, Finding, Location, Remark, Rule, Severity
from gate.verdict import Excepted, Outcome, RuleResult, Status, Verdict
from gate.vex import Document, ImageIdentity, Product, Statement, Vex
from tests.kit.known_bases import base, layers
from tests.kit.reports import NOW, subject

DENY, WARN = Action.DENY, Action.WARN
TODAY = NOW.date()
SECRETS = Secrets(())
EVIDENCE = Evidence({Secrets: SECRETS, Subject: subject()})


class SomeOptions(Options):
    """Options of the rules below."""


def rule(what: Callable[[], Any], name: str = "some-rule") -> Rule:
    """A rule that needs one kind of evidence and does `what`."""

    def check(secrets: Secrets, options: SomeOptions) -> Iterator[Finding | Remark]:
        assert secrets is SECRETS
        assert isinstance(options, SomeOptions)
        found: Iterator[Finding | Remark] = what()
        return found

    return Rule(name, "title", "why", "how", Severity.LOW, check)


def setting(rule: Rule, action: Action = DENY, on_unknown: Action | None = None) -> RuleSetting:
    """How a policy wants it run."""
    return RuleSetting(
        rule, action, action if on_unknown is None else on_unknown, Severity.HIGH, SomeOptions()
    )


def policy(*settings: RuleSetting, exceptions: tuple[Any, ...] = ()) -> Policy:
    """A policy of these settings."""
    return Policy(
        name="p", origin="p.yaml", digest="sha256:0", scanners_required=(), database_max_age={}, settings=settings,
        not_selected={"other-rule": "off in the policy"}, exceptions=exceptions, entries={}, rules={},
    )  # fmt: skip


def excepting(finding: str, until: date = TODAY, rule: str = "some-rule") -> PolicyException:
    """An exception for the finding of this id."""
    return PolicyException(where="p.yaml:1", rule=rule, until=until, reason="SEC-1", id=finding)


def judge(*settings: RuleSetting, evidence: Evidence = EVIDENCE, **more: Any) -> Verdict:
    """The verdict under a policy of these settings."""
    return evaluate(policy(*settings, **more), evidence, subject())


def says(
    *findings: Finding | Remark, then: Exception | None = None
) -> Callable[[], Iterator[Finding | Remark]]:
    """A check that yields these, and ends with an error."""

    def check() -> Iterator[Finding | Remark]:
        yield from findings
        if then is not None:
            raise then

    return check


ERRORS: Mapping[str, Exception | None] = {
    "none": None,
    "plain": Unavailable("nobody answered", hint="ask again"),
    "integrity": IntegrityError("wrong digest"),
    "malformed": MalformedImage("two readings"),
    "bug": KeyError("x"),
}
ASKED: tuple[tuple[Action | None, ...], ...] = (
    (),
    (None,),
    (DENY,),
    (WARN,),
    (WARN, None),
    (WARN, DENY),
    (WARN, WARN),
)


def expected(
    action: Action, on_unknown: Action, asked: tuple[Action | None, ...], error: str
) -> tuple[str, bool]:
    """What the policy's author was promised: the outcome, and whether it closes the gate."""
    if error in ("integrity", "malformed", "bug"):
        return "unknown", True
    if action == "deny" and set(asked) & {None, DENY}:
        return "fail", True
    if error == "plain":
        return "unknown", on_unknown == "deny"
    return ("fail", False) if asked else ("pass", False)


@pytest.mark.parametrize(("action", "on_unknown"), list(product(Action, repeat=2)))
@pytest.mark.parametrize("asked", ASKED, ids=str)
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("excepted", [False, True], ids=["", "excepted-as-well"])
def test_what_a_rule_says_decides(
    action: Action, on_unknown: Action, asked: tuple[Action | None, ...], error: str, excepted: bool
) -> None:
    findings = [
        Finding(f"finding {number}", id=f"F-{number}", action=one) for number, one in enumerate(asked)
    ]
    covered = [Finding("covered", id="C-1")] if excepted else []
    check = says(Remark("by the way"), *findings, *covered, then=ERRORS[error])
    verdict = judge(setting(rule(check), action, on_unknown), exceptions=(excepting("C-1"),))

    (result,) = verdict.results
    outcome, closes = expected(action, on_unknown, asked, error)
    assert (result.outcome.value, result.closes) == (outcome, closes)
    assert verdict.status is (
        {"fail": Status.FAIL, "unknown": Status.UNKNOWN}[outcome] if closes else Status.PASS
    )
    assert result.findings == tuple(findings)
    assert result.excepted == tuple(Excepted(finding, "SEC-1", TODAY) for finding in covered)
    assert result.remarks == (Remark("by the way"),)
    assert result.blocking is (error in ("integrity", "malformed", "bug"))
    assert (result.severity, result.rule) == (Severity.HIGH, "some-rule")


def test_a_result_says_why_it_is_unknown() -> None:
    (result,) = judge(setting(rule(says(then=ERRORS["plain"])))).results
    assert (result.reason, result.hint) == ("nobody answered", "ask again")
    (result,) = judge(setting(rule(says()))).results
    assert (result.reason, result.hint) == ("", "")


def test_a_finding_of_what_could_not_be_told_is_unknown_and_can_be_excepted() -> None:
    open_ = Finding(
        "nobody saw it", Location(path="/app/a"), id="U-1", unknown=True, remediation="rebuild it"
    )
    (result,) = judge(setting(rule(says(open_)))).results
    assert (result.outcome, result.closes, result.findings) == (Outcome.UNKNOWN, True, (open_,))
    assert (result.reason, result.hint) == ("/app/a: nobody saw it", "rebuild it")
    (result,) = judge(setting(rule(says(open_)), on_unknown=WARN)).results
    assert (result.outcome, result.warns) == (Outcome.UNKNOWN, True)
    (result,) = judge(setting(rule(says(replace(open_, action=WARN))))).results
    assert (result.outcome, result.warns) == (Outcome.FAIL, True)
    (result,) = judge(setting(rule(says(open_))), exceptions=(excepting("U-1"),)).results
    assert (result.outcome, result.excepted) == (Outcome.PASS, (Excepted(open_, "SEC-1", TODAY),))


def test_what_could_not_be_told_excuses_no_failure_and_no_error() -> None:
    open_ = Finding("nobody saw it", unknown=True)
    assert judge(setting(rule(says(open_, Finding("wrong"))))).results[0].outcome is Outcome.FAIL
    (result,) = judge(setting(rule(says(open_, then=ERRORS["integrity"])))).results
    assert (result.reason, result.blocking) == ("wrong digest", True)


def test_of_much_that_could_not_be_told_the_reason_names_some() -> None:
    many = [Finding(f"it {number}", unknown=True, remediation=f"do {number}") for number in range(7)]
    (result,) = judge(setting(rule(says(*many)))).results
    assert result.reason == "it 0; it 1; it 2; it 3; it 4; and 2 more"
    assert result.hint == "do 0"
    assert len(result.findings) == 7


def test_the_action_of_a_result_is_what_it_does() -> None:
    """A finding may ask for less than the rule, never for more."""
    cases = [
        (DENY, DENY, (DENY,), "none", DENY),
        (DENY, DENY, (WARN,), "none", WARN),
        (WARN, DENY, (DENY,), "none", WARN),
        (DENY, WARN, (), "none", DENY),
        (WARN, DENY, (), "none", WARN),
        (DENY, WARN, (), "plain", WARN),
        (WARN, DENY, (), "plain", DENY),
        (WARN, DENY, (DENY,), "plain", DENY),
        (DENY, WARN, (WARN,), "plain", WARN),
        (WARN, WARN, (), "integrity", WARN),
        (DENY, WARN, (), "integrity", DENY),
    ]
    for action, on_unknown, asked, error, does in cases:
        check = says(*(Finding("x", action=one) for one in asked), then=ERRORS[error])
        (result,) = judge(setting(rule(check), action, on_unknown)).results
        assert result.action is does, (action, on_unknown, asked, error)


@pytest.mark.parametrize(
    ("exception", "counts"),
    [
        (excepting("F-1"), True),
        (excepting("F-1", until=TODAY + timedelta(days=1)), True),
        (excepting("F-1", until=TODAY - timedelta(days=1)), False),
        (excepting("F-2"), False),
        (excepting("F-1", rule="other-rule"), False),
    ],
)
def test_an_exception_counts_on_its_last_day_for_its_rule(exception: PolicyException, counts: bool) -> None:
    finding = Finding("x", id="F-1")
    (result,) = judge(setting(rule(says(finding))), exceptions=(exception,)).results
    assert (result.outcome is Outcome.PASS) is counts
    assert (result.findings == ()) is counts
    assert (result.excepted == (Excepted(finding, "SEC-1", exception.until),)) is counts


@pytest.mark.parametrize(
    ("finding", "until", "excepted", "counts"),
    [
        (Finding("x", id="F-1"), TODAY, False, True),
        (Finding("another text", Location(layer="sha256:new"), id="F-1"), TODAY, False, True),
        (Finding("x", id="F-1"), TODAY - timedelta(days=1), False, False),
        (Finding("x", id="F-2"), TODAY, False, False),
        (Finding("x", id="F-1", severity=Severity.CRITICAL), TODAY, False, False),
        (Finding("x", id="F-1", unknown=True), TODAY, False, False),
        (Finding("x", id="F-1"), TODAY, True, False),
    ],
)
def test_what_the_baseline_knows_does_not_decide_and_stays(
    finding: Finding, until: date, excepted: bool, counts: bool
) -> None:
    image = ("registry.example.com/shop/api", "linux/amd64")
    known = {image: {fingerprint("some-rule", "F-1", None, None, "x"): KnownAs(Severity.HIGH)}}
    baseline = Baseline("b.json", date(2026, 11, 1), known, until)
    one = policy(setting(rule(says(finding))), exceptions=(excepting("F-1"),) if excepted else ())
    (result,) = evaluate(replace(one, baseline=baseline), EVIDENCE, subject()).results
    told = Excepted(finding, "known since 2026-11-01 (b.json)", until, baseline=True)
    assert (told in result.excepted) is counts
    assert (result.outcome is Outcome.PASS) is (counts or excepted)


@pytest.mark.parametrize("error", [error for error in ERRORS.values() if error is not None], ids=str)
def test_the_baseline_knows_no_error(error: Exception) -> None:
    image = ("registry.example.com/shop/api", "linux/amd64")
    known = {image: {fingerprint("some-rule", "", None, None, str(error)): KnownAs(Severity.CRITICAL)}}
    one = policy(setting(rule(says(then=error))))
    baseline = Baseline("b.json", date(2026, 11, 1), known, TODAY)
    verdict = evaluate(replace(one, baseline=baseline), EVIDENCE, subject())
    assert verdict.status is Status.UNKNOWN


def test_the_day_is_that_of_the_check() -> None:
    late = evaluate(
        policy(setting(rule(says(Finding("x", id="F-1")))), exceptions=(excepting("F-1"),)),
        EVIDENCE,
        subject(checked_at=NOW + timedelta(days=1)),
    )
    assert late.status is Status.FAIL


@pytest.mark.parametrize(
    "error", [error for error in ERRORS.values() if isinstance(error, Unavailable)], ids=str
)
@pytest.mark.parametrize("on_unknown", Action)
def test_a_rule_without_its_evidence_is_never_asked(error: Unavailable, on_unknown: Action) -> None:
    def never() -> Iterator[Finding]:
        raise AssertionError("asked without evidence")

    verdict = judge(setting(rule(never), WARN, on_unknown), evidence=Evidence({Secrets: error}))
    (result,) = verdict.results
    assert (result.outcome, result.reason, result.blocking) == (Outcome.UNKNOWN, error.message, error.blocks)
    assert result.closes is (error.blocks or on_unknown is DENY)


def test_evidence_that_nobody_collected_is_unknown() -> None:
    (result,) = judge(setting(rule(says())), evidence=Evidence({})).results
    assert (result.outcome, result.blocking) == (Outcome.UNKNOWN, True)
    assert "Secrets was not collected" in result.reason


def _exceptions() -> list[type[Exception]]:
    """Every exception of Python that can be raised without arguments."""
    found = [
        value for value in vars(builtins).values() if isinstance(value, type) and issubclass(value, Exception)
    ]
    return [kind for kind in found if not issubclass(kind, UnicodeError | ExceptionGroup | Warning)]


@pytest.mark.parametrize("kind", [*_exceptions(), UnicodeError], ids=lambda kind: kind.__name__)
def test_no_exception_of_any_kind_escapes(kind: type[Exception]) -> None:
    def at_once() -> Iterator[Finding]:
        raise kind

    for check in (at_once, says(then=kind()), says(Finding("x", id="F-1"), then=kind())):
        (result,) = judge(setting(rule(check), WARN)).results
        assert (result.outcome, result.blocking, result.closes) == (Outcome.UNKNOWN, True, True)
        assert result.reason.startswith("a fault of image-gate in the rule some-rule: ")


@pytest.mark.parametrize(
    "check",
    [
        lambda: None,
        lambda: 1,
        lambda: Finding,
        lambda: ["text"],
        lambda: [None],
        lambda: [()],
        lambda: [Finding],
        lambda: [[Finding("x")]],
        lambda: [Finding("x"), "text"],
        lambda: [RuleResult("some-rule", Outcome.PASS, WARN, Severity.LOW)],
    ],
)
def test_what_is_no_finding_is_a_fault(check: Callable[[], Any]) -> None:
    """A rule of others that breaks its promise says nothing, which must not read as a pass."""
    (result,) = judge(setting(rule(check), WARN)).results
    assert (result.outcome, result.closes) == (Outcome.UNKNOWN, True)
    assert "a fault of image-gate in the rule some-rule: TypeError" in result.reason


def test_an_exception_of_the_policy_that_breaks_is_a_fault() -> None:
    (result,) = judge(setting(rule(says(Finding("x"))), WARN), exceptions=(object(),)).results
    assert (result.outcome, result.closes) == (Outcome.UNKNOWN, True)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_wish_to_end_is_no_answer(kind: type[BaseException]) -> None:
    def check() -> Iterator[Finding]:
        raise kind

    with pytest.raises(kind):
        judge(setting(rule(check)))


def test_a_verdict_tells_of_every_rule_in_order() -> None:
    rules = [setting(rule(says(), name)) for name in ("a", "b")]
    verdict = evaluate(policy(*rules), EVIDENCE, subject(), {"size": 1})
    assert verdict.selected == ("a", "b")
    assert [result.rule for result in verdict.results] == ["a", "b"]
    assert verdict.not_run == {"other-rule": "off in the policy"}
    assert (verdict.subject, verdict.evidence) == (subject(), {"size": 1})
    assert judge(*rules).evidence == {}


def test_no_rule_gives_no_verdict() -> None:
    with pytest.raises(ValueError):
        judge()


BEHAVIOURS = st.tuples(
    st.sampled_from(Action),
    st.sampled_from(Action),
    st.lists(st.sampled_from([None, *Action]), max_size=3),
    st.sampled_from(sorted(ERRORS)),
)


@given(st.lists(BEHAVIOURS, min_size=1, max_size=6))
def test_what_closes_is_never_a_pass(
    behaviours: list[tuple[Action, Action, list[Action | None], str]],
) -> None:
    settings, promised = [], []
    for number, (action, on_unknown, asked, error) in enumerate(behaviours):
        check = says(*(Finding("x", action=one) for one in asked), then=ERRORS[error])
        settings.append(setting(rule(check, f"rule-{number}"), action, on_unknown))
        promised.append(expected(action, on_unknown, tuple(asked), error))
    verdict = judge(*settings)
    closing = {outcome for outcome, closes in promised if closes}
    assert verdict.status.value == ("fail" if "fail" in closing else "unknown" if closing else "pass")
    assert (verdict.status is Status.PASS) is not any(result.closes for result in verdict.results)


@given(st.lists(st.sampled_from(sorted(KINDS, key=lambda kind: kind.__name__)), unique=True))
def test_evidence_of_other_kinds_changes_nothing(kinds: list[type]) -> None:
    others: dict[type, object] = {kind: Fault("x", ValueError()) for kind in kinds if kind is not Secrets}
    assert judge(setting(rule(says())), evidence=Evidence({**others, Secrets: SECRETS})).status is Status.PASS


# --- what comes from the base ---

BASE = base("debian:12", "ab")
IMAGE: Any = object.__new__(Filesystem)
IMAGE.diff_ids = layers("abcd")
BUILT = {Filesystem: IMAGE, Bases: Bases((BASE,), packages=frozenset({("deb", "openssl", "1:3.0-1")}))}
DEB = {"package": "openssl", "type": "deb", "version": "1:3.0-1"}


def placed(finding: Finding, known: Mapping[type, object], **more: Any) -> tuple[bool | None, Verdict]:
    """Where the one finding of a rule comes from, with this evidence beside."""
    verdict = judge(setting(rule(says(finding))), evidence=Evidence({Secrets: SECRETS, **known}), **more)
    (result,) = verdict.results
    (found,) = (*result.findings, *(excepted.finding for excepted in result.excepted))
    return found.location.base, verdict


@pytest.mark.parametrize(("index", "expected"), [(0, True), (1, True), (2, False), (3, False), (None, None)])
def test_a_finding_says_whether_its_layer_is_the_bases(index: int | None, expected: bool | None) -> None:
    place, verdict = placed(Finding("x", Location(layer_index=index, path="/bin/sh")), BUILT)
    assert place is expected
    assert verdict.bases == (BASE,)
    assert verdict.findings_by_base == {True: 0, False: 0, None: 0} | {expected: 1}


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        (DEB, True),
        ({**DEB, "version": "1:3.0-2"}, False),
        ({**DEB, "package": "curl"}, False),
        ({**DEB, "type": "rpm"}, False),
        ({**DEB, "type": "npm"}, False),
        ({"package": "openssl"}, False),
    ],
)
def test_a_package_of_the_distribution_is_the_bases_if_that_lists_it(
    details: Mapping[str, object], expected: bool
) -> None:
    """Its layer is that of the database, which the layers above write anew."""
    assert placed(Finding("x", Location(layer_index=3), details=details), BUILT)[0] is expected


def test_an_epoch_of_zero_is_none() -> None:
    known = {**BUILT, Bases: Bases((BASE,), packages=frozenset({("rpm", "a", "1-1")}))}
    details = {"package": "a", "type": "rpm", "version": "0:1-1"}
    assert placed(Finding("x", Location(layer_index=3), details=details), known)[0] is True


def test_without_the_bases_packages_it_is_open_whose_they_are() -> None:
    known = {**BUILT, Bases: Bases((BASE,))}
    assert placed(Finding("x", Location(layer_index=0), details=DEB), known)[0] is None
    assert placed(Finding("x", Location(layer_index=0)), known)[0] is True


@pytest.mark.parametrize(
    "known",
    [
        {},
        {Filesystem: IMAGE},
        {Bases: BUILT[Bases]},
        {**BUILT, Bases: Bases((base("alpine:3", "f"),))},
        {**BUILT, Bases: Unavailable("no network")},
        {**BUILT, Filesystem: Unavailable("unread")},
    ],
    ids=["nothing", "no bases", "no layers", "another base", "bases unavailable", "layers unavailable"],
)
def test_where_no_base_is_recognised_nothing_is_said(known: dict[type, object]) -> None:
    place, verdict = placed(Finding("x", Location(layer_index=0)), known)
    assert (place, verdict.bases) == (None, ())


def test_what_is_excepted_says_it_too_and_does_not_count() -> None:
    found = Finding("x", Location(layer_index=0), id="CVE-1")
    place, verdict = placed(found, BUILT, exceptions=(excepting("CVE-1"),))
    assert place is True
    assert verdict.findings_by_base == {True: 0, False: 0, None: 0}


@pytest.mark.parametrize(
    ("index", "known", "expected"),
    [(0, BUILT, WARN), (3, BUILT, DENY), (None, BUILT, DENY), (0, {}, DENY)],
    ids=["base", "own", "not placed", "no base"],
)
def test_a_finding_may_warn_if_it_proves_to_be_the_bases(
    index: int | None, known: Mapping[type, object], expected: Action
) -> None:
    found = Finding("x", Location(layer_index=index), action_in_base=WARN)
    _, verdict = placed(found, known)
    assert verdict.results[0].action is expected
    assert verdict.status is (Status.FAIL if expected is DENY else Status.PASS)


def test_saying_it_changes_no_decision() -> None:
    for action in (DENY, WARN):
        one = setting(rule(says(Finding("x", Location(layer_index=0)))), action)
        bare = judge(one)
        told = judge(one, evidence=Evidence({Secrets: SECRETS, **BUILT}))
        assert (told.status, told.results[0].outcome) == (bare.status, bare.results[0].outcome)


MOMENTS = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 -- Hypothesis wants bounds without a zone
    datetime(2030, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


def covered_at(moment: datetime, until: date) -> bool:
    """Whether a finding is excepted at a moment, by an exception that ends on a day."""
    one = policy(setting(rule(says(Finding("x", id="C-1")))), exceptions=(excepting("C-1", until),))
    (result,) = evaluate(one, EVIDENCE, replace(subject(), checked_at=moment)).results
    return bool(result.excepted)


@given(MOMENTS, st.integers(-2, 2))
def test_an_exception_ends_with_its_last_day_in_utc_wherever_the_gate_runs(
    moment: datetime, days: int
) -> None:
    today = moment.astimezone(UTC).date()
    until = today + timedelta(days=days)
    assert covered_at(moment, until) is (days >= 0)
    assert covered_at(moment.astimezone(UTC), until) is (days >= 0)


@given(MOMENTS, MOMENTS, st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_what_has_expired_never_applies_again(one: datetime, other: datetime, until: date) -> None:
    earlier, later = sorted((one, other))
    assert covered_at(earlier, until) or not covered_at(later, until)


def vex(*ids: str) -> Vex:
    """Documents that say of the whole image that it is not affected by these."""
    product = Product(ImageIdentity(str(subject().digest)))
    said = Statement(1, frozenset(ids), "not_affected", NOW, (product,), "component_not_present")
    return Vex((Document("v.json", "policy", "sha256:0", "OpenVEX", "id", "author", (said,)),))


def scanned_rule(*findings: Finding) -> Rule:
    """A rule that judges what scanners find, and finds this."""

    def check(found: Vulnerabilities, options: SomeOptions) -> Iterator[Finding | Remark]:
        yield from findings

    return Rule("some-rule", "title", "why", "how", Severity.LOW, check)


SCANNED = Evidence({**EVIDENCE.values, Vulnerabilities: Vulnerabilities(()), Vex: vex("C-1")})


def test_vex_takes_away_what_it_names_and_comes_before_exceptions() -> None:
    rule = scanned_rule(Finding("covered", id="C-1"), Finding("open", id="F-1"))
    verdict = judge(setting(rule), evidence=SCANNED, exceptions=(excepting("C-1"), excepting("F-1")))
    (result,) = verdict.results
    assert verdict.status is Status.PASS
    assert [item.finding.id for item in result.vex] == ["C-1"]
    assert [item.finding.id for item in result.excepted] == ["F-1"]


def test_vex_reaches_only_what_scanners_find() -> None:
    verdict = judge(setting(rule(says(Finding("covered", id="C-1")))), evidence=SCANNED)
    assert (verdict.status, verdict.results[0].vex) == (Status.FAIL, ())


def test_vex_that_could_not_be_had_takes_nothing_away() -> None:
    evidence = Evidence({**SCANNED.values, Vex: Unavailable("nobody answered")})
    assert judge(setting(scanned_rule(Finding("x", id="C-1"))), evidence=evidence).status is Status.FAIL


def settling(settle: Callable[..., Iterator[Finding]], *findings: Finding) -> RuleResult:
    """What a rule says that finds this and settles it so, where an exception covers C-1."""
    found = replace(rule(says(*findings)), settle=settle)
    return judge(setting(found), exceptions=(excepting("C-1"),)).results[0]


def test_findings_are_settled_once_it_is_known_which_count() -> None:
    asked: list[str] = []

    def settle(findings: list[Finding], options: Options) -> Iterator[Finding]:
        asked.extend(finding.id for finding in findings)
        return (replace(finding, action=WARN) for finding in findings)

    result = settling(settle, Finding("a", id="F-1"), Finding("covered", id="C-1"))
    assert asked == ["F-1"]
    assert (result.outcome, result.action) == (Outcome.FAIL, WARN)


def test_settling_neither_loses_nor_adds_a_finding() -> None:
    for settle in (
        lambda findings, _: iter(findings[1:]),
        lambda findings, _: iter([*findings, findings[0]]),
    ):
        result = settling(settle, Finding("a"), Finding("b"))
        assert (result.outcome, result.blocking, len(result.findings)) == (Outcome.UNKNOWN, True, 2)


def test_what_could_not_be_finished_is_not_settled() -> None:
    check = says(Finding("a"), then=ERRORS["plain"])
    lenient = lambda findings, _: (replace(one, action=WARN) for one in findings)  # noqa: E731
    found = replace(rule(check), settle=lenient)
    assert judge(setting(found)).status is Status.FAIL
