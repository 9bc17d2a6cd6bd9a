"""`image-gate explain` and `image-gate rules`."""

from __future__ import annotations

import pytest

from gate.cli.exits import Exit, run
from gate.policy.catalogue import Catalogue
from tests.kit.golden import assert_golden


def test_golden(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "no-shell"]) is Exit.PASS
    assert_golden("cli/golden/explain.txt", capfd.readouterr().out)


@pytest.mark.parametrize("name", list(Catalogue()))
def test_every_rule_has_what_its_reader_needs(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", name]) is Exit.PASS
    out = capfd.readouterr().out
    assert out.startswith(f"{name} (")
    assert all(f"\n{title}\n  " in out for title in ("Why", "How to fix", "Judged from", "Options"))
    assert max(map(len, out.splitlines())) <= 100


def test_a_slip_is_understood(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "no-shel"]) is Exit.WRONG_REQUEST
    assert "did you mean 'no-shell'?" in capfd.readouterr().err


def test_rules_lists_each_once(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["rules"]) is Exit.PASS
    assert [line.split()[0] for line in capfd.readouterr().out.splitlines()] == list(Catalogue())
