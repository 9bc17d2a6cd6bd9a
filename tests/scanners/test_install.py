"""Installing: hashed before it is opened, one program taken out, and nothing changed where anything is wrong."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.deadline import Deadline
from gate.errors import ImageGateError, IntegrityError, InvalidInput, MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.registry import RegistrySettings
from gate.scanners import Approval, approval, grype, install, trivy
from gate.scanners.install import Installed, Order
from samples.databases.oci_artifact import Served
from tests.kit.loopback import serving

PLATFORM = "linux/amd64"
MARK = trivy.REQUIREMENT.mark
PROGRAM = b"#!/bin/sh\n" + MARK + b"0.76.0\n"


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def archive(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            tar.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


def link(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return info


RELEASE = archive(("LICENSE", b"text"), ("contrib/trivy", b"another"), ("trivy", PROGRAM), ("../evil", b"x"))


def known(monkeypatch: pytest.MonkeyPatch, data: bytes, program: bytes = b"") -> None:
    """Let the table know an archive."""
    entry = approval.shipped().find("trivy", PLATFORM)
    assert entry is not None
    entry = replace(entry, archive=sha256(data), program=sha256(program) if program else "")
    found = replace(approval.shipped(), releases=(entry,))
    monkeypatch.setattr(install, "shipped", lambda: found)
    monkeypatch.setattr(approval, "shipped", lambda: found)


def installed(
    tmp_path: Path, origin: str, version: str = "", told: Approval = Approval()  # noqa: B008 -- frozen
) -> Installed:  # fmt: skip
    order = Order(trivy.REQUIREMENT, version, PLATFORM, origin, tmp_path / "bin")
    return install.install(order, told, RegistrySettings(), Deadline(30))


def left(tmp_path: Path) -> Iterable[str]:
    """What is in the folder."""
    return sorted(path.name for path in (tmp_path / "bin").glob("*")) + sorted(
        path.name for path in (tmp_path / "bin").glob(".*")
    )


def test_a_release_is_fetched_and_its_one_program_taken_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch, RELEASE, PROGRAM)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "trivy").write_text("what was there before")
    with serving({"/x/trivy.tar.gz": Served("application/gzip", RELEASE)}) as server:
        done = installed(tmp_path, f"http://{server.host}/x/trivy.tar.gz")
    path = tmp_path / "bin" / "trivy"
    assert (done.program.path, done.program.digest) == (str(path), sha256(PROGRAM))
    assert done.judgement.text == "trivy 0.76.0 for linux/amd64"
    assert path.read_bytes() == PROGRAM
    assert path.stat().st_mode & 0o7777 == 0o755
    assert left(tmp_path) == ["trivy"]
    assert not (tmp_path / "evil").exists()


def test_a_file_of_the_same_digest_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, RELEASE)
    (tmp_path / "file").write_bytes(RELEASE)
    assert installed(tmp_path, str(tmp_path / "file"), "0.76.0").program.stated == "0.76.0"


def test_the_program_itself_will_do_where_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch, RELEASE, PROGRAM)
    (tmp_path / "file").write_bytes(PROGRAM)
    assert installed(tmp_path, str(tmp_path / "file")).program.approval == "shipped table"


def test_what_the_policy_lists_can_be_installed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(RELEASE)
    done = installed(tmp_path, str(tmp_path / "file"), told=Approval(programs=(sha256(RELEASE),)))
    assert done.judgement.standing is approval.Standing.UNKNOWN, "the digest of the program is another one"


def test_another_archive_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, RELEASE, PROGRAM)
    monkeypatch.setattr(install, "_unpack", lambda *_: pytest.fail("it was opened"))
    altered = bytearray(RELEASE)
    altered[len(altered) // 2] ^= 1
    with serving({"/trivy.tar.gz": Served("application/gzip", bytes(altered))}) as server:
        with pytest.raises(Unavailable, match="nobody approved what was fetched") as caught:
            installed(tmp_path, f"http://{server.host}/trivy.tar.gz")
        assert sha256(bytes(altered)) in caught.value.hint
        entry = replace(approval.shipped().releases[0], address=f"http://{server.host}/trivy.tar.gz")
        found = replace(approval.shipped(), releases=(entry,))
        monkeypatch.setattr(install, "shipped", lambda: found)
        with pytest.raises(IntegrityError, match=r"as trivy 0\.76\.0 did when it was seen"):
            installed(tmp_path, "")
    assert left(tmp_path) == []


BAD = {
    "missing": (archive(("LICENSE", b"text")), "there is no file 'trivy'"),
    "link": (archive(link("trivy")), "is no file there"),
    "twice": (archive(("trivy", PROGRAM), ("./trivy", b"other")), "in the archive twice"),
    "cut off": (RELEASE[:-20], "cut off"),
    "no tar": (b"\x1f\x8b" + b"x" * 100, "not a valid compressed stream"),
    "compromised": (archive(("trivy", MARK + b"0.69.4\n")), "carried code that steals"),
    "too old": (archive(("trivy", MARK + b"0.69.3\n")), "is older than 0.70.0"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_an_archive_that_is_no_good_changes_nothing(tmp_path: Path, case: str) -> None:
    data, reason = BAD[case]
    (tmp_path / "file").write_bytes(data)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "trivy").write_text("what was there before")
    with pytest.raises(Unavailable, match=reason):
        installed(tmp_path, str(tmp_path / "file"), told=Approval(programs=(sha256(data),)))
    assert left(tmp_path) == ["trivy"]
    assert (tmp_path / "bin" / "trivy").read_text() == "what was there before"


def test_an_archive_that_expands_without_end_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = archive(("trivy", bytes(4 << 20)))
    (tmp_path / "file").write_bytes(data)
    monkeypatch.setattr(install, "LIMITS", replace(LIMITS, scanner_program=1 << 20))
    with pytest.raises(Unavailable, match="more than 1,048,576 bytes"):
        installed(tmp_path, str(tmp_path / "file"), told=Approval(programs=(sha256(data),)))
    assert left(tmp_path) == []


def test_a_program_that_is_not_the_one_that_was_seen_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch, RELEASE, b"other")
    (tmp_path / "file").write_bytes(RELEASE)
    with pytest.raises(IntegrityError, match="the program in the archive hashes to"):
        installed(tmp_path, str(tmp_path / "file"))


def test_another_version_than_was_asked_for_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(RELEASE)
    with pytest.raises(Unavailable, match=r"is 0\.76\.0, not 0\.77\.0"):
        installed(tmp_path, str(tmp_path / "file"), "0.77.0", Approval(programs=(sha256(RELEASE),)))


@pytest.mark.parametrize(
    ("version", "kind", "reason"),
    [("0.69.4", Unavailable, "is refused"), ("0.60.0", Unavailable, "is older than"), ("0.99.0", InvalidInput, "has no digest"),
     ("../x", Unavailable, "it is not known what it can do")],
)  # fmt: skip
def test_versions_that_are_not_taken(
    tmp_path: Path, version: str, kind: type[ImageGateError], reason: str
) -> None:
    with pytest.raises(kind, match=reason):
        installed(tmp_path, "", version)
    assert not (tmp_path / "bin").exists()


def test_a_scanner_without_a_known_digest_is_said(tmp_path: Path) -> None:
    order = Order(grype.REQUIREMENT, "", PLATFORM, "", tmp_path)
    with pytest.raises(InvalidInput, match="has no digest of grype for linux/amd64") as caught:
        install.install(order, Approval(), RegistrySettings(), Deadline(30))
    assert "--from" in caught.value.hint


def test_what_the_policy_refuses_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, RELEASE)
    (tmp_path / "file").write_bytes(RELEASE)
    with pytest.raises(Unavailable, match="is refused by the policy"):
        installed(tmp_path, str(tmp_path / "file"), told=Approval(refused=(sha256(RELEASE),)))


@pytest.mark.parametrize(
    ("origin", "kind", "reason"),
    [("http://127.0.0.1:1/x.tar.gz", Unavailable, "cannot be reached"), ("http://192.0.2.1/x", Unavailable, "without TLS"),
     ("ftp://example.com/x", Unavailable, "the address of the archive"), ("/nowhere/file", InvalidInput, "cannot be read")],
)  # fmt: skip
def test_places_that_give_nothing(
    tmp_path: Path, origin: str, kind: type[ImageGateError], reason: str
) -> None:
    with pytest.raises(kind, match=reason):
        installed(tmp_path, origin)
    assert left(tmp_path) == []


def test_an_address_that_is_not_there(tmp_path: Path) -> None:
    with serving({}) as server, pytest.raises(Unavailable, match="answers 404 for the archive"):
        installed(tmp_path, f"http://{server.host}/x.tar.gz")


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, RELEASE)
    (tmp_path / "file").write_bytes(RELEASE)
    order = Order(trivy.REQUIREMENT, "", PLATFORM, str(tmp_path / "file"), tmp_path / "file" / "bin")
    with pytest.raises(Unavailable, match="cannot be installed to") as caught:
        install.install(order, Approval(), RegistrySettings(), Deadline(30))
    assert "--to" in caught.value.hint


def test_hostile_bytes_are_malformed_and_nothing_else(tmp_path: Path) -> None:
    data = archive(("trivy", PROGRAM))[:64] + b"\0" * 400
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(MalformedImage):
        installed(tmp_path, str(tmp_path / "file"), told=Approval(programs=(sha256(data),)))
