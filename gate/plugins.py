"""Find one constant per module in a package: how rules, sources, scanners and reporters are discovered."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import TypeVar

from gate.errors import InvalidInput

T = TypeVar("T")


def constants(package: ModuleType, name: str, kind: type[T]) -> Iterator[T]:
    """Yield the constant `name` of every module of `package`, in sorted order of the modules.

    Modules whose name starts with an underscore are not plug-ins. Raises `InvalidInput` for a module without the
    constant, or with one of another type than `kind`: a forgotten registration must not read as "no such rule".
    """
    for module_name in sorted(found.name for found in pkgutil.iter_modules(package.__path__)):
        if module_name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{module_name}")
        value = getattr(module, name, None)
        if not isinstance(value, kind):
            raise InvalidInput(
                f"{module.__name__} has no constant {name} of type {kind.__name__}",
                hint="every module of this package must offer exactly one",
            )
        yield value
