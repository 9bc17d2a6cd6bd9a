from __future__ import annotations

import subprocess
import sys

import pytest

import gate.rules
from gate.errors import InvalidInput
from gate.plugins import constants
from gate.policy.catalogue import Catalogue
from gate.policy.schema import CONTROL_KEYS
from gate.rule import Rule


def test_every_module_is_a_rule_of_that_name() -> None:
    found = list(constants(gate.rules, "RULE", Rule))
    assert [rule.id for rule in found] == list(Catalogue())
    assert all(Catalogue()[rule.id] is rule for rule in found)
    assert len(Catalogue()) == len(found) > 10


@pytest.mark.parametrize("name", Catalogue())
def test_no_option_hides_what_every_rule_has(name: str) -> None:
    assert CONTROL_KEYS.isdisjoint(Catalogue()[name].options.__struct_encode_fields__)


@pytest.mark.parametrize("name", ["nope", "_programs", "-programs", "no_shell", "no-shell/../x", ""])
def test_what_is_no_rule_is_not_there(name: str) -> None:
    assert name not in Catalogue()
    with pytest.raises(KeyError):
        Catalogue()[name]


def test_a_module_that_offers_another_rule_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    import gate.rules.no_shell
    import gate.rules.pinned_tag

    monkeypatch.setattr(gate.rules.pinned_tag, "RULE", gate.rules.no_shell.RULE)
    with pytest.raises(InvalidInput, match=r"gate\.rules\.pinned_tag has no constant RULE"):
        Catalogue()["pinned-tag"]


def test_only_the_rules_of_the_policy_are_imported(tmp_path: object) -> None:
    code = (
        "import sys; from gate.policy.policy import Policy\n"
        "from gate.policy.catalogue import Catalogue\n"
        "Catalogue()['pinned-tag']; 'max-age' in Catalogue(); list(Catalogue())\n"
        "print(*sorted(name for name in sys.modules if name.startswith('gate.rules.')))\n"
        "print('ruamel.yaml' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["gate.rules.pinned_tag", "False"]
