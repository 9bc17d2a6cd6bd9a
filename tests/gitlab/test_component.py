"""The GitLab component, included by tag as users do, run by gitlab-ci-local with the real Trivy and no network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gitlab.conftest import GATE_IMAGE
from tests.kit.act import ROOT, commit
from tests.kit.gitlab import Pipelines, Ran, write_pipeline

pytestmark = pytest.mark.real

Piped = Callable[..., Ran]


def test_a_bad_image_is_reported_by_a_green_job_and_stopped_by_a_red_one(piped: Piped, project: Path) -> None:
    ran = piped("oci:images/bad", dockerfile="Dockerfile")
    assert ran.jobs == {"image-gate-scan": "PASS", "after": "PASS", "image-gate": "FAIL"}, ran.log
    assert not ran.passed
    assert "told fail 1 max-age,no-package-manager," in ran.log
    reports = project / ".gitlab-ci-local" / "artifacts" / "image-gate-scan"
    assert json.loads((reports / "image-gate.json").read_text())["status"] == "fail"
    kinds = {path.name for path in reports.rglob("*") if path.is_file()}
    assert {"gl-container-scanning-report.json", "gl-code-quality-report.json", "image-gate.xml"} <= kinds


def test_a_good_image_goes_on(piped: Piped) -> None:
    ran = piped("oci:images/good")
    assert ran.jobs == dict.fromkeys(["image-gate-scan", "after", "image-gate", "deploy"], "PASS"), ran.log
    assert "told pass 0" in ran.log


def test_without_a_database_the_first_job_fails(piped: Piped, tmp_path: Path) -> None:
    ran = piped("oci:images/good", {"IMAGE_GATE_TRIVY_CACHE": str(tmp_path / "nothing")})
    assert ran.jobs == {"image-gate-scan": "FAIL"}, ran.log
    assert "finished" in ran.log
    assert "FAIL 3" in ran.log


def test_a_pipeline_may_go_on_without_a_verdict_if_its_owner_says_so(
    pipelines: Pipelines, project: Path, tmp_path: Path
) -> None:
    guide = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"`image-gate-scan: (\{allow_failure: .*?\}\})`", guide)
    write_pipeline(project, {"gate-image": GATE_IMAGE, "image": "oci:images/good"})
    with (project / ".gitlab-ci.yml").open("a") as file:
        file.writelines(f"{job}: {told}\n" for job in ("image-gate-scan", "image-gate"))
    ran = pipelines.run(project, IMAGE_GATE_TRIVY_CACHE=str(tmp_path), IMAGE_GATE_OFFLINE="true")
    expected = {"image-gate-scan": "WARN", "after": "PASS", "image-gate": "WARN", "deploy": "PASS"}
    assert ran.jobs == expected, ran.log


def test_a_wrong_policy_fails_with_what_is_wrong(piped: Piped, project: Path) -> None:
    (project / ".image-gate.yaml").write_text("schema: 1\nrules: {no-shel: {}}\n")
    ran = piped("oci:images/good")
    assert ran.jobs == {"image-gate-scan": "FAIL"}, ran.log
    assert "no-shel" in ran.log
    assert "FAIL 2" in ran.log


def test_reporting_alone_has_no_gate(piped: Piped) -> None:
    ran = piped("oci:images/bad", mode="report")
    assert ran.jobs == dict.fromkeys(["image-gate-scan", "after", "deploy"], "PASS"), ran.log


def test_another_mode_is_refused(piped: Piped) -> None:
    ran = piped("oci:images/bad", mode="repotr")
    assert ran.jobs == {}
    assert "mode" in ran.log
    assert not ran.passed


def test_inputs_are_never_code(piped: Piped, project: Path) -> None:
    ran = piped("oci:images/good$(touch PWNED); touch PWNED", policy="`touch PWNED`")
    assert ran.jobs["image-gate-scan"] == "FAIL"
    assert not list(project.rglob("PWNED"))


def test_the_image_of_gitlabs_own_scanning_is_taken(piped: Piped) -> None:
    ran = piped("", {"CS_IMAGE": "oci:images/good", "CS_SEVERITY_THRESHOLD": "critical"})
    assert ran.jobs["image-gate"] == "PASS", ran.log
    assert "CS_SEVERITY_THRESHOLD has no effect: the policy says which severities count" in ran.log


def test_scanning_that_is_disabled_stays_so(piped: Piped) -> None:
    ran = piped("oci:images/bad", {"CONTAINER_SCANNING_DISABLED": "true"})
    assert "image-gate" not in ran.jobs


def test_a_branch_is_judged_by_the_policy_of_the_default_one(
    pipelines: Pipelines, project: Path, tmp_path: Path
) -> None:
    server = tmp_path / "gitlab" / "acme" / "shop.git"
    server.mkdir(parents=True)
    (server / ".image-gate.yaml").write_text("schema: 1\nrules: {non-root: {}}\n")
    commit(server)
    (project / ".image-gate.yaml").write_text("schema: 1\nrules: {non-root: {action: warn}}\n")
    write_pipeline(project, {"gate-image": "registry.example.com/image-gate:1", "image": "oci:images/bad"})
    commit(project)
    subprocess.run(["git", "-C", str(project), "switch", "-qc", "feature"], check=True)
    (project / "README.md").write_text("A change\n")
    fetched = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{(tmp_path / 'gitlab').as_uri()}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://gitlab.com/",
    }
    ran = pipelines.run(project, **fetched)
    assert "told fail 1 non-root" in ran.log
    assert "[WARN] image-gate: This change has another policy" in ran.log


def test_a_gitlab_without_components_includes_a_file(
    pipelines: Pipelines, project: Path, trivy_cache: Path
) -> None:
    shutil.copy(ROOT / "gitlab" / "image-gate.gitlab-ci.yml", project)
    (project / ".gitlab-ci.yml").write_text("include: [{local: image-gate.gitlab-ci.yml}]\n")
    ran = pipelines.run(
        project,
        IMAGE_GATE_RUNNER_IMAGE="registry.example.com/image-gate:1",
        IMAGE_GATE_IMAGE="oci:images/bad",
        IMAGE_GATE_TRIVY_CACHE=str(trivy_cache),
        IMAGE_GATE_OFFLINE="true",
    )
    assert ran.jobs == {"image-gate-scan": "PASS", "image-gate": "FAIL"}, ran.log
