"""What may go into a bundle: only what could be used here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gate.bundle import contents
from gate.bundle.contents import is_relative
from gate.errors import InvalidInput, Unavailable
from gate.policy.policy import Policy
from gate.scanners import Approval
from gate.scanners.databases import KINDS
from gate.scanners.requirements import REQUIREMENTS
from tests.bundle.conftest import machine
from tests.kit.sigstore import Sigstore


def test_a_database_that_is_not_here(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="has no vulnerability database"):
        contents.database(KINDS["grype"], machine(tmp_path).settings)


def test_a_program_that_nobody_approved(source: Path) -> None:
    with pytest.raises(Unavailable, match="is not approved, so it does not go into a bundle") as caught:
        contents.scanner(REQUIREMENTS["grype"], str(source / "my-grype"), Approval())
    assert "programs: ['sha256:" in caught.value.hint


def test_a_policy_that_names_files_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "accepted.yaml").write_text("schema: 1\nexceptions: []\n")
    path = tmp_path / "a" / "p.yaml"
    path.write_text("schema: 1\nextends: baseline\nexceptions-files: [../accepted.yaml]\n")
    with pytest.raises(InvalidInput, match=r"'\.\./accepted\.yaml', which a bundle cannot carry"):
        contents.policy(str(path), Policy.load(str(path)))


def test_trust_roots_have_plain_names_of_their_own(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "root.json").write_text(json.dumps(Sigstore().trusted_root()))
    with pytest.raises(InvalidInput, match=r"a trust root is called 'root\.json'"):
        contents.trust_roots([tmp_path / "a" / "root.json", tmp_path / "b" / "root.json"])
    with pytest.raises(InvalidInput, match="a trust root is called 'a b'"):
        contents.trust_roots([tmp_path / "a b"])
    assert contents.trust_roots([tmp_path / "a" / "root.json"]).files == {
        "root.json": tmp_path / "a" / "root.json"
    }


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"{}", "is no trusted root"), (bytes(5 << 20), "at most 4,194,304 are read"), (b"", "holds 0 roots")],
)
def test_what_is_no_trust_root_is_not_carried(data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "root.json").write_bytes(data)
    with pytest.raises(InvalidInput, match=reason):
        contents.trust_roots([tmp_path / "root.json"])
    with pytest.raises(InvalidInput, match="cannot be read"):
        contents.trust_roots([tmp_path / "none.json"])


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("p.yaml", True), (".image-gate.yaml", True), ("a/b/c-d_e.json", True),
        ("", False), (".", False), ("..", False), ("a/../b", False), ("/a", False), ("a//b", False), ("a\\b", False),
        ("a b", False), ("a\n", False), ("ä", False), ("a" * 101, False), ("a/" * 200 + "a", False),
    ],
)  # fmt: skip
def test_names(name: str, good: bool) -> None:
    assert is_relative(name) is good
