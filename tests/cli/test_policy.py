"""`image-gate policy`: start, check and look at policies."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from gate.cli import policy
from gate.cli.exits import Exit, run
from gate.errors import Unavailable
from gate.policy.policy import Policy
from tests.cli.conftest import file_size_limit


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("profile", ["baseline", "strict", "audit"])
def test_init_writes_a_policy_that_is_valid_and_is_found(
    profile: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["policy", "init", "--profile", profile]) is Exit.PASS
    assert f".image-gate.yaml extends {profile}" in capfd.readouterr().out
    assert run(["policy", "validate"]) is Exit.PASS
    out = capfd.readouterr().out
    assert ".image-gate.yaml" in out
    assert out.endswith(f"{Policy.load(directory=here).digest}\n")


def test_init_never_overwrites(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "mine.yaml").write_text("mine")
    (here / "link.yaml").symlink_to("elsewhere.yaml")
    for name in ("mine.yaml", "link.yaml"):
        assert run(["policy", "init", name]) is Exit.WRONG_REQUEST
        assert f"{name} exists" in capfd.readouterr().err
    assert run(["policy", "init", "no/folder.yaml"]) is Exit.WRONG_REQUEST
    assert (here / "mine.yaml").read_text() == "mine"
    assert not (here / "elsewhere.yaml").exists()


def test_a_policy_that_cannot_be_written_leaves_nothing(here: Path) -> None:
    with (
        file_size_limit(10),
        pytest.raises(Unavailable, match=r"\.image-gate\.yaml could not be written: File too large"),
    ):
        policy.init.callback(here / ".image-gate.yaml", "strict")  # type: ignore[misc]
    assert list(here.iterdir()) == []


def test_show_prints_a_policy_that_can_be_used(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "show", "strict"]) is Exit.PASS
    (here / "shown.yaml").write_text(capfd.readouterr().out)
    assert run(["policy", "validate", "shown.yaml"]) is Exit.PASS


def test_validate_says_where_the_mistake_is(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "p.yaml").write_text("schema: 1\nrules:\n  no-shel: {}\n")
    assert run(["policy", "validate", "p.yaml"]) is Exit.WRONG_REQUEST
    out, err = capfd.readouterr()
    assert out == ""
    assert "p.yaml:3:3: " in err
    assert "did you mean 'no-shell'?" in err


def test_schema_is_a_schema(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "schema"]) is Exit.PASS
    schema = json.loads(capfd.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "no-shell" in json.dumps(schema)
