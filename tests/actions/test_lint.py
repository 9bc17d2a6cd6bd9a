"""Actions, component and the examples of the guide, as three checkers of such files see them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gate.starting.files import pipeline
from gate.starting.repository import Repository
from tests.conftest import Tools
from tests.kit.act import ROOT, commit

pytestmark = pytest.mark.real

GUIDE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
COMMIT = "0" * 40


def example(path: str) -> str:
    """Return the example of the guide for a file, with the placeholders filled in."""
    found = re.search(rf"```yaml\n# {re.escape(path)}\n(.*?)```", GUIDE, re.DOTALL)
    assert found, path
    return filled(found[1])


def filled(text: str) -> str:
    """Fill placeholders in."""
    text = text.replace("OWNER/", "acme/").replace("@COMMIT", f"@{COMMIT}")
    return text.replace("DIGEST", "0" * 64)


def started() -> str:
    """Return the workflow that `image-gate init` writes."""
    found = Repository("api/Dockerfile", ci="github", image="ghcr.io/acme/api", branch="trunk")
    return filled(pipeline(Path(), found).text)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the workflow of the guide, the one that `image-gate init` writes, and our actions."""
    folder = tmp_path / "repository"
    (folder / ".github" / "workflows").mkdir(parents=True)
    (folder / ".github" / "workflows" / "image.yml").write_text(example(".github/workflows/image.yml"))
    (folder / ".github" / "workflows" / "started.yml").write_text(started())
    for name in ("check", "setup"):
        (folder / "actions" / name).mkdir(parents=True)
        text = (ROOT / "actions" / name / "action.yml").read_text()
        (folder / "actions" / name / "action.yml").write_text(text)
    commit(folder)
    return folder


def ran(*command: str | Path, **variables: str) -> None:
    """Run a checker, which must find nothing."""
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_nothing(tools: Tools, repository: Path) -> None:
    ran(tools.path("zizmor"), "--offline", "--no-progress", "--persona", "pedantic", repository)


def test_zizmor_would_find_an_input_in_a_script(tools: Tools, repository: Path) -> None:
    action = repository / "actions" / "check" / "action.yml"
    action.write_text(action.read_text().replace('exit "$EXIT_CODE"', "exit ${{ inputs.mode }}"))
    with pytest.raises(AssertionError, match="template-injection"):
        ran(tools.path("zizmor"), "--offline", "--no-progress", repository)


@pytest.mark.parametrize("name", ["image.yml", "started.yml"])
def test_actionlint_finds_nothing(tools: Tools, repository: Path, name: str) -> None:
    ran(tools.path("actionlint"), "-no-color", repository / ".github" / "workflows" / name)


def test_actionlint_knows_our_inputs_and_outputs(tools: Tools, repository: Path) -> None:
    workflow = repository / ".github" / "workflows" / "image.yml"
    local = workflow.read_text().replace(f"acme/image-gate/actions/check@{COMMIT}", "./actions/check")
    workflow.write_text(local)
    ran(tools.path("actionlint"), "-no-color", workflow)
    workflow.write_text(local.replace("dockerfile:", "dokcerfile:"))
    with pytest.raises(AssertionError, match="dokcerfile"):
        ran(tools.path("actionlint"), "-no-color", workflow)


@pytest.mark.parametrize("name", ["check", "setup"])
def test_the_actions_fit_their_schema(tools: Tools, name: str) -> None:
    fits(tools, "github-actions", ROOT / "actions" / name / "action.yml")


def test_the_workflow_of_the_guide_fits_its_schema(tools: Tools, repository: Path) -> None:
    fits(tools, "github-workflows", repository / ".github" / "workflows" / "image.yml")


@pytest.mark.parametrize("name", ["guide", "component", "plain", "own"])
def test_pipelines_fit_their_schema(tools: Tools, tmp_path: Path, name: str) -> None:
    texts = {
        "guide": example(".gitlab-ci.yml"),
        "component": (ROOT / "gitlab" / "templates" / "check.yml").read_text().partition("\n---\n")[2],
        "plain": (ROOT / "gitlab" / "image-gate.gitlab-ci.yml").read_text(),
        "own": (ROOT / "gitlab" / ".gitlab-ci.yml").read_text(),
    }
    path = tmp_path / "pipeline.yml"
    path.write_text(texts[name])
    fits(tools, "gitlab-ci", path, "--data-transform", "gitlab-ci", "--regex-variant", "nonunicode")


def fits(tools: Tools, schema: str, path: Path, *options: str) -> None:
    """Hold a file against a schema that the checker carries."""
    folder = str(
        tools.path("check_jsonschema").parents[1]
    )  # the script there names the interpreter of whoever made it
    checker = (sys.executable, "-m", "check_jsonschema")
    ran(*checker, "--builtin-schema", f"vendor.{schema}", *options, path, PYTHONPATH=folder)
