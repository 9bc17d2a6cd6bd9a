"""Every sample is run: the demo, the policies, the Dockerfiles; images and databases have tests of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gate.policy.policy import Policy
from samples import demo
from samples.images.catalogue import bad, good
from samples.images.layout import oci_layout, write_directory

SAMPLES = Path(demo.__file__).parent
POLICIES = sorted((SAMPLES / "policies").glob("*.yaml"))
DOCKERFILES = sorted((SAMPLES / "dockerfiles").iterdir())
NAMES = {
    "backlog": "registry.example.com/shop/server:1.4.2",
    "demo": "registry.example.com/shop/server:1.4.2",
    "production": "registry.example.com/production/server:1.4.2",
    "team": "registry.example.com/shop/server:1.4.2",
    "vex": "registry.example.com/shop/server:1.4.2",
}
"""A name under which the good image satisfies each policy."""
INSTRUCTIONS = {"CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "LABEL", "RUN", "USER", "WORKDIR"}


def result(rule: str, outcome: str) -> dict[str, Any]:
    return {"rule": rule, "outcome": outcome, "findings": [{"message": "x"}] if outcome == "fail" else []}


def report(status: str, *results: dict[str, Any]) -> dict[str, Any]:
    return {"status": status, "verdicts": [{"results": list(results)}]}


@pytest.mark.real
def test_the_demo(trivy_binary: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "samples.demo"],
        check=False,
        cwd=SAMPLES.parent,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    first, second = run.stdout.split("$ image-gate")[1:]
    assert "FAIL" in first
    assert "CVE-2021-44228" in first
    assert "PASS" in second
    assert "FAIL" not in second


def test_the_demo_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert demo.main() == 1
    assert "needs Trivy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("found", "faults"),
    [
        (report("fail", result("no-shell", "fail"), result("vulnerabilities", "fail")), 0),
        (report("pass", result("no-shell", "fail"), result("vulnerabilities", "fail")), 1),
        (report("fail", result("no-shell", "fail"), result("vulnerabilities", "unknown")), 1),
        (report("fail", result("no-shell", "pass"), result("vulnerabilities", "fail")), 1),
        (report("unknown"), 3),
    ],
)
def test_the_demo_fails_unless_the_bad_image_fails(found: dict[str, Any], faults: int) -> None:
    assert len(demo.faults_of_bad(found)) == faults


def test_the_demo_fails_unless_the_good_image_passes() -> None:
    assert [len(demo.faults_of_good(report(status))) for status in ("pass", "fail", "unknown")] == [0, 1, 1]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_policies(path: Path) -> None:
    policy = Policy.load(str(path))
    assert "vulnerabilities" in {setting.rule.id for setting in policy.settings}
    assert set(policy.scanners_required) <= {"trivy", "grype"}
    assert path.read_text().startswith("# ")


@pytest.mark.real
@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_policies_part_bad_from_good(
    path: Path,
    trivy_binary: Path,
    grype_binary: Path,
    trivy_cache: Path,
    grype_cache: Path,
    tmp_path: Path,
    built: datetime,
) -> None:
    for name, image, code in (("good", good(built), 0), ("bad", bad(built), 1)):
        write_directory(oci_layout({"": image}), tmp_path / name)
        arguments = [
            "check",
            f"oci:{tmp_path / name}",
            "--policy",
            str(path),
            "--as",
            NAMES[path.stem],
            "--offline",
        ]
        arguments += ["--trivy", str(trivy_binary), "--trivy-cache", str(trivy_cache)]
        arguments += [
            "--grype",
            str(grype_binary),
            "--grype-db",
            str(grype_cache),
            "--cache-dir",
            str(tmp_path / "cache"),
        ]
        run = subprocess.run(
            [sys.executable, "-m", "gate", *arguments], check=False, capture_output=True, text=True
        )
        assert run.returncode == code, run.stdout + run.stderr


@pytest.mark.real
def test_the_vex_documents_take_away_what_they_name(
    trivy_binary: Path,
    grype_binary: Path,
    trivy_cache: Path,
    grype_cache: Path,
    tmp_path: Path,
    built: datetime,
) -> None:
    write_directory(oci_layout({"": bad(built)}), tmp_path / "bad")
    arguments = ["check", f"oci:{tmp_path / 'bad'}", "--policy", str(SAMPLES / "policies" / "vex.yaml")]
    arguments += [
        "--as",
        NAMES["vex"],
        "--offline",
        "--format",
        "json",
        "--cache-dir",
        str(tmp_path / "cache"),
    ]
    arguments += ["--trivy", str(trivy_binary), "--trivy-cache", str(trivy_cache)]
    arguments += ["--grype", str(grype_binary), "--grype-db", str(grype_cache)]
    run = subprocess.run(
        [sys.executable, "-m", "gate", *arguments], check=False, capture_output=True, text=True
    )
    report = json.loads(run.stdout)
    (result,) = (one for one in report["verdicts"][0]["results"] if one["rule"] == "vulnerabilities")
    taken = {item["finding"]["id"]: (item["document"], item["finding"]["details"]) for item in result["vex"]}
    assert {id_: document for id_, (document, _) in taken.items()} == {
        "CVE-2021-44228": "vex/supplier.cdx.json",
        "CVE-2021-44906": "vex/shop.openvex.json",
    }
    assert all(details["found_by"] == ["grype", "trivy"] for _, details in taken.values())
    assert [document["unused"] for document in report["run"]["vex"]] == [0, 0]


def test_the_team_has_exceptions_in_a_file_as_well() -> None:
    policy = Policy.load(str(SAMPLES / "policies" / "team.yaml"))
    assert policy.named_files == ("exceptions/shop.yaml",)
    assert [exception.rule for exception in policy.exceptions] == [
        "vulnerabilities",
        "vulnerabilities",
        "no-shell",
    ]


def test_the_demo_policy_says_that_it_requires_trivy_alone() -> None:
    path = SAMPLES / "policies" / "demo.yaml"
    assert Policy.load(str(path)).scanners_required == ("trivy",)
    assert "requires Trivy alone" in path.read_text().splitlines()[0]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_dockerfiles(path: Path) -> None:
    """Instructions only, full names of base images, and a last stage that starts something."""
    text = path.read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    assert {line[0] for line in lines} <= INSTRUCTIONS
    bases = [line[1].split()[0] for line in lines if line[0] == "FROM"]
    assert all("." in base.partition("/")[0] for base in bases)
    assert lines[-1][0] in {"CMD", "ENTRYPOINT"}


def test_the_example_in_the_readme(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = (SAMPLES / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "layout" / "index.json").exists()
