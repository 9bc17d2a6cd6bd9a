from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gate.errors import InvalidInput
from gate.evidence import Secrets, Subject
from gate.oci.filesystem import Filesystem
from gate.options import Options
from gate.rule import Action, Finding, Location, Remark, Rule, Severity
from samples.images.entries import file
from tests.kit.trees import filesystem


class SomeOptions(Options):
    """Options of a rule for tests."""


def rule(check: Callable[..., Any]) -> Rule:
    return Rule("some-rule", "title", "why", "how", Severity.HIGH, check)


def test_the_signature_is_the_declaration() -> None:
    def check(subject: Subject, secrets: Secrets, options: SomeOptions) -> Iterator[Finding | Remark]:
        yield Finding(str(subject) + str(secrets) + str(options))

    found = rule(check)
    assert (found.evidence, found.options) == ((Subject, Secrets), SomeOptions)
    assert found.marks is False


def test_a_rule_may_need_no_evidence() -> None:
    def check(options: SomeOptions) -> Iterator[Finding]:
        yield Finding(str(options))

    assert rule(check).evidence == ()


def no_parameters() -> Iterator[Finding]:
    yield Finding("x")


def no_options(subject: Subject) -> Iterator[Finding]:
    yield Finding(str(subject))


def options_first(options: SomeOptions, subject: Subject) -> Iterator[Finding]:
    yield Finding(f"{options}{subject}")


def no_kind(text: str, options: SomeOptions) -> Iterator[Finding]:
    yield Finding(f"{text}{options}")


def untyped(subject, options: SomeOptions) -> Iterator[Finding]:  # type: ignore[no-untyped-def]
    yield Finding(f"{subject}{options}")


def untyped_options(subject: Subject, options) -> Iterator[Finding]:  # type: ignore[no-untyped-def]
    yield Finding(f"{subject}{options}")


def two_options(one: SomeOptions, two: SomeOptions) -> Iterator[Finding]:
    yield Finding(f"{one}{two}")


def a_list(subjects: list[Subject], options: SomeOptions) -> Iterator[Finding]:
    yield Finding(f"{subjects}{options}")


@pytest.mark.parametrize(
    "check",
    [no_parameters, no_options, options_first, no_kind, untyped, untyped_options, two_options, a_list],
)
def test_any_other_signature_is_refused(check: Callable[..., Any]) -> None:
    with pytest.raises(InvalidInput, match="rule some-rule: the parameters of its check"):
        rule(check)


def test_severities_are_ordered_and_none_is_false() -> None:
    names = ["unknown", "negligible", "low", "medium", "high", "critical"]
    assert [str(severity) for severity in sorted(Severity)] == names
    assert all(Severity)


def test_actions_are_words_of_the_policy() -> None:
    assert [str(action) for action in Action] == ["deny", "warn"]


def test_a_file_is_located_in_the_layer_that_provides_it() -> None:
    tree: Filesystem = filesystem({"etc/a": file("a")}, {"etc/b": file("b")})
    for path, layer in (("/etc/a", 0), ("/etc/b", 1)):
        entry = tree.get(path)
        assert entry is not None
        assert Location.of(entry, tree) == Location(tree.diff_ids[layer], layer, path)


def test_a_finding_has_what_its_rule_has_unless_it_says_so() -> None:
    finding = Finding("x")
    assert (finding.severity, finding.action, finding.location, finding.details) == (
        None,
        None,
        Location(),
        {},
    )
