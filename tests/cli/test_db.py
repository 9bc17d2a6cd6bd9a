"""`image-gate db`: renewing, looking, carrying."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gate.cli.exits import Exit, run
from samples.databases.advisories import load
from samples.databases.feeds import epss_csv, kev_json, write_feeds
from samples.databases.grype import write_grype_database
from samples.databases.oci_artifact import Served
from samples.databases.trivy import write_trivy_database
from tests.kit.fake_scanner import Behaviour, fake_scanner
from tests.kit.loopback import serving


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder with databases of three days ago, two programs that can download nothing, and no configuration."""
    built = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    write_trivy_database(tmp_path / "cache" / "trivy", load(), built)
    write_grype_database(tmp_path / "cache" / "grype", load(), built)
    for name in ("trivy", "grype"):
        fake_scanner(tmp_path / "bin" / name, Behaviour(log="dial tcp: connection refused\n", exit=1))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("IMAGE_GATE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@pytest.fixture
def feeds(cache: Path) -> Path:
    """Both feeds, of three days ago."""
    published = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    return write_feeds(cache / "feeds", load(), published)


@pytest.mark.usefixtures("feeds")
def test_status_says_what_is_here(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["db", "status"]) is Exit.PASS
    out = capfd.readouterr().out
    assert [line.partition(": ")[0] for line in out.splitlines() if not line.startswith(" ")] == [
        "trivy", "trivy-java", "grype", "kev", "epss",
    ]  # fmt: skip
    assert ", 3 days ago, " in out
    assert f"  {cache}/grype/6, schema 6." in out
    assert "  providers: alpine, debian" in out
    assert "sha256:" in out
    assert "xxh64:" in out


def test_status_as_json(cache: Path, feeds: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (cache / "grype" / "6" / "vulnerability.db").write_bytes(b"x")
    shutil.rmtree(cache / "trivy" / "java-db")
    shutil.rmtree(feeds / "epss")
    assert run(["db", "status", "--format", "json"]) is Exit.NO_VERDICT
    trivy, java, grype, kev, epss = json.loads(capfd.readouterr().out)["databases"]
    assert (trivy["name"], trivy["usable"], trivy["schema"]) == ("trivy", True, "2")
    assert 3 * 86_400 <= trivy["age_seconds"] < 3 * 86_400 + 600
    assert trivy["bytes"] > 1_000
    assert (java["usable"], java["reason"]) == (False, "not here")
    assert (grype["usable"], grype["reason"]) == (False, "corrupt")
    assert (kev["usable"], kev["digest"][:7]) == (True, "sha256:")
    assert (epss["usable"], epss["reason"]) == (False, "not here")


def test_an_update_that_fails_keeps_the_last_good_one_and_warns(
    cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["db", "update"]) is Exit.PASS
    said = capfd.readouterr()
    for name in ("trivy", "trivy-java", "grype"):
        assert f"the last good database {name} stays: the default source: unreachable: " in said.err
        assert f"{name}: built " in said.out


def test_an_update_that_fails_too_long_is_no_pass(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["db", "update", "grype", "--max-age", "24h"]) is Exit.NO_VERDICT
    err = capfd.readouterr().err
    assert "too old" in err
    assert "unreachable" in err


def test_an_update_without_any_database_is_no_pass(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(cache / "grype" / "6")
    assert run(["db", "update"]) is Exit.NO_VERDICT
    said = capfd.readouterr()
    assert "image-gate: grype: the default source: unreachable: " in said.err
    assert "trivy: built " in said.out, "the others are renewed all the same"


def test_an_update_uses_the_mirrors_of_the_configuration(
    cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(
        "schema: 1\nscanners: {grype-sources: ['https://a.test/x', 'https://b.test/x']}\n"
    )
    assert run(["db", "update", "grype", "--config", "c.yaml"]) is Exit.PASS
    err = capfd.readouterr().err
    assert err.index("https://a.test/x: unreachable") < err.index("https://b.test/x: unreachable")


def test_an_update_starts_no_program_that_is_not_approved(
    cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.yaml").write_text("schema: 1\nextends: baseline\nscanners: {approved: listed}\n")
    assert run(["db", "update", "grype", "--policy", "p.yaml"]) is Exit.NO_VERDICT
    assert "lets only approved programs run" in capfd.readouterr().err
    assert not (tmp_path / "bin" / "grype.json").exists()


def test_an_update_fetches_the_feeds_that_the_policy_asks_for_or_that_are_named(
    cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    published = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    (tmp_path / "p.yaml").write_text(
        "schema: 1\nextends: baseline\nrules: {vulnerabilities: {known-exploited: deny}}\n"
    )
    paths = {"/kev.json": Served("application/json", kev_json(load(), published))}
    paths["/epss.csv"] = Served("text/csv", epss_csv([("CVE-2021-44228", 0.97, 0.99)], published))
    with serving(paths) as server:
        (tmp_path / "c.yaml").write_text(
            f"schema: 1\nscanners: {{kev-sources: ['http://{server.host}/gone', 'http://{server.host}/kev.json'], "
            f"epss-sources: ['http://{server.host}/epss.csv']}}\n"
        )
        assert run(["db", "update", "--config", "c.yaml", "--policy", "p.yaml"]) is Exit.PASS
        assert server.requests == ["GET /gone", "GET /kev.json"]
        assert run(["db", "update", "epss", "--config", "c.yaml"]) is Exit.PASS
        assert server.requests[2:] == ["GET /epss.csv"]
    out = capfd.readouterr().out
    assert "kev: built " in out
    assert f"  {cache}/feeds/epss, schema v2025.03.14\n" in out


def test_out_and_in(cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["db", "export", "file.tar"]) is Exit.PASS
    out = capfd.readouterr().out
    assert out.startswith("wrote file.tar: trivy, trivy-java, grype\n  sha256:")
    digest = out.split()[-1]
    other = str(tmp_path / "other")
    assert run(["db", "import", "file.tar", "--cache-dir", other, "--digest", digest]) is Exit.PASS
    assert capfd.readouterr().out == "imported trivy, trivy-java, grype\n"
    assert run(["db", "status", "--cache-dir", other]) is Exit.PASS
    assert run(["db", "export", "one.tar", "grype", "--cache-dir", other]) is Exit.PASS
    assert "wrote one.tar: grype\n" in capfd.readouterr().out
    assert run(["db", "import", "gone.tar"]) is Exit.WRONG_REQUEST
    assert run(["db", "update", "syft"]) is Exit.WRONG_REQUEST
