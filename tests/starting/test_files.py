"""The first files: valid for whoever reads them, and in places where nothing else stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from ruamel.yaml import YAML

from gate.options import encode
from gate.policy.policy import Policy
from gate.starting.files import BESIDE, first_files
from gate.starting.repository import Repository, look
from tests.kit.schemas import faults

FOUND = Repository("api/Dockerfile", ("docker.io/library/debian:12",), "github", "ghcr.io/acme/api")


def test_the_workflow_is_one(tmp_path: Path) -> None:
    _, workflow = first_files(tmp_path, FOUND, "strict")
    assert workflow.path == ".github/workflows/image-gate.yml"
    (tmp_path / "workflow.yml").write_text(workflow.text)
    assert faults(tmp_path / "workflow.yml", "vendor.github-workflows") == ""
    job = YAML(typ="safe").load(workflow.text)["jobs"]["gate"]
    assert job["steps"][1]["run"] == 'docker build --file api/Dockerfile --tag "$IMAGE" .'
    assert job["steps"][2]["with"] == {
        "image": "docker-daemon:${{ env.IMAGE }}",
        "dockerfile": "api/Dockerfile",
    }
    assert job["env"] == {"IMAGE": "ghcr.io/acme/api:${{ github.sha }}"}
    assert len(workflow.to_do) == 2


def test_the_workflow_runs_for_the_default_branch(tmp_path: Path) -> None:
    for branch, expected in (("trunk", "trunk"), ("", "main")):
        _, workflow = first_files(tmp_path, replace(FOUND, branch=branch), "strict")
        assert YAML(typ="safe").load(workflow.text)["on"]["push"]["branches"] == [expected]
        assert f"bring the policy to {expected} first" in workflow.to_do[1]


@pytest.mark.parametrize(
    ("ci", "required"), [("github", ("trivy",)), ("gitlab", ("grype", "trivy")), ("", ("grype", "trivy"))]
)
def test_no_scanner_is_asked_for_that_the_pipeline_does_not_bring(
    tmp_path: Path, ci: str, required: tuple[str, ...]
) -> None:
    (tmp_path / ".image-gate.yaml").write_text(first_files(tmp_path, Repository(ci=ci), "baseline")[0].text)
    assert tuple(sorted(Policy.load(directory=tmp_path).scanners_required)) == required


def test_the_policy_has_the_repository_in_its_examples(tmp_path: Path) -> None:
    policy, _ = first_files(tmp_path, FOUND, "strict")
    text = policy.text.replace("# allowed-", "allowed-").replace("# base-", "base-")
    (tmp_path / policy.path).write_text(text)
    rules = {setting.rule.id: encode(setting.options) for setting in Policy.load(directory=tmp_path).settings}
    assert rules["allowed-registries"]["registries"] == ("ghcr.io/acme",)
    assert rules["base-image"]["bases"] == ("docker.io/library/debian:12",)


@pytest.mark.parametrize("name", [".image-gate.yaml", ".image-gate.yml"])
def test_a_policy_of_either_name_is_the_policy(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert first_files(tmp_path, FOUND, "baseline")[0].path == name


def test_gitlab_with_and_without_a_pipeline(tmp_path: Path) -> None:
    found = Repository(ci="gitlab")
    alone = first_files(tmp_path, found, "baseline")[1]
    assert alone.path == ".gitlab-ci.yml"
    (tmp_path / "pipeline.yml").write_text(alone.text)
    pipeline = tmp_path / "pipeline.yml"
    assert faults(pipeline, "vendor.gitlab-ci", "--data-transform", "gitlab-ci") == ""
    (tmp_path / ".gitlab-ci.yml").touch()
    beside = first_files(tmp_path, found, "baseline")[1]
    assert beside.path == BESIDE
    assert alone.text.startswith(beside.text)
    assert list(YAML(typ="safe").load(beside.text)) == ["include"]
    assert list(YAML(typ="safe").load(alone.text)) == ["include", "stages", "build"]
    assert any(f"local: {BESIDE}" in one for one in beside.to_do)


@pytest.mark.parametrize("ci", ["", "jenkins", "none"])
def test_other_systems_get_the_policy_alone(tmp_path: Path, ci: str) -> None:
    (policy,) = first_files(tmp_path, Repository(ci=ci), "audit")
    assert policy.path == ".image-gate.yaml"
    assert ["image-gate check" in one for one in policy.to_do] == [True] * (ci == "jenkins")


def test_what_was_not_found_is_said(tmp_path: Path) -> None:
    _, workflow = first_files(tmp_path, Repository(ci="github"), "baseline")
    assert "--file Dockerfile" in workflow.text
    assert "registry.example.com/NAME" in workflow.text
    assert "registry.example.com/NAME" in workflow.to_do[-1]


TEXTS = st.text(st.sampled_from("FROMARG ghcr.io/abc-_:@\"'`$({})[],#\n\t\\\x1bä"), max_size=60)


@given(dockerfile=TEXTS, pushes=TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
def test_nothing_in_a_repository_can_change_the_form_of_a_file(
    tmp_path: Path, dockerfile: str, pushes: str
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {dockerfile}")
    (tmp_path / "Jenkinsfile").write_text(f"sh 'docker push ghcr.io/{pushes}'")
    found = look(tmp_path)
    hostile = Repository(found.dockerfile, found.bases, "github", found.image)
    plain = Repository("Dockerfile", ("docker.io/a:1",), "github", "ghcr.io/a/b")
    for written, expected in zip(
        first_files(tmp_path, hostile, "audit"), first_files(tmp_path, plain, "audit"), strict=True
    ):
        assert _form(written.text) == _form(expected.text)
        assert "\x1b" not in written.text


def _form(text: str) -> object:
    """What a YAML file says, with every value left out that a repository may choose."""

    def keys(value: object) -> object:
        if isinstance(value, dict):
            return {key: keys(one) for key, one in value.items()}
        return [keys(one) for one in value] if isinstance(value, list) else type(value)

    return keys(YAML(typ="safe").load(text.replace("\n  # ", "\n  ")))
