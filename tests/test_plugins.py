from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from gate.errors import InvalidInput
from gate.plugins import constants

Package = Callable[[Mapping[str, str]], ModuleType]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Write a package of these modules, name to source, and import it."""

    def write(modules: Mapping[str, str]) -> ModuleType:
        folder = tmp_path / "some_plugins"
        folder.mkdir()
        for name, source in {"__init__": "", **modules}.items():
            (folder / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        for name in [name for name in sys.modules if name.startswith("some_plugins")]:
            monkeypatch.delitem(sys.modules, name)
        return import_module("some_plugins")

    return write


def test_one_constant_per_module_in_the_order_of_names(package: Package) -> None:
    found = constants(
        package({"b": "RULE = 'two'", "a_c": "RULE = 'one'", "c": "RULE = 'three'"}), "RULE", str
    )
    assert list(found) == ["one", "two", "three"]


def test_modules_with_an_underscore_are_no_plugins(package: Package) -> None:
    assert list(constants(package({"_shared": "raise RuntimeError", "a": "RULE = 1"}), "RULE", int)) == [1]


@pytest.mark.parametrize("source", ["", "rule = 'x'", "RULE = 1", "RULE = None", "RULE = str"])
def test_a_module_without_it_is_refused(package: Package, source: str) -> None:
    with pytest.raises(InvalidInput, match=r"some_plugins.b has no constant RULE of type str"):
        list(constants(package({"a": "RULE = 'x'", "b": source}), "RULE", str))


def test_an_empty_package_has_none(package: Package) -> None:
    assert list(constants(package({}), "RULE", str)) == []


def test_a_module_that_cannot_be_imported_is_no_missing_plugin(package: Package) -> None:
    with pytest.raises(ZeroDivisionError):
        list(constants(package({"a": "1 / 0"}), "RULE", str))
