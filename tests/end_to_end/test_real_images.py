"""Images that nobody here composed, through the whole program: what must be found in each is stated."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from samples.images.builder import Settings, build_image
from samples.images.entries import Entry, program
from samples.images.layers import layer_of
from samples.images.layout import oci_layout, write_directory
from tests.end_to_end.conftest import checked

pytestmark = pytest.mark.real


def results(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the results of the only verdict, by rule."""
    (verdict,) = report["verdicts"]
    return {result["rule"]: result for result in verdict["results"]}


def image_of(files: Mapping[str, Entry], folder: Path) -> str:
    """Write an image of one layer and return its reference."""
    image = build_image(
        [layer_of(files)], Settings(datetime.now(UTC), user="65532", entrypoint=["/app/server"])
    )
    write_directory(oci_layout({"example.com/app:1": image}), folder / "image")
    return f"oci:{folder / 'image'}"


def test_a_debian_root(debian_layout: Path, scanners: list[str], tmp_path: Path) -> None:
    code, report = checked(f"oci:{debian_layout}:bookworm", scanners, tmp_path)
    found = results(report)
    assert (code, report["status"]) == (1, "fail")
    assert {name for name, result in found.items() if result["outcome"] == "fail"} == {
        "no-shell", "no-package-manager", "non-root", "no-setuid", "minimal-base",
    }  # fmt: skip
    assert not [name for name, result in found.items() if result["outcome"] == "unknown"]

    def paths(rule: str) -> set[str]:
        return {finding["location"]["path"] for finding in found[rule]["findings"]}

    assert paths("no-shell") == {"/usr/bin/bash", "/usr/bin/dash"}
    assert {"/usr/bin/apt", "/usr/bin/apt-get", "/usr/bin/dpkg"} <= paths("no-package-manager")
    assert {"/usr/bin/su", "/usr/bin/passwd", "/usr/bin/mount"} <= paths("no-setuid")
    runs = report["verdicts"][0]["evidence"]["scanners"]
    assert (
        runs["trivy"]["packages"]
        == runs["grype"]["packages"]
        == report["verdicts"][0]["evidence"]["packages"]
        > 80
    )


def test_the_same_root_from_an_archive_gives_the_same_findings(
    debian_layout: Path, debian_archive: Path, scanners: list[str], tmp_path: Path
) -> None:
    answers = []
    for name, reference in (
        ("layout", f"oci:{debian_layout}:bookworm"),
        ("archive", f"docker-archive:{debian_archive}"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        _, report = checked(reference, scanners, folder)
        answers.append(
            {rule: (result["outcome"], result["findings"]) for rule, result in results(report).items()}
        )
    assert answers[0] == answers[1]


def test_a_static_go_program_on_scratch(static_program: Path, scanners: list[str], tmp_path: Path) -> None:
    code, report = checked(
        image_of({"app/server": program(static_program.read_bytes())}, tmp_path), scanners, tmp_path
    )
    assert (code, report["status"]) == (0, "pass"), results(report)
    assert report["verdicts"][0]["evidence"]["packages"] == 0


@pytest.mark.parametrize(
    "name", ["bash", "bash-static", "busybox", "dash", "ksh93", "mksh", "toybox", "zsh", "zsh-static"]
)
def test_a_real_shell_under_another_name(
    name: str, debian_programs: Mapping[str, Path], scanners: list[str], tmp_path: Path
) -> None:
    content = debian_programs[name].read_bytes()
    code, report = checked(image_of({"app/server": program(content)}, tmp_path), scanners, tmp_path)
    (finding,) = results(report)["no-shell"]["findings"]
    assert code == 1
    assert finding["location"]["path"] == "/app/server"
    assert finding["location"]["layer_index"] == 0


@pytest.mark.parametrize("name", ["apt", "apt-get", "dpkg", "rpm"])
def test_a_real_package_manager_under_another_name(
    name: str, debian_programs: Mapping[str, Path], scanners: list[str], tmp_path: Path
) -> None:
    content = debian_programs[name].read_bytes()
    code, report = checked(image_of({"app/server": program(content)}, tmp_path), scanners, tmp_path)
    assert code == 1
    assert results(report)["no-package-manager"]["outcome"] == "fail"


def test_without_a_scanner_there_is_no_verdict(
    debian_layout: Path, scanners: list[str], tmp_path: Path
) -> None:
    options = [str(tmp_path / "nowhere") if word == scanners[5] else word for word in scanners]
    _, report = checked(f"oci:{debian_layout}:bookworm", options, tmp_path)
    result = results(report)["vulnerabilities"]
    assert result["outcome"] == "unknown"
    assert "grype" in result["reason"]
