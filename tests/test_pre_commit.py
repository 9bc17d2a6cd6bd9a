"""The hooks that other repositories may use: each starts a command that exists, on the files that it is for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gate.cli.exits import Exit, run

HOOKS = {
    hook["id"]: hook
    for hook in YAML(typ="safe").load(
        (Path(__file__).parent.parent / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    )
}
FILES = {
    "image-gate-policy": (".image-gate.yaml", "deploy/.image-gate.yml"),
    "image-gate-dockerfile": (
        "Dockerfile", "api/Dockerfile", "Dockerfile.dev", "api.Dockerfile", "Containerfile",
    ),
}  # fmt: skip
OTHERS = ("README.md", "image-gate.yaml", "docs/Dockerfiles.md", "MyDockerfile", ".image-gate.yaml.bak")


@pytest.mark.parametrize("name", HOOKS)
def test_it_is_for_its_files_alone(name: str) -> None:
    pattern = re.compile(HOOKS[name]["files"])
    assert [file for file in (*FILES[name], *OTHERS) if pattern.search(file)] == list(FILES[name])


@pytest.mark.parametrize("name", HOOKS)
def test_it_says_no_to_what_is_wrong(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, *arguments = HOOKS[name]["entry"].split()
    assert program == "image-gate"
    monkeypatch.chdir(tmp_path)
    Path(".image-gate.yaml").write_text("schema: 1\nrules: {pinned-tag: {}}\n", encoding="utf-8")
    Path("Dockerfile").write_text("FROM debian:12\n", encoding="utf-8")
    file = next(file for file in FILES[name] if Path(file).exists())
    assert run([*arguments, file]) is Exit.PASS
    Path(file).write_text("FROM debian\n", encoding="utf-8")
    assert run([*arguments, file]) is not Exit.PASS


def test_the_guide_names_all_of_them() -> None:
    guide = (Path(__file__).parent.parent / "docs" / "ci-others.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(# \.pre-commit-config\.yaml\n.*?)```", guide, re.DOTALL)
    (repository,) = YAML(typ="safe").load(example)["repos"]
    assert [hook["id"] for hook in repository["hooks"]] == list(HOOKS)
