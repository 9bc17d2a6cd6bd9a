"""The GitHub action from a repository as users write it, run by act with the real Trivy and no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.act import Ran

pytestmark = pytest.mark.real

Check = Callable[..., Ran]


def test_a_bad_image_closes_the_gate_after_everything_was_told(checked: Check) -> None:
    ran = checked("oci:images/bad")
    assert not ran.passed
    assert ran.failed_steps[0] == "The gate"
    assert ran.told["verdict"] == "fail"
    assert ran.told["exit-code"] == "1"
    assert {"no-shell", "non-root", "vulnerabilities"} <= set(json.loads(ran.told["failed-rules"]))
    assert ran.summary.startswith("## ❌")
    assert "image-gate: fail: max-age" in ran.log


def test_annotations_stand_at_the_lines_of_the_dockerfile(checked: Check) -> None:
    ran = checked("oci:images/bad")
    places = {
        event["kvPairs"]["title"]: (event["kvPairs"]["file"], event["kvPairs"]["line"])
        for event in ran.commands("error")
    }
    assert places["image-gate: non-root (high)"] == ("Dockerfile", "3")
    assert places["image-gate: vulnerabilities (critical)"] == ("Dockerfile", "2")


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


def test_databases_are_kept_a_day_each(checked: Check) -> None:
    ran = checked("oci:images/bad")
    keys = [line for line in ran.log.splitlines() if "image-gate-databases-" in line]
    assert any("restore" in line for line in keys)
    assert len(keys) >= 2
