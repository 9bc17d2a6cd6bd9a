"""Find one constant per module in a package: how rules, sources, scanners and reporters are discovered."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import TypeVar

from gate.errors import InvalidInput

T = TypeVar("T")


def module_names(path: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the plug-ins in a package, given its `__path__`, sorted and without importing any of them.

    Modules whose name starts with an underscore are no plug-ins. The folder is read as it is, because importing
    `pkgutil` alone takes longer, at every start.
    """
    files = (file for folder in path for file in os.listdir(folder))
    return tuple(
        sorted(file.removesuffix(".py") for file in files if file.endswith(".py") and file[0] != "_")
    )


def constants(package: ModuleType, name: str, kind: type[T]) -> Iterator[T]:
    """Yield the constant `name` of every module of `package`, in sorted order of the modules.

    Raises `InvalidInput` for a module without the constant, or with one of another type than `kind`: a forgotten
    registration must not read as "no such rule".
    """
    for module_name in module_names(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{module_name}")
        value = getattr(module, name, None)
        if not isinstance(value, kind):
            raise InvalidInput(
                f"{module.__name__} has no constant {name} of type {kind.__name__}",
                hint="every module of this package must offer exactly one",
            )
        yield value
