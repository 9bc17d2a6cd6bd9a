"""What the tests of bundles share: a machine that has everything, one that has nothing, and a bundle from one to the other."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gate.bundle import contents, writing
from gate.bundle.contents import Content
from gate.bundle.using import Use
from gate.deadline import Deadline
from gate.policy.policy import Policy
from gate.scanners import Approval, ScannerSettings
from gate.scanners.databases import KINDS
from gate.scanners.requirements import REQUIREMENTS
from samples.databases.advisories import load
from samples.databases.feeds import write_feeds
from samples.databases.grype import write_grype_database
from samples.databases.trivy import write_trivy_database
from tests.kit.sigstore import Sigstore

BUILT = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
PROGRAM = b"#!/bin/sh\necho a scanner that was built here\n"
APPROVED = Approval(programs=(f"sha256:{hashlib.sha256(PROGRAM).hexdigest()}",))


def machine(folder: Path, approval: Approval = APPROVED) -> Use:
    """Where a machine keeps its things, and which programs it approves."""
    settings = ScannerSettings(
        folder, folder / "trivy", folder / "grype", feeds=folder / "feeds", approval=approval
    )
    return Use(settings, folder)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both scanners' databases, feeds, a program, a policy and a trust root; do not change it."""
    folder = tmp_path_factory.mktemp("source")
    write_trivy_database(folder / "trivy", load(), BUILT)
    write_grype_database(folder / "grype", load(), BUILT)
    write_feeds(folder / "feeds", load(), BUILT)
    (folder / "my-grype").write_bytes(PROGRAM)
    (folder / "my-grype").chmod(0o755)
    (folder / "policies" / "more").mkdir(parents=True)
    (folder / "policies" / "prod.yaml").write_text(
        "schema: 1\nextends: baseline\nexceptions-files: [more/accepted.yaml]\n"
    )
    (folder / "policies" / "more" / "accepted.yaml").write_text("schema: 1\nexceptions: []\n")
    (folder / "trusted_root.json").write_text(json.dumps(Sigstore().trusted_root()))
    return folder


@pytest.fixture(scope="session")
def packed(source: Path) -> list[Content]:
    """All kinds of parts."""
    settings = machine(source).settings
    policy = str(source / "policies" / "prod.yaml")
    return [
        *(contents.database(kind, settings) for kind in KINDS.values()),
        contents.scanner(REQUIREMENTS["grype"], str(source / "my-grype"), APPROVED),
        contents.policy(policy, Policy.load(policy)),
        contents.trust_roots([source / "trusted_root.json"]),
    ]


@pytest.fixture(scope="session")
def written(packed: list[Content], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A bundle of them and its digest; do not change it."""
    path = tmp_path_factory.mktemp("bundle") / "bundle.tar"
    digest, _ = writing.write(packed, path, Deadline(60))
    return path, digest


@pytest.fixture
def bundle(written: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the bundle that a test may change."""
    return Path(shutil.copy(written[0], tmp_path / "bundle.tar"))
