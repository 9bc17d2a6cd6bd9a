"""The locks hold what pyproject.toml asks for, each file by hash, and name no place to get it from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WANTED: dict[str, list[str]] = {"runtime": PROJECT["project"]["dependencies"], **PROJECT["dependency-groups"]}
HASH = re.compile(r" --hash=sha256:[0-9a-f]{64}\b")


def locked(name: str) -> dict[str, Requirement]:
    """Read a lock: name to pinned requirement; each must carry a hash."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ").splitlines()
    entries = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert entries
    assert [entry for entry in entries if not HASH.search(entry)] == []
    requirements = [Requirement(HASH.sub("", entry).strip()) for entry in entries]
    assert [str(found) for found in requirements if not str(found.specifier).startswith("==")] == []
    return {canonicalize_name(found.name): found for found in requirements}


def test_every_lock_belongs_to_a_group() -> None:
    assert {path.stem for path in (ROOT / "requirements").iterdir()} == set(WANTED)


@pytest.mark.parametrize("name", WANTED)
def test_a_lock_holds_what_is_asked_for(name: str) -> None:
    pins = locked(name)
    for wanted in map(Requirement, WANTED[name]):
        pin = pins[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(str(pin.specifier).removeprefix("==")), wanted


@pytest.mark.parametrize("name", WANTED)
def test_a_lock_names_no_place(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_what_is_shared_is_locked_once() -> None:
    runtime = locked("runtime")
    for name in set(WANTED) - {"runtime"}:
        shared = {key: pin for key, pin in locked(name).items() if key in runtime}
        assert {key: pin.specifier for key, pin in shared.items()} == {
            key: runtime[key].specifier for key in shared
        }
