"""Attacks from a checkout and from an image, each also with the defence switched off, where it succeeds."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from samples.images.builder import Settings, build_image
from samples.images.entries import program
from samples.images.layers import layer_of
from samples.images.layout import oci_layout, write_directory
from tests.kit.act import Ran, Runner, commit, write_workflow

pytestmark = pytest.mark.real

POLICY = "schema: 1\nrules: {non-root: {}, no-setuid: {}}\n"
FORGED = "::notice title=forged::the gate is open"

HIDING = {"TRIVY_SEVERITY": "LOW", "GRYPE_ONLY_FIXED": "true"}
"""Variables that hide what scanners find."""

HIJACK = """\
import os
with open(os.environ["GITHUB_OUTPUT"], "a") as file:
    file.write("verdict=pass\\nexit-code=0\\n")
raise SystemExit(0)
"""
"""What a checkout would like to run instead of the gate."""


def run(runner: Runner, consumer: Path, image: str, **variables: str) -> Ran:
    """Run the action under a policy that needs no scanner."""
    (consumer / ".image-gate.yaml").write_text(POLICY)
    write_workflow(consumer, {"image": image, "scanners": ""}, variables)
    commit(consumer)
    return runner.run(consumer)


def switch_off(runner: Runner, file: str, text: str, instead: str) -> None:
    """Take a defence out of a copy of the action."""
    path = runner.action / file
    before = path.read_text()
    assert text in before
    path.write_text(before.replace(text, instead))


@pytest.fixture
def shadowing(consumer: Path) -> Path:
    """A checkout with modules of the gate's own names."""
    (consumer / "gate").mkdir()
    (consumer / "gate" / "__init__.py").touch()
    (consumer / "gate" / "__main__.py").write_text(HIJACK)
    (consumer / "click.py").write_text(HIJACK)
    (consumer / "msgspec.py").write_text(HIJACK)
    return consumer


def test_modules_of_the_checkout_are_not_run(runner: Runner, shadowing: Path) -> None:
    ran = run(runner, shadowing, "oci:images/bad", PYTHONPATH=".")
    assert ran.told["verdict"] == "fail"
    assert not ran.passed


def test_without_isolation_they_would_open_the_gate(without_defence: Runner, shadowing: Path) -> None:
    switch_off(without_defence, "actions/install.py", " -I -m gate", " -m gate")
    ran = run(without_defence, shadowing, "oci:images/bad", PYTHONPATH=".")
    assert ran.told["verdict"] == "pass"
    assert ran.passed


@pytest.fixture
def speaking(consumer: Path) -> Path:
    """An image with a setuid program whose path holds a workflow command on a line of its own."""
    layer = layer_of({f"\n{FORGED}\n": program(b"\x7fELF", 0o4755)})
    image = build_image([layer], Settings(datetime.now(UTC).replace(microsecond=0), user="1000"))
    write_directory(oci_layout({"": image}), consumer / "images" / "speaking")
    return consumer


def forged(ran: Ran) -> list[str]:
    """Return the commands that an image got through to GitHub's runner, which unlike act looks past leading spaces."""
    found, stopped = [], ""
    for event in ran.events:
        line = str(event.get("msg", "")).strip()
        if event.get("command") == "stop-commands":
            stopped = str(event["arg"])
        elif stopped and f"::{stopped}::" in line:
            stopped = ""
        elif not stopped and line.startswith("::notice title=forged::"):
            found.append(line)
    return found


def test_an_image_cannot_speak_to_the_runner(runner: Runner, speaking: Path) -> None:
    ran = run(runner, speaking, "oci:images/speaking")
    assert ran.told["failed-rules"] == '["no-setuid"]'
    assert forged(ran) == []


@pytest.mark.parametrize("kept", ["inert", "escapes"])
def test_either_of_two_defences_is_enough(without_defence: Runner, speaking: Path, kept: str) -> None:
    _switch_off_one(without_defence, "escapes" if kept == "inert" else "inert")
    assert forged(run(without_defence, speaking, "oci:images/speaking")) == []


def test_without_both_it_would_speak(without_defence: Runner, speaking: Path) -> None:
    for defence in ("escapes", "inert"):
        _switch_off_one(without_defence, defence)
    assert forged(run(without_defence, speaking, "oci:images/speaking")) != []


def _switch_off_one(runner: Runner, defence: str) -> None:
    """Print what images say as it is, or leave the runner listening; annotations are off, because they are commands."""
    if defence == "inert":
        switch_off(runner, "gate/ci/runner.py", 'command(f"::stop-commands::{word}")', "pass")
    else:
        body = '    """As it is."""\n    return text\n\n\ndef _unused(text: str, limit: int = 0) -> str:\n    r"""Return'
        switch_off(
            runner, "gate/printable.py", '    r"""Return `text` on one line', f"{body} `text` on one line"
        )


@pytest.fixture
def planting(consumer: Path) -> Path:
    """A checkout with settings for scanners that hide what they find."""
    (consumer / "trivy.yaml").write_text("severity: [LOW]\nignorefile: .trivyignore\n")
    (consumer / ".trivyignore").write_text("CVE-2026-8376\nCVE-2021-44228\n")
    (consumer / ".grype.yaml").write_text("ignore: [{package: {name: '*'}}]\n")
    return consumer


def test_settings_for_scanners_are_not_read(
    checked: Callable[..., Ran], planting: Path, tmp_path: Path
) -> None:
    ran = checked("oci:images/bad", HIDING, report_dir=str(tmp_path / "reports"))
    assert "vulnerabilities" in json.loads(ran.told["failed-rules"])
    report = (tmp_path / "reports" / "image-gate.json").read_text()
    assert "CVE-2021-44228" in report


def test_trivy_alone_would_read_the_files(trivy_binary: Path, trivy_cache: Path, planting: Path) -> None:
    assert "CVE-2021-44228" not in told_by_trivy(trivy_binary, trivy_cache, planting, {})


def test_trivy_alone_would_read_the_variables(trivy_binary: Path, trivy_cache: Path, consumer: Path) -> None:
    assert "CVE-2021-44228" in told_by_trivy(trivy_binary, trivy_cache, consumer, {})
    assert "CVE-2021-44228" not in told_by_trivy(trivy_binary, trivy_cache, consumer, HIDING)


def told_by_trivy(trivy: Path, cache: Path, folder: Path, variables: dict[str, str]) -> str:
    """Return what Trivy says of the bad image where it is started in the checkout."""
    command = [str(trivy), "image", "--quiet", "--input", "images/bad", "--format", "json"]
    options = ["--cache-dir", str(cache), "--skip-db-update", "--skip-java-db-update", "--offline-scan"]
    environment = {**os.environ, **variables}
    done = subprocess.run(
        [*command, *options], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert '"Results"' in done.stdout
    return done.stdout


def test_settings_for_installers_are_not_read(runner: Runner, consumer: Path) -> None:
    (consumer / "uv.toml").write_text("this is [no TOML")
    assert run(runner, consumer, "oci:images/good").passed


def test_in_the_checkout_they_would_be_read(without_defence: Runner, consumer: Path) -> None:
    (consumer / "uv.toml").write_text("this is [no TOML")
    switch_off(without_defence, "actions/install.py", "cwd=elsewhere, ", "")
    ran = run(without_defence, consumer, "oci:images/good")
    assert not ran.passed
    assert "uv.toml" in ran.log
    assert ran.told["verdict"] == "unknown"
