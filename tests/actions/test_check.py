"""The GitHub action from a repository as users write it, run by act with the real Trivy and no network."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from samples.databases.advisories import load
from samples.databases.grype import write_grype_database
from tests.kit.act import Ran, Runner, commit, write_workflow

pytestmark = pytest.mark.real

Check = Callable[..., Ran]


def test_a_bad_image_closes_the_gate_after_everything_was_told(bad_run: Ran) -> None:
    assert not bad_run.passed
    assert bad_run.failed_steps[0] == "The gate"
    assert bad_run.told["verdict"] == "fail"
    assert bad_run.told["exit-code"] == "1"
    assert {"no-shell", "non-root", "vulnerabilities"} <= set(json.loads(bad_run.told["failed-rules"]))
    assert bad_run.summary.startswith("## ❌")
    assert "image-gate: fail: max-age" in bad_run.log


def test_annotations_stand_at_the_lines_of_the_dockerfile(bad_run: Ran) -> None:
    places = {
        event["kvPairs"]["title"]: (event["kvPairs"]["file"], event["kvPairs"]["line"])
        for event in bad_run.commands("error")
    }
    assert places["image-gate: non-root (high)"] == ("Dockerfile", "3")
    assert places["image-gate: vulnerabilities (critical)"] == ("Dockerfile", "2")


def test_databases_are_kept_a_day_each(bad_run: Ran) -> None:
    day = rf"image-gate-databases-\w+-\w+-{datetime.now(UTC):%Y-%m}-\d\d"
    told = [line for line in bad_run.log.splitlines() if re.search(rf'"key": "{day}"', line)]
    assert len(told) == 2  # restored before the check, saved after it, although the gate is closed
    assert '"restore-keys": "image-gate-databases-' in told[0]


def test_a_good_image_opens_it(checked: Check) -> None:
    ran = checked("oci:images/good")
    assert ran.passed, ran.log
    assert (ran.told["verdict"], ran.told["exit-code"], ran.told["failed-rules"]) == ("pass", "0", "[]")
    assert ran.told["digest"].startswith("sha256:")
    assert ran.summary.startswith("## ✅")


def test_without_a_database_there_is_no_verdict(checked: Check, tmp_path: Path) -> None:
    ran = checked("oci:images/good", trivy_cache=str(tmp_path / "nothing"))
    assert not ran.passed
    assert (ran.told["verdict"], ran.told["exit-code"]) == ("unknown", "3")
    assert ran.summary.startswith("## ❓")


def test_a_wrong_policy_is_told_where_people_look(checked: Check, consumer: Path) -> None:
    (consumer / ".image-gate.yaml").write_text("schema: 1\nrules: {no-shel: {}}\n")
    ran = checked("oci:images/good")
    assert not ran.passed
    assert (ran.told["verdict"], ran.told["exit-code"]) == ("unknown", "2")
    assert "no-shel" in ran.summary
    assert "no-shel" in ran.commands("error")[0]["arg"]


def test_reporting_alone_never_fails_the_job(checked: Check) -> None:
    ran = checked("oci:images/bad", mode="report")
    assert ran.passed
    assert ran.told["verdict"] == "fail"


def test_inputs_are_never_code(checked: Check, consumer: Path) -> None:
    ran = checked("oci:images/good$(touch${IFS}PWNED)`touch${IFS}PWNED`", policy="; touch PWNED")
    assert not ran.passed
    assert not (consumer / "PWNED").exists()


def test_both_scanners_of_the_runner_are_used(
    checked: Check, consumer: Path, grype_binary: Path, tmp_path: Path
) -> None:
    write_grype_database(tmp_path / "grype", load(), datetime.now(UTC))
    policy = (
        (consumer / ".image-gate.yaml").read_text().replace("required: [trivy]", "required: [trivy, grype]")
    )
    (consumer / ".image-gate.yaml").write_text(policy)
    ran = checked(
        "oci:images/bad", grype=str(grype_binary), grype_db=str(tmp_path / "grype"), report_dir=str(tmp_path)
    )
    assert ran.told["verdict"] == "fail", ran.log
    found = json.loads((tmp_path / "image-gate.json").read_text())["verdicts"][0]["evidence"]["scanners"]
    assert set(found) == {"trivy", "grype"}


def test_a_pull_request_is_judged_by_the_policy_of_its_base(
    runner: Runner, consumer: Path, tmp_path: Path
) -> None:
    server = tmp_path / "github" / "acme" / "shop"
    server.mkdir(parents=True)
    (server / ".image-gate.yaml").write_text("schema: 1\nrules: {non-root: {}}\n")
    commit(server)
    head = ["git", "-C", str(server), "rev-parse", "HEAD"]
    base = subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()
    (consumer / ".image-gate.yaml").write_text("schema: 1\nrules: {non-root: {action: warn}}\n")
    write_workflow(consumer, {"image": "oci:images/bad", "scanners": ""})
    commit(consumer)
    origin = ["git", "-C", str(consumer), "remote", "add", "origin", "https://github.com/acme/shop.git"]
    subprocess.run(origin, check=True)
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "base": {"sha": base, "ref": "main"}}}))
    fetched = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{(tmp_path / 'github').as_uri()}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
    }
    options = [part for name, value in fetched.items() for part in ("--env", f"{name}={value}")]
    ran = runner.run(consumer, "pull_request", "--eventpath", str(event), *options)
    assert (ran.told["verdict"], ran.told["failed-rules"]) == ("fail", '["non-root"]'), ran.log
    assert any("another policy" in event["arg"] for event in ran.commands("warning"))


def test_setup_puts_the_program_on_path(runner: Runner, consumer: Path) -> None:
    write_workflow(consumer, {})
    workflow = consumer / ".github" / "workflows" / "check.yml"
    text = workflow.read_text().replace("actions/check@v1", "actions/setup@v1")
    step = "      - run: image-gate check --policy audit oci:images/good || echo ended with $?\n"
    workflow.write_text(text.replace("      - if: always()", f"{step}      - if: always()"))
    commit(consumer)
    ran = runner.run(consumer)
    assert ran.passed, ran.log
    assert ran.told["image-gate"].endswith("/image-gate")
    assert "oci:images/good" in ran.log
