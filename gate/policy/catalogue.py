"""The rules there are, by id, each imported when it is first asked for.

A rule's id is the name of its module with hyphens (`no-shell` is `no_shell.py`), so that a policy with three rules
imports three modules.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping

from gate import rules
from gate.errors import InvalidInput
from gate.plugins import module_names
from gate.rule import Rule


class Catalogue(Mapping[str, Rule]):
    """The built-in rules; iteration gives their ids, sorted, and imports nothing."""

    def __init__(self) -> None:
        self._ids = tuple(sorted(name.replace("_", "-") for name in module_names(rules.__path__)))

    def __getitem__(self, identifier: str) -> Rule:
        if identifier not in self._ids:
            raise KeyError(identifier)
        module = importlib.import_module(f"{rules.__name__}.{identifier.replace('-', '_')}")
        rule = getattr(module, "RULE", None)
        if not isinstance(rule, Rule) or rule.id != identifier:
            raise InvalidInput(
                f"{module.__name__} has no constant RULE with the id {identifier!r}",
                hint="this is a fault of image-gate",
            )
        return rule

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._ids
