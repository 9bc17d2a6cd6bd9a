"""Exceptions by path work the same for every rule that finds files: each covers its own file and nothing beside it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gate.pipeline import RunSettings, check
from gate.policy.exceptions import path_matches
from gate.verdict import Outcome, RuleResult
from samples.images.builder import Settings, build_image
from samples.images.catalogue import bad
from samples.images.entries import program
from samples.images.layers import layer_of
from samples.images.layout import oci_layout, write_directory
from samples.images.programs import static_program
from tests.kit.runs import policy

FINDING_FILES = ("no-package-manager", "no-secrets", "no-setuid", "no-shell", "no-unneeded-tools")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    now = datetime.now(UTC).replace(microsecond=0)
    tools = layer_of({f"opt/tools/{name}": program(static_program(name)) for name in ("curl", "gcc")})
    image = build_image([*bad(now).layers, tools], Settings(now))
    return write_directory(oci_layout({"": image}), tmp_path_factory.mktemp("bad") / "image")


def judged(image: Path, folder: Path, rule: str, *paths: str) -> RuleResult:
    """What a rule says where these paths are excepted."""
    exceptions = [{"rule": rule, "path": path, "until": "2099-12-31", "reason": "r"} for path in paths]
    text = json.dumps({"schema": 1, "rules": {rule: {}}, "exceptions": exceptions})
    (verdict,) = check([str(image)], policy(folder, text + "\n"), RunSettings()).verdicts
    return verdict.results[0]


@pytest.mark.parametrize("rule", FINDING_FILES)
def test_one_path_covers_one_file_and_all_of_them_the_rule(rule: str, image: Path, tmp_path: Path) -> None:
    before = judged(image, tmp_path, rule)
    assert before.outcome is Outcome.FAIL
    paths = sorted({str(finding.location.path) for finding in before.findings if finding.location.path})
    assert paths, before.findings
    one = judged(image, tmp_path, rule, paths[0])
    assert {excepted.finding.location.path for excepted in one.excepted} == {paths[0]}
    rest = [finding for finding in before.findings if finding.location.path != paths[0]]
    assert list(one.findings) == rest
    every = judged(image, tmp_path, rule, *paths)
    assert list(every.findings) == [finding for finding in before.findings if finding.location.path is None]
    assert every.outcome is (Outcome.FAIL if every.findings else Outcome.PASS)


def test_a_shell_elsewhere_is_not_covered(image: Path, tmp_path: Path) -> None:
    result = judged(image, tmp_path, "no-shell", "/usr/bin/*", "/bin/*")
    assert result.excepted
    left = {str(finding.location.path) for finding in result.findings}
    assert all(not path_matches(pattern, path) for path in left for pattern in ("/usr/bin/*", "/bin/*"))
    nowhere = judged(image, tmp_path, "no-shell", "/opt/**", "/bin", "/usr/bin/ba")
    assert nowhere.excepted == ()
    assert nowhere.outcome is Outcome.FAIL
