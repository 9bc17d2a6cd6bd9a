"""The tables in the READMEs of the actions and of the GitLab component, from the files that say their inputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent


def read_action(name: str) -> Mapping[str, Any]:
    """Return actions/NAME/action.yml."""
    found: Mapping[str, Any] = YAML(typ="safe").load(ROOT / "actions" / name / "action.yml")
    return found


def read_component() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the inputs and the jobs of gitlab/templates/check.yml, which is two documents in one file."""
    head, jobs = YAML(typ="safe").load_all(ROOT / "gitlab" / "templates" / "check.yml")
    return head["spec"]["inputs"], jobs


def action_readme(name: str) -> Callable[[], str]:
    """Return what makes actions/NAME/README.md."""

    def text() -> str:
        action = read_action(name)
        inputs = _table(("input", "default", "meaning"), (_input(*item) for item in action["inputs"].items()))
        outputs = _table(
            ("output", "meaning"),
            ([f"`{key}`", value["description"]] for key, value in action["outputs"].items()),
        )
        return _renewed(f"actions/{name}/README.md", {"inputs": inputs, "outputs": outputs})

    return text


def component_readme() -> str:
    """Return gitlab/README.md."""
    inputs, _ = read_component()
    return _renewed(
        "gitlab/README.md",
        {"inputs": _table(("input", "default", "meaning"), (_input(*item) for item in inputs.items()))},
    )


def _input(name: str, given: Mapping[str, Any]) -> list[str]:
    """Return the row of one input."""
    default = str(given.get("default", ""))
    allowed = f" One of {', '.join(given['options'])}." if "options" in given else ""
    required = " Must be given." if "default" not in given and name == "gate-image" else ""
    return [f"`{name}`", f"`{default}`" if default else "–", f"{given['description']}{allowed}{required}"]


def _table(head: tuple[str, ...], rows: Any) -> str:
    """Return a table in Markdown."""
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _renewed(path: str, tables: Mapping[str, str]) -> str:
    """Return a file with the tables between its comments renewed."""
    text = (ROOT / path).read_text(encoding="utf-8")
    for name, table in tables.items():
        begin, end = f"<!-- {name}: generated -->\n", "\n<!-- end -->"
        found = re.findall(f"{begin}.*?{end}", text, flags=re.DOTALL)
        if len(found) != 1:
            raise ValueError(f"{path} needs its table of {name} between the two comments, once")
        text = text.replace(found[0], f"{begin}{table}{end}")
    return text
