"""`image-gate doctor`: what a check needs here, what is missing, and how to get it."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gate.cli.exits import Exit, run
from samples.databases.advisories import load
from samples.databases.feeds import write_feeds
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database
from samples.images.catalogue import good
from tests.kit.fake_scanner import Behaviour, fake_scanner
from tests.kit.registry import serving_registry

NOW = datetime.now(UTC).replace(microsecond=0)
POLICY = "schema: 1\nscanners: {required: [trivy], max-database-age-days: {trivy: 2}}\nrules: {vulnerabilities: {}}\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with both scanners and databases of yesterday, a policy that requires Trivy, and no engine."""
    for name in ("trivy", "grype"):
        fake_scanner(tmp_path / "bin" / name, Behaviour())
    write_trivy_database(tmp_path / "cache" / "trivy", load(), NOW - timedelta(days=1))
    write_grype_database(tmp_path / "cache" / "grype", load(), NOW - timedelta(days=1))
    (tmp_path / "policy.yaml").write_text(POLICY)
    variables = {
        "PATH": tmp_path / "bin",
        "IMAGE_GATE_CACHE_DIR": tmp_path / "cache",
        "IMAGE_GATE_POLICY": tmp_path / "policy.yaml",
        "XDG_CONFIG_HOME": tmp_path / "none",
        "DOCKER_HOST": f"unix://{tmp_path}/no.sock",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    return tmp_path


def examined(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[Exit, dict[str, str]]:
    """Run the command; return its exit code, and by subject `state: text -> hint`."""
    code = run(["doctor", "--format", "json", *arguments])
    out, err = capfd.readouterr()
    assert not err
    symptoms = json.loads(out)["symptoms"]
    return Exit(code), {one["subject"]: f"{one['state']}: {one['text']} -> {one['hint']}" for one in symptoms}


def test_a_machine_that_has_all_it_needs(machine: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, said = examined(capfd)
    assert code is Exit.PASS
    assert said["policy"].startswith(f"ok: {machine}/policy.yaml, 1 rules, sha256:")
    assert said["cache"].startswith(f"ok: {machine}/cache, ")
    assert said["trivy"].startswith(f"note: {machine}/bin/trivy, neither the shipped table nor the policy")
    built = f"{NOW - timedelta(days=1):%Y-%m-%d %H:%M} UTC"
    assert said["trivy database"].startswith(f"ok: built {built} (24 h ago), ")
    assert re.match(r"note: 20\d\d-\d\d-\d\d \d\d:\d\d UTC, from which every age is counted", said["clock"])
    assert said["engine"].startswith("note: ")
    assert "plain names are looked for in their registries" in said["engine"]


def test_feeds_that_the_policy_asks_for(machine: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (machine / "policy.yaml").write_text(POLICY.replace("{}", "{known-exploited: deny}"))
    code, said = examined(capfd)
    assert code is Exit.NO_VERDICT
    assert said["kev database"].startswith("missing: there is no catalogue")
    assert said["kev database"].endswith("-> image-gate db update kev")
    assert "epss database" not in said
    write_feeds(machine / "cache" / "feeds", load(), NOW - timedelta(days=1))
    code, said = examined(capfd)
    assert code is Exit.PASS
    assert said["kev database"].startswith("ok: built ")


def test_what_the_policy_needs_and_is_not_here_is_missing(
    machine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (machine / "bin" / "trivy").unlink()
    shutil.rmtree(machine / "cache" / "trivy" / "db")
    code, said = examined(capfd)
    assert code is Exit.NO_VERDICT
    assert said["trivy"].startswith("missing: trivy is not installed")
    assert "-> install Trivy" in said["trivy"]
    assert "-> image-gate db update trivy" in said["trivy database"]


def test_what_the_policy_does_not_need_is_only_noted(
    machine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (machine / "bin" / "grype").unlink()
    (machine / "cache" / "grype" / "6" / "vulnerability.db").write_bytes(b"x")
    code, said = examined(capfd)
    assert code is Exit.PASS
    assert said["grype"].startswith("note: grype is not installed; this policy does not need it")
    assert said["grype database"].startswith("note: ")


def test_an_old_database_is_noted_and_one_of_the_future_accuses_the_clock(
    machine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_trivy_database(machine / "cache" / "trivy", load(), NOW - timedelta(days=5))
    code, said = examined(capfd)
    assert code is Exit.PASS
    assert "older than the policy allows" in said["trivy database"]
    write_trivy_database(machine / "cache" / "trivy", load(), NOW + timedelta(days=2))
    code, said = examined(capfd)
    assert code is Exit.NO_VERDICT
    assert "the clock of this machine is probably wrong" in said["trivy database"]


def test_a_refused_scanner_is_missing(machine: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (machine / "policy.yaml").write_text(
        POLICY.replace("required: [trivy]", "required: [trivy], approved: listed")
    )
    code, said = examined(capfd)
    assert code is Exit.NO_VERDICT
    assert "may not run" in said["trivy"]


def test_a_reference_is_asked_for_in_its_registry(machine: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with serving_registry({"shop/api:1.4": good(NOW)}) as registry:
        name = f"{registry.host}/shop/api:1.4"
        code, said = examined(capfd, name)
        assert code is Exit.PASS
        assert said[name].startswith("ok: sha256:")
        assert registry.count("layer") == 0
        code, said = examined(capfd, f"{registry.host}/shop/api:1.5")
    assert code is Exit.NO_VERDICT
    assert said[f"{registry.host}/shop/api:1.5"].startswith("missing: ")


def test_a_file_is_no_name(machine: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", str(machine / "bin" / "trivy")]) is Exit.WRONG_REQUEST
    assert "is no name of an image in a registry" in capfd.readouterr().err


def test_a_cache_that_cannot_be_written_is_missing(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.access", lambda path, _: path != machine / "cache")
    code, said = examined(capfd)
    assert code is Exit.NO_VERDICT
    assert "-> name another folder with --cache-dir" in said["cache"]


def test_the_text_has_a_line_for_each_and_what_to_do_below_it(
    machine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor"]) is Exit.PASS
    lines = capfd.readouterr().out.splitlines()
    assert [line[:24].split() for line in lines if not line.startswith(" ")][:5] == [
        ["ok", "image-gate"], ["ok", "policy"], ["note", "clock"], ["ok", "cache"], ["note", "trivy"],
    ]  # fmt: skip
    assert lines[5].lstrip().startswith("→ where only approved programs may run")
    assert lines[-1] == "nothing is in the way of a verdict"
    (machine / "bin" / "trivy").unlink()
    assert run(["doctor"]) is Exit.NO_VERDICT
    assert capfd.readouterr().out.endswith("1 missing: a check ends with 3, no verdict\n")
