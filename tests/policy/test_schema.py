from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gate.errors import InvalidInput
from gate.policy.catalogue import Catalogue
from gate.policy.document import parse
from gate.policy.load import PROFILE_FOLDER
from gate.policy.policy import Policy
from gate.policy.render import render_policy, template
from gate.policy.schema import PROFILES, policy_schema

Load = Callable[[str], Policy]
ROOT = Path(__file__).parent.parent.parent
SAMPLES = sorted((ROOT / "samples").rglob("policies/*.y*ml"))
HEAD = "schema: 1\n"


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    """The schema that is shipped, itself a valid schema."""
    found: dict[str, Any] = json.loads((ROOT / "gate/schemas/policy.json").read_bytes())
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found, format_checker=Draft202012Validator.FORMAT_CHECKER)


def accepts(schema: Draft202012Validator, text: str | bytes) -> bool:
    data = text.encode() if isinstance(text, str) else text
    return bool(schema.is_valid(parse(data, "p.yaml").plain()))


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_templates_and_what_is_shown_fit_the_schema(schema: Draft202012Validator, name: str) -> None:
    assert accepts(schema, Path(PROFILE_FOLDER, f"{name}.yaml").read_bytes())
    assert accepts(schema, template(name))
    assert accepts(schema, render_policy(Policy.load(name)))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_sample_policies_load_and_fit_the_schema(schema: Draft202012Validator, path: Path) -> None:
    assert Policy.load(str(path)).settings
    assert accepts(schema, path.read_bytes())


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "extends: baseline",
        HEAD + "rules: {no-shell: {}}",
        HEAD + "rules: {no-shell: {}, max-age: {action: off, on-unknown: warn, severity: low, days: 3}}",
        HEAD + "extends: strict\nscanners: {required: [trivy], max-database-age-days: {grype: 2}}",
        HEAD + "extends: audit\nscopes: [{match: x.test/a, rules: {no-shell: {action: deny}}}]",
        HEAD
        + "extends: audit\nsources: {from: [registry], fallback: false}\nplatforms: {required: [linux/amd64]}",
        HEAD + "extends: audit\nsources: {}\nplatforms: {leave-out: [windows/*, '*/s390x', linux/arm/v6]}",
        HEAD
        + "extends: audit\nexceptions: [{rule: no-shell, images: x.test/a, until: 2026-12-31, reason: r}]",
        HEAD
        + "extends: audit\nexceptions: [{rule: no-shell, images: [x.test/a], until: 2026-12-31, reason: r}]",
    ],
)
def test_the_schema_accepts_what_the_reader_accepts(
    schema: Draft202012Validator, load: Load, text: str
) -> None:
    assert load(text).settings
    assert accepts(schema, text)


@pytest.mark.parametrize(
    "text",
    [
        "extends: baseline",
        "schema: 2\nextends: baseline",
        "schema: '1'\nextends: baseline",
        HEAD,
        HEAD + "extends: other",
        HEAD + "extends:",
        HEAD + "extends: audit\nfoo: 1",
        HEAD + "rules: {nope: {}}",
        HEAD + "rules: {no-shell: deny}",
        HEAD + "rules: {no-shell: {action: yes}}",
        HEAD + "rules: {no-shell: {on-unknown: off}}",
        HEAD + "rules: {max-age: {days: 0}}",
        HEAD + "rules: {max-age: {days: '1'}}",
        HEAD + "rules: {max-age: {dais: 1}}",
        HEAD + "rules: {allowed-registries: {registries: []}}",
        HEAD + "extends: audit\nscanners: {required: [clair]}",
        HEAD + "extends: audit\nscanners: {max-database-age-days: {trivy: 0}}",
        HEAD + "extends: audit\nsources: {from: []}",
        HEAD + "extends: audit\nsources: {from: [engine]}",
        HEAD + "extends: audit\nsources: {fallback: maybe}",
        HEAD + "extends: audit\nsources: [registry]",
        HEAD + "extends: audit\nplatforms: {required: linux/amd64}",
        HEAD + "extends: audit\nplatforms: {leave_out: [windows/*]}",
        HEAD + "extends: audit\nscopes: [{match: x.test/a}]",
        HEAD + "extends: audit\nscopes: [{match: x.test/a, rules: {nope: {}}}]",
        HEAD + "extends: audit\nexceptions: [{rule: no-shell, id: x, reason: r}]",
        HEAD + "extends: audit\nexceptions: [{rule: no-shell, id: x, until: 2026-12-31}]",
        HEAD + "extends: audit\nexceptions: [{rule: nope, id: x, until: 2026-12-31, reason: r}]",
        HEAD + "extends: audit\nexceptions: [{rule: no-shell, id: x, until: tomorrow, reason: r}]",
        HEAD + "extends: audit\nexceptions: [{rule: no-shell, id: x, until: 2026-12-31, reason: ''}]",
        HEAD + "extends: audit\nexceptions: [{rule: no-shell, images: [], until: 2026-12-31, reason: r}]",
        HEAD + "extends: audit\nexceptions: [{rule: no-shell, id: , until: 2026-12-31, reason: r}]",
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(
    schema: Draft202012Validator, load: Load, text: str
) -> None:
    with pytest.raises(InvalidInput):
        load(text)
    assert not accepts(schema, text)


def test_every_option_of_every_rule_is_in_it() -> None:
    rules = Catalogue()
    entries = policy_schema(rules)["$defs"]["rules"]["properties"]
    assert set(entries) == set(rules)
    for name, rule in rules.items():
        assert set(entries[name]["properties"]) == {
            "action",
            "on-unknown",
            "severity",
            *rule.options.__struct_encode_fields__,
        }


def test_all_definitions_are_used_and_all_references_defined() -> None:
    schema = policy_schema(Catalogue())
    text = json.dumps(schema)
    for name in schema["$defs"]:
        assert f'"#/$defs/{name}"' in text
    for reference in text.split('"$ref": "#/$defs/')[1:]:
        assert reference.partition('"')[0] in schema["$defs"]
