"""`image-gate bundle`: create on one machine, use on another."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gate.cli.exits import Exit, run
from samples.databases.advisories import load
from samples.databases.feeds import write_feeds
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database
from tests.kit.sigstore import Sigstore

PROGRAM = b"#!/bin/sh\necho grype\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a cache of three days ago, a policy that approves a program, and that program."""
    built = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    write_trivy_database(tmp_path / "cache" / "trivy", load(), built)
    write_grype_database(tmp_path / "cache" / "grype", load(), built)
    write_feeds(tmp_path / "cache" / "feeds", load(), built)
    (tmp_path / "my-grype").write_bytes(PROGRAM)
    (tmp_path / "my-grype").chmod(0o755)
    digest = hashlib.sha256(PROGRAM).hexdigest()
    (tmp_path / "p.yaml").write_text(
        f"schema: 1\nextends: baseline\nscanners: {{programs: ['sha256:{digest}']}}\n"
    )
    (tmp_path / "trusted_root.json").write_text(json.dumps(Sigstore().trusted_root()))
    monkeypatch.setenv("IMAGE_GATE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


EVERYTHING = ["--policy", "p.yaml", "--scanner", "./my-grype", "--trust-root", "trusted_root.json"]


def test_from_one_machine_to_another(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bundle", "create", "b.tar", *EVERYTHING]) is Exit.PASS
    created = capfd.readouterr().out.splitlines()
    assert created[0] == "wrote b.tar"
    digest = created[-1].strip()
    assert run(["bundle", "show", "b.tar"]) is Exit.PASS
    shown = capfd.readouterr().out.splitlines()
    assert shown == [digest, *created[1:-1]], "the same is said of what was read"
    assert [line.split(",")[0] for line in shown if line.startswith("  ") and line[2] != " "] == [
        "  database trivy", "  database trivy-java", "  database grype", "  database kev", "  database epss",
        "  scanner grype", "  policy p.yaml", "  trust-root sigstore",
    ]  # fmt: skip
    other = ["--cache-dir", str(here / "other"), "--digest", digest]
    assert run(["bundle", "use", "b.tar", *other, "--policy", "p.yaml"]) is Exit.PASS
    out = capfd.readouterr().out
    assert out.startswith(f"installed from {digest}\n")
    assert f"    {here}/other/policy/p.yaml\n" in out
    assert (here / "other" / "bin" / "grype").read_bytes() == PROGRAM
    assert run(["db", "status", "--cache-dir", str(here / "other")]) is Exit.PASS


def test_a_part_of_it(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bundle", "create", "b.tar", "grype", "kev", "--policy", "baseline"]) is Exit.PASS
    out = capfd.readouterr().out
    assert out.count("  database ") == 2
    assert "  policy " not in out, "a profile is everywhere already"
    assert run(["bundle", "use", "b.tar", "--cache-dir", str(here / "other")]) is Exit.PASS
    assert sorted(path.name for path in (here / "other").iterdir()) == ["bundle.json", "feeds", "grype"]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["create", "b.tar", "--policy", "none.yaml"], Exit.WRONG_REQUEST, "cannot be read"),
        (["create", "b.tar", "--scanner", "./my-grype"], Exit.NO_VERDICT, "is not approved"),
        (["create", "b.tar", "--scanner", "grype"], Exit.NO_VERDICT, "grype is not installed"),
        (["create", "b.tar", "--trust-root", "none"], Exit.WRONG_REQUEST, "does not exist"),
        (["create", "b.tar", "--cache-dir", "none"], Exit.WRONG_REQUEST, "there is nothing to carry"),
        (["use", "none.tar"], Exit.WRONG_REQUEST, "cannot be read"),
        (["use", "p.yaml"], Exit.NO_VERDICT, "tar"),
        (["show", "p.yaml"], Exit.NO_VERDICT, "tar"),
        (["use", "whole.tar"], Exit.NO_VERDICT, "not approved here"),
        (["use", "whole.tar", "--digest", "sha256:0"], Exit.NO_VERDICT, "is the bundle sha256:"),
    ],
)
def test_what_is_refused(
    here: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], code: Exit, reason: str
) -> None:
    assert run(["bundle", "create", "whole.tar", *EVERYTHING]) is Exit.PASS
    assert run(["bundle", *arguments]) is code
    assert reason in capfd.readouterr().err
    assert not (here / "b.tar").exists()
