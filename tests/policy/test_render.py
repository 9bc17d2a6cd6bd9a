from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import msgspec
import pytest

from gate.policy.baseline import baseline_text
from gate.policy.policy import Policy
from gate.policy.render import render_policy, template
from gate.policy.schema import PROFILES
from tests.kit.vex import openvex, statement

Load = Callable[[str], Policy]

FULL = """\
schema: 1
extends: baseline
scanners: {required: [trivy], max-database-age-days: {trivy: 9}}
sources: {from: [registry, daemon], fallback: false}
platforms: {required: [linux/amd64, linux/arm64/v8], leave-out: [windows/*]}
rules:
  no-shell: {action: off}
  max-age: {days: 30, severity: low}
  allowed-registries: {registries: [registry.example.com, docker.io/library/*], mirrors: [mirror.example.com]}
  base-image: {bases: [debian, 'x.test/java:21'], allowed: [docker.io/library]}
scopes:
  - match: registry.example.com/tools/**
    rules: {max-age: {action: warn}}
exceptions-notice-days: 30
exceptions:
  - {rule: max-age, images: registry.example.com/shop, until: 2026-12-31, reason: 'no: "yes" # 010'}
  - {rule: vulnerabilities, id: CVE-2026-1, package: openssl, versions: '>=3 <4', path: /a/**, until: 2026-12-31, reason: on, owner: me, link: x}
"""


@pytest.mark.parametrize("text", [FULL, *(f"schema: 1\nextends: {name}\n" for name in PROFILES)])
def test_what_is_shown_is_a_policy_that_comes_to_the_same(load: Load, text: str) -> None:
    policy = load(text)
    again = load(render_policy(policy))
    assert again.settings == policy.settings
    assert again.not_selected.keys() == policy.not_selected.keys()
    assert (again.scanners_required, again.database_max_age) == (
        policy.scanners_required,
        policy.database_max_age,
    )
    assert (again.sources, again.platforms) == (policy.sources, policy.platforms)
    assert not policy.exceptions or again.exceptions_notice_days == policy.exceptions_notice_days
    assert [(scope.match, scope.entries.keys()) for scope in again.scopes] == [
        (scope.match, scope.entries.keys()) for scope in policy.scopes
    ]
    unplaced = [
        [msgspec.structs.replace(one, where="") for one in found.exceptions] for found in (again, policy)
    ]
    assert unplaced[0] == unplaced[1]
    rules, again_rules = (
        render_policy(one).partition("# These rules do not run:")[0] for one in (policy, again)
    )
    assert again_rules.splitlines()[2:] == rules.splitlines()[2:]


def test_it_says_where_it_comes_from_and_what_does_not_run(load: Load) -> None:
    policy = load(FULL)
    text = render_policy(policy)
    assert text.startswith(
        f"# The effective policy. Source: p.yaml\n# Digest (--policy-digest): {policy.digest}\n"
    )
    assert "#   no-shell: off in the policy\n" in text
    assert (
        "  max-age: {action: deny, on-unknown: warn, severity: low, days: 30, registry-date: true}\n" in text
    )


@pytest.mark.parametrize("name", PROFILES)
def test_the_first_policy_is_valid_as_it_is(load: Load, name: str) -> None:
    policy = load(template(name))
    assert f"\nextends: {name}\n" in template(name)
    assert {found.rule.id for found in policy.settings} >= {
        found.rule.id for found in Policy.load(name).settings
    }


def test_every_suggestion_in_it_is_valid(load: Load) -> None:
    lines = template("baseline").splitlines()
    head = lines.index("schema: 1")
    prose = (
        "#   baseline",
        "# A built-in",
        "# Scanners that",
        "# Per rule",
        "# What differs",
        "# Accepted",
        "# Where images",
        "# Platforms that",
    )
    kept = [line for line in lines[head:] if not line.startswith(prose)]
    policy = load("\n".join(line.replace("# ", "", 1) if "# " in line else line for line in kept))
    assert "allowed-registries" in {found.rule.id for found in policy.settings}
    assert len(policy.scopes) == len(policy.exceptions) == 1
    assert policy.exceptions[0].until == date(2026, 12, 31)
    assert (policy.sources.from_, policy.sources.fallback) == (("registry",), False)
    assert (policy.platforms.required, policy.platforms.leave_out) == (("linux/amd64",), ("windows/*",))


def test_a_baseline_and_what_a_sudden_fall_does_are_shown(load: Load, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(baseline_text(date(2026, 11, 1), {}))
    head = "schema: 1\nrules: {no-shell: {}}\n"
    policy = load(f"{head}baseline: {{file: b.json, until: 2026-12-31}}\nsudden-fall: deny\n")
    again = load(render_policy(policy))
    assert (again.baseline, again.sudden_fall) == (policy.baseline, policy.sudden_fall)
    assert again.baseline is not None
    assert "sudden-fall" not in render_policy(load(head))


def test_vex_documents_are_shown(load: Load, tmp_path: Path) -> None:
    (tmp_path / "v.json").write_bytes(openvex(statement()))
    head = "schema: 1\nrules: {no-shell: {}}\n"
    for text in ("{files: [v.json]}", "{command-line: true}"):
        policy = load(f"{head}vex: {text}\n")
        again = load(render_policy(policy))
        assert (again.vex, again.vex_from_runs) == (policy.vex, policy.vex_from_runs)
    assert "vex" not in render_policy(load(head))
