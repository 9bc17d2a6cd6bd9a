"""Which scanners go into the image: those that are known by their bytes, or by a digest that was stated."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from container.prepare import take_scanner

CONTENT = b"no release of anything"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "grype").write_bytes(CONTENT)
    (tmp_path / "programs").mkdir()
    return tmp_path / "grype"


def test_a_stated_digest_is_enough(program: Path) -> None:
    programs = program.parent / "programs"
    assert take_scanner(f"grype={program}@{DIGEST}", programs) == ("grype", DIGEST)
    assert (programs / "grype").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("grype=PROGRAM", "is not known to be a release of grype"),
        (f"grype=PROGRAM@sha256:{'0' * 64}", f"has the digest {DIGEST}"),
        ("grype=PROGRAM.none", "is not trivy=PROGRAM or grype=PROGRAM"),
        ("../grype=PROGRAM", "is not trivy=PROGRAM or grype=PROGRAM"),
    ],
)
def test_anything_else_is_refused(program: Path, given: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        take_scanner(given.replace("PROGRAM", str(program)), program.parent / "programs")


@pytest.mark.real
def test_a_known_release_needs_no_digest(trivy_binary: Path, tmp_path: Path) -> None:
    name, digest = take_scanner(f"trivy={trivy_binary}", tmp_path)
    assert (name, digest) == ("trivy", f"sha256:{hashlib.sha256(trivy_binary.read_bytes()).hexdigest()}")
