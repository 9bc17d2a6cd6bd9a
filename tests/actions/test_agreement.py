"""What the actions and the component say of inputs is what the program takes: no input is lost, and none is code."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

from docs.ci_reference import ROOT, read_action, read_component
from gate.ci import github, gitlab
from gate.ci.child import TOKEN

ACTION = read_action("check")
INPUTS, JOBS = read_component()
STEPS: list[Mapping[str, Any]] = ACTION["runs"]["steps"]
STEP_NAMED = {step["name"]: step for step in STEPS}
STEP = next(step for step in STEPS if step.get("id") == "check")
SCAN = JOBS["$[[ inputs.job-prefix ]]-scan"]
OF_THE_ACTION = {"mode", "scanners", "upload-sarif", "cache"}
"""Inputs that steps of the action use themselves."""
OF_THE_COMPONENT = {"gate-image", "mode", "stage", "job-prefix", "report-expire-in"}
BASH_LINES = 12


def variables_of(*commands: str) -> set[str]:
    """Return the variables of the options of these commands."""
    check = importlib.import_module("gate.cli.check").COMMAND
    ci = importlib.import_module("gate.cli.ci").COMMAND
    found = {"check": check, **ci.commands}
    parameters = [parameter for name in commands for parameter in found[name].params]
    return {str(one.envvar) for one in parameters if isinstance(one, click.Option) and one.envvar}


def variable(name: str) -> str:
    """Return the variable that an input is handed over by."""
    return f"IMAGE_GATE_{name.upper().replace('-', '_')}"


def test_each_input_of_the_action_is_handed_over_by_its_own_variable() -> None:
    handed = {name: str(value) for name, value in STEP["env"].items()}
    for name in set(ACTION["inputs"]) - OF_THE_ACTION:
        assert re.search(rf"\binputs\.{name}\b", handed[variable(name)]), name
    own = {"IMAGE_GATE_CACHE_DIR", "PROGRAM", "PROGRAMS"}
    assert set(handed) - own == {variable(name) for name in set(ACTION["inputs"]) - OF_THE_ACTION}


def test_each_variable_of_the_action_is_one_of_the_program() -> None:
    given = {name for name in STEP["env"] if name.startswith("IMAGE_GATE_")} - {TOKEN}
    assert given <= variables_of("check", "github")


def test_the_other_inputs_of_the_action_are_used() -> None:
    text = str(STEPS)
    assert {name for name in OF_THE_ACTION if f"inputs.{name}" in text} == OF_THE_ACTION


def test_the_outputs_of_the_action_are_those_of_the_program(tmp_path: Path) -> None:
    from gate.ci.child import Outcome

    written = github.outputs(Outcome(3, None, ()), tmp_path)
    assert set(ACTION["outputs"]) | {"reason"} == set(written)
    assert STEP_NAMED["Upload to code scanning"]["with"]["category"] == "${{ steps.check.outputs.category }}"
    for name, output in ACTION["outputs"].items():
        assert f"steps.check.outputs.{name}" in output["value"]


@pytest.mark.parametrize("name", ["check", "setup"])
def test_no_expression_stands_in_a_script(name: str) -> None:
    scripts = [step["run"] for step in read_action(name)["runs"]["steps"] if "run" in step]
    assert scripts
    assert [script for script in scripts if "${{" in script] == []


def test_there_is_little_bash() -> None:
    lines = [line for step in STEPS if "run" in step for line in step["run"].splitlines()]
    script = (Path(__file__).parents[2] / "actions" / "install.sh").read_text().splitlines()
    code = [line for line in lines + script if line and not line.startswith("#")]
    assert len(code) <= BASH_LINES


@pytest.mark.parametrize("step", [step for step in STEPS if "uses" in step], ids=lambda step: step["name"])
def test_actions_of_others_are_pinned_by_commit(step: Mapping[str, Any]) -> None:
    assert re.fullmatch(r"[a-z/-]+@[0-9a-f]{40}", step["uses"])


def test_each_input_of_the_component_is_handed_over_by_its_own_variable() -> None:
    wanted = {variable(name): f"$[[ inputs.{name} ]]" for name in set(INPUTS) - OF_THE_COMPONENT}
    assert dict(SCAN["variables"]) == wanted
    assert set(wanted) <= variables_of("check", "gitlab")


def test_free_text_stands_in_no_script_of_the_component() -> None:
    scripts = [line for job in JOBS.values() for line in job["script"]]
    assert scripts == ["image-gate ci gitlab --hand-over", "image-gate verdict image-gate.json"]


def test_the_component_names_the_reports_that_are_written() -> None:
    named = set(SCAN["artifacts"]["reports"].values()) | set(SCAN["artifacts"]["paths"])
    assert named == {*gitlab.REPORTS.values(), gitlab.VARIABLES}


EXAMPLES = sorted(
    path
    for pattern in (
        "README.md",
        "docs/*.md",
        "actions/*/README.md",
        "gitlab/*.md",
        "gate/starting/templates/*.yml",
    )
    for path in ROOT.glob(pattern)
    if "OWNER/image-gate/" in path.read_text(encoding="utf-8")
)


def examples(file: Path) -> Iterator[Any]:
    """Yield every mapping in the YAML of a file, or in the blocks of YAML of a text."""
    text = file.read_text(encoding="utf-8")
    blocks = [text] if file.suffix == ".yml" else re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    waiting = [YAML(typ="safe").load(block) for block in blocks]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_give_inputs_that_there_are_and_all_that_must_be_given(file: Path) -> None:
    given = list(examples(file))
    steps = [
        (one, read_action(used[1])["inputs"])
        for one in given
        if (used := re.match(r"OWNER/image-gate/actions/(\w+)@COMMIT", str(one.get("uses"))))
    ]
    assert all(set(one.get("with", {})) <= set(inputs) for one, inputs in steps)
    includes = [one for one in given if "OWNER/image-gate/check@" in str(one.get("component"))]
    must = {name for name, said in INPUTS.items() if "default" not in (said or {})}
    assert all(must <= set(one["inputs"]) <= set(INPUTS) for one in includes)
    assert steps or includes


def test_the_examples_are_found() -> None:
    assert {"README.md", "ci.md", "github.yml", "gitlab.yml"} <= {file.name for file in EXAMPLES}


def test_the_plain_file_has_the_same_jobs() -> None:
    plain = YAML(typ="safe").load(ROOT / "gitlab" / "image-gate.gitlab-ci.yml")
    assert list(plain) == ["image-gate-scan", "image-gate"]
    assert [job["script"] for job in plain.values()] == [job["script"] for job in JOBS.values()]
    assert plain["image-gate-scan"]["artifacts"]["reports"] == SCAN["artifacts"]["reports"]
    assert plain["image-gate-scan"]["artifacts"]["paths"] == SCAN["artifacts"]["paths"]
