"""The samples for CI systems: valid for their schemas, and the line that they all come to closes and opens the gate."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from samples import demo
from samples.images.catalogue import bad, good
from samples.images.layout import oci_layout, write_directory
from tests.kit.schemas import faults

PIPELINES = Path(demo.__file__).parent / "pipelines"
SCHEMAS = {
    "azure-pipelines.yml": ("vendor.azure-pipelines", "displayName"),
    "bitbucket-pipelines.yml": ("vendor.bitbucket-pipelines", "always"),
    "circleci.yml": ("vendor.circle-ci", "docker"),
}
"""A sample, its schema, and a word of it that the schema knows and would miss."""
GATE = 'image-gate check "$IMAGE" --output json=image-gate.json --output junit=image-gate.xml --output html=image-gate.html'
INSTALL_TRIVY = "image-gate scanners install trivy --to .gate/bin"
INSTALL_GRYPE = 'image-gate scanners install grype --from "$GRYPE" --to .gate/bin'
FORMS = ("html", "json", "xml")
WITH_SHELL = ["Jenkinsfile", *SCHEMAS]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """References to an image that passes and one that fails."""
    folder = tmp_path_factory.mktemp("images")
    for name, image in (("good", good(datetime.now(UTC))), ("bad", bad(datetime.now(UTC)))):
        write_directory(oci_layout({"registry.example.com/shop/api:1": image}), folder / name)
    return {name: f"oci:{folder / name}" for name in ("good", "bad")}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a policy that takes no scanner, and a `docker` that only says how it was called."""
    (tmp_path / ".image-gate.yaml").write_text("schema: 1\nrules: {no-shell: {}, non-root: {}}\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text('#!/bin/sh\necho "docker $1"\n')
    (tmp_path / "bin/docker").chmod(0o755)
    return tmp_path


def ran(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_every_sample_is_tested() -> None:
    assert {path.name for path in PIPELINES.iterdir()} == {*WITH_SHELL, "Makefile", "tekton.yaml"}


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_valid(name: str, tmp_path: Path) -> None:
    schema, word = SCHEMAS[name]
    assert faults(PIPELINES / name, schema) == ""
    (tmp_path / name).write_text((PIPELINES / name).read_text().replace(word, "unheard-of"))
    assert faults(tmp_path / name, schema) != "", "the schema takes anything"


@pytest.mark.parametrize("name", WITH_SHELL)
def test_it_comes_to_the_lines_that_are_tested(name: str) -> None:
    text = (PIPELINES / name).read_text()
    assert [text.count(line) for line in (INSTALL_TRIVY, INSTALL_GRYPE, GATE)] == [1, 1, 1]


def test_the_line_lets_only_the_good_image_through(here: Path, images: Mapping[str, str]) -> None:
    for name, code in (("good", 0), ("bad", 1)):
        done = ran(["sh", "-ec", GATE], here, IMAGE=images[name])
        assert done.returncode == code, done.stderr
        assert {path.name for path in here.glob("image-gate.*")} == {f"image-gate.{form}" for form in FORMS}
    assert ran(["sh", "-ec", GATE], here, IMAGE="x; touch pwned; $(touch pwned)").returncode == 2
    assert not (here / "pwned").exists()


def test_make_pushes_only_what_the_gate_let_through(here: Path, images: Mapping[str, str]) -> None:
    make = ["make", "-s", "-f", str(PIPELINES / "Makefile"), "push"]
    passed = ran([*make, f"IMAGE={images['good']}"], here)
    assert (passed.returncode, "docker push" in passed.stdout) == (0, True), passed.stderr
    refused = ran([*make, f"IMAGE={images['bad']}"], here)
    assert (refused.returncode, "docker push" in refused.stdout) == (2, False)
    assert "docker build" in refused.stdout


def test_jenkins_leaves_variables_to_the_shell() -> None:
    text = re.sub(r"^//.*\n", "", (PIPELINES / "Jenkinsfile").read_text())
    assert re.fullmatch(r"pipeline \{.*\}\n", text, re.DOTALL)
    depth = 0
    for found in re.finditer(r"[{}]", text):
        depth += 1 if found[0] == "{" else -1
        assert depth > 0 or found.end() == len(text.rstrip())
    assert depth == 0
    steps = re.findall(r"^\s*sh (.*)$", text, re.MULTILINE)
    assert len(steps) == 5
    assert all(re.fullmatch(r"'[^']*'", step) for step in steps), "Groovy replaces variables in double quotes"
    assert all(section in text for section in ("agent {", "environment {", "stages {", "steps {", "post {"))


def test_tekton_has_no_script_that_a_parameter_could_speak_in() -> None:
    task = YAML(typ="safe").load((PIPELINES / "tekton.yaml").read_text())
    assert (task["apiVersion"], task["kind"]) == ("tekton.dev/v1", "Task")
    (step,) = task["spec"]["steps"]
    assert "script" not in step
    assert step["command"] == ["image-gate"]
    assert step["args"][-2:] == ["--", "$(params.image)"]
    names = {param["name"] for param in task["spec"]["params"]}
    assert {match for arg in step["args"] for match in re.findall(r"\$\(params\.(\w+)\)", arg)} == names


def test_tekton_calls_check_as_it_is(here: Path, images: Mapping[str, str]) -> None:
    (step,) = YAML(typ="safe").load((PIPELINES / "tekton.yaml").read_text())["spec"]["steps"]
    values = {"$(workspaces.reports.path)": str(here), "$(params.image)": images["good"]}
    command = [*step["command"], *step["args"]]
    for written, value in values.items():
        command = [part.replace(written, value) for part in command]
    assert ran(command, here).returncode == 0
    assert (here / "image-gate.json").exists()


@pytest.mark.real
def test_grype_is_installed_if_the_policy_knows_it(here: Path, grype_binary: Path) -> None:
    refused = ran(["sh", "-ec", INSTALL_GRYPE], here, GRYPE=str(grype_binary))
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert not (here / ".gate/bin/grype").exists()
    digest = hashlib.sha256(grype_binary.read_bytes()).hexdigest()
    with (here / ".image-gate.yaml").open("a") as policy:
        policy.write(f"scanners: {{programs: ['sha256:{digest}']}}\n")
    done = ran(["sh", "-ec", INSTALL_GRYPE], here, GRYPE=str(grype_binary))
    assert done.returncode == 0, done.stderr
    assert (here / ".gate/bin/grype").read_bytes() == grype_binary.read_bytes()
