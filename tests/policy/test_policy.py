from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from gate.errors import InvalidInput
from gate.oci.reference import Reference
from gate.policy.policy import Policy, RuleSetting
from gate.rule import Action, Severity
from gate.rules.max_age import MaxAgeOptions

Load = Callable[[str], Policy]
HEAD = "schema: 1\n"


def setting(policy: Policy, rule: str) -> RuleSetting:
    (found,) = (setting for setting in policy.settings if setting.rule.id == rule)
    return found


def names(*texts: str) -> list[Reference]:
    return [Reference.parse(text) for text in texts]


def test_a_policy_runs_exactly_the_rules_it_lists(load: Load) -> None:
    policy = load(HEAD + "rules: {pinned-tag: {}, max-age: {}, no-shell: {action: off}}\n")
    assert [found.rule.id for found in policy.settings] == ["max-age", "pinned-tag"]
    assert policy.not_selected["no-shell"] == "off in the policy"
    assert policy.not_selected["no-secrets"] == "not listed in the policy"
    assert set(policy.not_selected) | {"max-age", "pinned-tag"} == set(policy.rules)


def test_what_is_not_stated_has_a_strict_default(load: Load) -> None:
    policy = load(HEAD + "rules: {max-age: {}}\n")
    found = policy.settings[0]
    assert (found.action, found.on_unknown, found.severity) == (Action.DENY, Action.DENY, Severity.MEDIUM)
    assert found.options == MaxAgeOptions(days=90)
    assert policy.scanners_required == ("grype", "trivy")
    days = {name: age.days for name, age in policy.database_max_age.items()}
    assert days == {"trivy": 5, "grype": 5, "kev": 21, "epss": 5}


def test_what_is_stated_counts(load: Load) -> None:
    policy = load(
        HEAD + "scanners: {required: [trivy, trivy], max-database-age-days: {grype: 9}}\n"
        "rules:\n  max-age: {action: deny, on-unknown: warn, severity: critical, days: 7}\n  pinned-tag: {action: warn}\n"
    )
    found = setting(policy, "max-age")
    assert (found.action, found.on_unknown, found.severity) == (Action.DENY, Action.WARN, Severity.CRITICAL)
    assert found.options == MaxAgeOptions(days=7)
    assert setting(policy, "pinned-tag").on_unknown is Action.WARN
    assert policy.scanners_required == ("trivy",)
    days = {name: age.days for name, age in policy.database_max_age.items()}
    assert days == {"trivy": 5, "grype": 9, "kev": 21, "epss": 5}


