"""A closed network: one machine writes a bundle, another that has nothing uses it, and a check passes there without a network."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from samples.databases.advisories import load
from samples.databases.feeds import write_feeds
from samples.databases.grype import write_grype_database
from samples.images import debian
from samples.images.builder import Settings, build_image
from samples.images.entries import with_parents
from samples.images.layers import layer_of
from samples.images.layout import oci_layout, write_directory

pytestmark = pytest.mark.real

POLICY = """schema: 1
scanners: {required: [grype], approved: listed, programs: ['DIGEST']}
rules:
  vulnerabilities: {action: deny, threshold: critical, unrated: ignore, known-exploited: deny, epss: 0.5}
  scan-coverage: {action: deny}
"""


def gate(*arguments: str, **variables: str) -> tuple[int, str]:
    """Run image-gate as a user does, on a machine whose every way out is closed."""
    closed = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:1")
    environment = {**os.environ, **closed, **variables}
    command = [sys.executable, "-m", "gate", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout if done.returncode in (0, 1) else done.stderr


@pytest.fixture
def bundle(tmp_path: Path, grype_binary: Path) -> tuple[str, str]:
    """A bundle that a machine with Grype, its database and feeds wrote, and its digest."""
    source, now = tmp_path / "source", datetime.now(UTC)
    write_grype_database(source / "grype", load(), now)
    write_feeds(source / "feeds", load(), now)
    digest = hashlib.sha256(grype_binary.read_bytes()).hexdigest()
    (tmp_path / "policy.yaml").write_text(POLICY.replace("DIGEST", f"sha256:{digest}"))
    code, said = gate(
        "bundle", "create", str(tmp_path / "bundle.tar"), "--cache-dir", str(source),
        "--policy", str(tmp_path / "policy.yaml"), "--scanner", str(grype_binary),
    )  # fmt: skip
    assert code == 0, said
    return str(tmp_path / "bundle.tar"), said.split()[-1]


def image(folder: Path, package: str) -> str:
    """An image with one package of a Debian release that has had no update since."""
    packages = [one for one in debian.RELEASE_12_0 if one.name == package]
    files = {**debian.release_files(), **debian.status_file(packages)}
    built = build_image([layer_of(with_parents(files))], Settings(None))
    return f"oci:{write_directory(oci_layout({'': built}), folder / package)}"


def test_a_check_passes_where_only_the_bundle_came_in(bundle: tuple[str, str], tmp_path: Path) -> None:
    path, digest = bundle
    cache = tmp_path / "closed"
    code, said = gate(
        "bundle", "use", path, "--digest", digest, "--cache-dir", str(cache),
        "--policy", str(tmp_path / "policy.yaml"),
    )  # fmt: skip
    assert code == 0, said

    def check(package: str) -> tuple[int, dict[str, Any]]:
        code, said = gate(
            "check", image(tmp_path, package), "--offline", "--cache-dir", str(cache), "--format", "json",
            "--policy", str(cache / "policy" / "policy.yaml"), "--grype", str(cache / "bin" / "grype"),
        )  # fmt: skip
        (verdict,) = json.loads(said)["verdicts"]
        return code, verdict

    code, verdict = check("libssl3")
    assert code == 0, verdict
    facts = verdict["evidence"]
    assert facts["vulnerabilities"]["found"]
    assert facts["scanners"]["grype"]["database"]["bundle"] == digest
    assert facts["scanners"]["grype"]["approval"] == "policy"
    assert [facts["feeds"][name]["bundle"] for name in ("kev", "epss")] == [digest, digest]
    code, verdict = check("libc6")
    assert code == 1, verdict
    findings = [found for result in verdict["results"] for found in result["findings"]]
    assert {found["id"] for found in findings} == {"CVE-2023-4911"}, "it is known to be exploited"
