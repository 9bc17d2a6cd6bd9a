"""The built-in profiles: complete, explained, and as strict as they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.policy.catalogue import Catalogue
from gate.policy.load import PROFILE_FOLDER
from gate.policy.policy import Policy, RuleSetting
from gate.policy.schema import PROFILES
from gate.rule import Action
from gate.rules._vulnerability_options import VulnerabilitiesOptions

LEFT_OUT = {
    "allowed-registries": "needs to be told yours",
    "base-image": "which need to be told your bases",
    "base-outdated": "which need to be told your bases",
    "healthcheck": "which Kubernetes does not use",
    "pinned-digest": "select it in a scope",
    **dict.fromkeys(
        ("signed", "provenance", "sbom-attested", "scan-attested", "attested"),
        "which need to be told whose signatures count",
    ),
}


def settings(name: str) -> dict[str, RuleSetting]:
    return {setting.rule.id: setting for setting in Policy.load(name).settings}


@pytest.mark.parametrize("name", PROFILES)
def test_every_rule_is_listed_or_its_absence_explained(name: str) -> None:
    text = Path(PROFILE_FOLDER, f"{name}.yaml").read_text()
    for rule in set(Catalogue()) - set(settings(name)):
        assert f"{rule}" in text.rpartition("# Not listed:")[2]
        assert LEFT_OUT[rule] in " ".join(text.replace("#", "").split())


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_requires_both_scanners_and_explains_itself(name: str) -> None:
    policy = Policy.load(name)
    assert policy.scanners_required == ("grype", "trivy")
    assert set(policy.database_max_age) == {"epss", "grype", "kev", "trivy"}
    assert not policy.scopes
    assert not policy.exceptions
    text = Path(PROFILE_FOLDER, f"{name}.yaml").read_text()
    assert text.startswith(f"# The profile `{name}`: ")
    assert text.count("#") >= 4


def test_audit_only_warns() -> None:
    assert {(found.action, found.on_unknown) for found in settings("audit").values()} == {
        (Action.WARN, Action.WARN)
    }


def test_strict_denies_everything_also_what_is_unknown_apart_from_news_and_dates_that_distroless_lacks() -> (
    None
):
    strict = settings("strict")
    assert [name for name, found in strict.items() if found.action is not Action.DENY] == ["tag-moved"]
    unknown = [name for name, found in strict.items() if found.on_unknown is Action.WARN]
    assert unknown == ["last-patched", "tag-moved"]
    options = strict["vulnerabilities"].options
    assert isinstance(options, VulnerabilitiesOptions)
    assert options.unrated == "deny"
    assert not options.only_fixable


def test_strict_is_nowhere_weaker_than_baseline() -> None:
    baseline, strict = settings("baseline"), settings("strict")
    assert set(baseline) <= set(strict)


def test_baseline_denies_what_is_dangerous_and_warns_about_style() -> None:
    denied = {name for name, found in settings("baseline").items() if found.action is Action.DENY}
    assert denied == {
        "eol-distribution",
        "max-age",
        "no-secrets",
        "non-root",
        "scan-coverage",
        "vulnerabilities",
    }
    options = settings("baseline")["vulnerabilities"].options
    assert isinstance(options, VulnerabilitiesOptions)
    assert (options.threshold, options.only_fixable, options.unrated) == ("high", True, "warn")
    assert settings("baseline")["max-age"].on_unknown is Action.WARN