def test_entries_replace_those_of_the_profile_key_by_key(load: Load) -> None:
    policy = load(
        HEAD
        + "extends: baseline\nscanners: {max-database-age-days: {trivy: 1}}\nrules: {max-age: {days: 7}}\n"
    )
    base = Policy.load("baseline")
    found, before = setting(policy, "max-age"), setting(base, "max-age")
    assert (
        (found.action, found.on_unknown) == (before.action, before.on_unknown) == (Action.DENY, Action.WARN)
    )
    assert found.options == MaxAgeOptions(days=7)
    assert [found.rule.id for found in policy.settings] == [found.rule.id for found in base.settings]
    assert policy.database_max_age["trivy"] == timedelta(days=1)
    assert policy.database_max_age["grype"] == base.database_max_age["grype"]
    assert policy.scanners_required == base.scanners_required


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema: 2\nextends: baseline", "p.yaml:1:9: schema is 2"),
        ("schema: '1'\nextends: baseline", "p.yaml:1:9: schema is the text '1'"),
        ("extends: baseline", "p.yaml:1:1: the document lacks the key 'schema'"),
        (HEAD, "p.yaml:1:1: the policy selects no rule"),
        (HEAD + "rules: {}", "p.yaml:2:8: the policy selects no rule"),
        (HEAD + "rules:", "p.yaml:2:1: rules is empty"),
        (HEAD + "rules: {no-shell: {action: off}}", "p.yaml:2:8: the policy selects no rule"),
        (HEAD + "extends: ./base.yaml", "p.yaml:2:10: extends is the text './base.yaml'"),
        (HEAD + "extends:", "p.yaml:2:1: extends is empty"),
        (HEAD + "extend: baseline", "p.yaml:2:1: there is no key 'extend'"),
        (HEAD + "rules: [no-shell]", "p.yaml:2:8: rules is a list"),
        (HEAD + "rules: {no-shel: {}}", "p.yaml:2:9: there is no rule 'no-shel'"),
        (HEAD + "rules: {no_shell: {}}", "p.yaml:2:9: there is no rule 'no_shell'"),
        (HEAD + "rules: {_programs: {}}", "p.yaml:2:9: there is no rule '_programs'"),
        (HEAD + "rules: {no-shell: }", "p.yaml:2:9: rules.no-shell is empty"),
        (HEAD + "rules: {no-shell: deny}", "p.yaml:2:19: rules.no-shell is the text 'deny'"),
        (HEAD + "rules: {no-shell: {action: of}}", "p.yaml:2:28: rules.no-shell.action is the text 'of'"),
        (HEAD + "rules: {no-shell: {action: false}}", "p.yaml:2:28: rules.no-shell.action is false"),
        (HEAD + "rules: {no-shell: {on-unknown: off}}", "p.yaml:2:32: rules.no-shell.on-unknown is the text 'off'"),
        (HEAD + "rules: {no-shell: {on-unknown: }}", "p.yaml:2:20: rules.no-shell.on-unknown is empty"),
        (HEAD + "rules: {no-shell: {severity: unknown}}", "p.yaml:2:30: rules.no-shell.severity is the text"),
        (HEAD + "rules: {max-age: {dais: 1}}", "p.yaml:2:19: rules.max-age has no key 'dais'"),
        (HEAD + "rules: {max-age: {}, no-shell: {action: off, x: 1}}", "p.yaml:2:46: rules.no-shell has no key 'x'"),
        (HEAD + "rules: {max-age: {days: 010}}", "p.yaml:2:25: 010 is read as different values"),
        (HEAD + "rules: {max-age: {days: '90'}}", "p.yaml:2:25: rules.max-age.days is the text '90'"),
        (HEAD + "rules: {allowed-registries: {}}", "p.yaml:2:29: rules.allowed-registries lacks the key 'registries'"),
        (HEAD + "extends: baseline\nscanners: {required: [clair]}", "p.yaml:3:23: scanners.required[0] is the text 'clair'"),
        (HEAD + "extends: baseline\nscanners: {required: trivy}", "p.yaml:3:22: scanners.required is the text 'trivy'"),
        (HEAD + "extends: baseline\nscanners: {required: []}", "p.yaml:3:11: no scanner is required, but "),
        (HEAD + "extends: baseline\nscanners: {max-database-age-days: 3}", "p.yaml:3:35: scanners.max-database-age-days is 3"),
        (HEAD + "extends: baseline\nexceptions: {a: b}", "p.yaml:3:13: exceptions is a mapping"),
        (HEAD + "extends: baseline\nexceptions:", "p.yaml:3:1: exceptions is empty"),
        (HEAD + "extends: baseline\nscopes: [{match: x.y/z}]", "p.yaml:3:10: scopes[0] lacks the key 'rules'"),
        (HEAD + "extends: baseline\nscopes: [{match: x.y/z, rules: {}}]", "p.yaml:3:32: scopes[0].rules is a mapping"),
        (HEAD + "extends: baseline\nscopes: [{match: foo, rules: {no-shell: {}}}]", "p.yaml:3:18: scopes[0].match: 'foo'"),
        (HEAD + "extends: baseline\nscopes: [{match: x.y, rules: {no-shel: {}}}]", "p.yaml:3:31: there is no rule 'no-shel'"),
        (HEAD + "extends: baseline\nscopes: [{match: x.y, rules: {max-age: {days: x}}}]", "p.yaml:3:47: rules.max-age.days"),
        (HEAD + "rules: {no-shell: {}}\nscopes: [{match: x.y, rules: {no-shell: {action: off}}}]", "p.yaml:3:10: no rule is left"),
        (HEAD + "scanners: {required: []}\nrules: {no-shell: {}}\nscopes: [{match: x.y, rules: {vulnerabilities: {}}}]", "p.yaml:4:10: no scanner"),
        ("- a", "p.yaml:1:1: the policy is a list"),
        ("hello", "p.yaml:1:1: the policy is the text 'hello'"),
    ],
)  # fmt: skip
def test_whatever_is_wrong_is_refused_with_its_place(load: Load, text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(text)
    assert caught.value.message.startswith(message)


def test_no_scanner_is_needed_where_no_rule_uses_one(load: Load) -> None:
    assert load(HEAD + "scanners: {required: []}\nrules: {no-shell: {}}").scanners_required == ()


SCOPED = (
    HEAD
    + """\
rules: {max-age: {days: 90}, no-shell: {}}
scopes:
  - match: registry.example.com/tools/**
    rules: {no-shell: {action: warn}, max-age: {on-unknown: warn}}
  - match: registry.example.com/tools/legacy
    rules: {max-age: {action: warn, days: 365}, pinned-tag: {}}
"""
)


def test_an_image_outside_every_scope_gets_the_policy_itself(load: Load) -> None:
    policy = load(SCOPED)
    assert policy.for_subject(names("registry.example.com/shop/api")) is policy
    assert policy.for_subject(names("registry.example.com.evil.test/tools/x")) is policy
    assert policy.for_subject([]) is policy


def test_later_scopes_refine_earlier_ones(load: Load) -> None:
    policy = load(SCOPED)
    one = policy.for_subject(names("registry.example.com/tools/x"))
    both = policy.for_subject(names("registry.example.com/tools/legacy:1"))
    assert setting(one, "no-shell").action is Action.WARN
    assert (setting(one, "max-age").action, setting(one, "max-age").on_unknown) == (Action.DENY, Action.WARN)
    assert setting(one, "max-age").options == MaxAgeOptions(days=90)
    assert (setting(both, "max-age").action, setting(both, "max-age").options) == (
        Action.WARN,
        MaxAgeOptions(days=365),
    )
    assert setting(both, "max-age").on_unknown is Action.WARN
    assert "pinned-tag" in [found.rule.id for found in both.settings]
    assert "pinned-tag" in one.not_selected
    assert [str(scope.match) for scope in both.applied_scopes] == [
        "registry.example.com/tools/**",
        "registry.example.com/tools/legacy",
    ]
    assert (one.digest, one.exceptions, one.scanners_required) == (
        policy.digest,
        policy.exceptions,
        policy.scanners_required,
    )


def test_names_in_different_scopes_are_not_guessed_between(load: Load) -> None:
    policy = load(SCOPED)
    with pytest.raises(InvalidInput, match="lie in different scopes") as caught:
        policy.for_subject(names("registry.example.com/tools/x", "registry.example.com/shop/x"))
    assert "--as" in caught.value.hint
    assert policy.for_subject(
        names("registry.example.com/tools/x", "registry.example.com/tools/y")
    ).applied_scopes


def test_scopes_that_together_leave_no_rule_are_refused(load: Load) -> None:
    policy = load(
        HEAD + "rules: {max-age: {}, no-shell: {}}\nscopes:\n"
        "  - {match: x.test/a, rules: {max-age: {action: off}}}\n  - {match: x.test, rules: {no-shell: {action: off}}}\n"
    )
    with pytest.raises(InvalidInput, match=r"p.yaml:5:5: no rule is left"):
        policy.for_subject(names("x.test/a"))


def test_a_policy_without_rules_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="no rule"):
        msgspec.structs.replace(Policy.load("strict"), settings=())
