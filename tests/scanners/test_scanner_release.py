"""The table is filled from a release's checksum file, and from nothing that is not one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gate.scanners.approval import TABLE, parse_table
from samples.databases.oci_artifact import Served
from tests.kit.loopback import serving
from tests.tools.scanner_release import main

LINES = (
    f"{'1' * 64}  grype_0.121.2_darwin_arm64.tar.gz\n"
    f"{'2' * 64}  grype_0.121.2_linux_amd64.tar.gz\n"
    f"{'3' * 64}  grype_0.121.2_linux_amd64.deb\n"
)
KNOWN = "aab21e677a7b7071fc79f1711480840754c18a1b9d9cefa7ccd06af63a0e8f4c"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return Path(shutil.copy(TABLE, tmp_path / "approved.json"))


def test_a_mirror_s_checksum_file_fills_the_table(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving({"/v0.121.2/checksums.txt": Served("text/plain", LINES.encode())}) as server:
        address = f"http://{server.host}/v0.121.2/checksums.txt"
        main(["grype", "0.121.2", address, "cosign verify-blob"], table)
        assert server.requests == ["GET /v0.121.2/checksums.txt"]
    assert capsys.readouterr().out == "grype 0.121.2: darwin/arm64, linux/amd64\n"
    entry = parse_table(table.read_bytes()).find("grype", "linux/amd64")
    assert entry is not None
    assert (entry.archive, entry.program) == (f"sha256:{'2' * 64}", "")
    assert entry.sources == (address, "cosign verify-blob")
    assert entry.address.endswith(
        "/anchore/grype/releases/download/v0.121.2/grype_0.121.2_linux_amd64.tar.gz"
    )
    assert parse_table(table.read_bytes()).find("grype", "linux/arm64") is None


def test_a_second_source_stands_beside_the_first(table: Path, tmp_path: Path) -> None:
    before = parse_table(table.read_bytes())
    (tmp_path / "sums").write_text(f"{KNOWN}  trivy_0.76.0_Linux-ARM64.tar.gz\n")
    for _ in range(2):
        main(["trivy", "0.76.0", str(tmp_path / "sums")], table)
    after = parse_table(table.read_bytes())
    one, other = before.find("trivy", "linux/arm64"), after.find("trivy", "linux/arm64")
    assert one is not None
    assert other is not None
    assert other.sources == (*one.sources, str(tmp_path / "sums"))
    assert len(after.releases) == len(before.releases)


@pytest.mark.parametrize(
    ("version", "text", "reason"),
    [
        ("0.76.0", f"{'0' * 64}  trivy_0.76.0_Linux-ARM64.tar.gz\n", "was seen with another digest"),
        ("0.77.0", f"{'0' * 64}  trivy_0.76.0_Linux-ARM64.tar.gz\n", "holds no archive of trivy"),
        ("0.77.0", "<html>\n", "this is no line of a checksum file"),
        ("0.77.0", f"{'0' * 64}  a\n" * 2, "stands twice"),
        ("0.69.4", f"{'0' * 64}  trivy_0.69.4_Linux-ARM64.tar.gz\n", "approves a release that it refuses"),
    ],
)
def test_what_is_not_added(table: Path, tmp_path: Path, version: str, text: str, reason: str) -> None:
    (tmp_path / "checksums").write_text(text)
    with pytest.raises((SystemExit, ValueError), match=reason):
        main(["trivy", version, str(tmp_path / "checksums")], table)
    assert table.read_bytes() == TABLE.read_bytes()


@pytest.mark.parametrize(
    "arguments", [[], ["syft", "1.0.0", "x"], ["trivy", "0.77.0", "http://example.com/x"]]
)
def test_requests_that_are_none(table: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments, table)
