"""Find a finding again from one build to the next, and from one report to another.

By rule, id, package without its version, and path, and by its message where it has no id; layers do not count, because
every build makes new ones. Nor does the path of a distribution's package, which is that of the database where one scanner
states it and nothing where another does not. A vulnerability is also found by another of its names, because scanners and
databases come to know the CVE of what they called otherwise before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from gate.identifiers import names_of, same
from gate.packages.formats import SYSTEM_TYPES
from gate.packages.purls import type_of
from gate.printable import redacted

Key = tuple[str, str, str, str, str]


def fingerprint(rule: str, id_: str, package: str | None, path: str | None, message: str) -> Key:
    """Return what recognises a finding."""
    own = _unversioned(package or "")
    place = "" if type_of(own) in SYSTEM_TYPES else path or ""
    return (rule, id_, own, place, "" if id_ else redacted(message))


class Findings:
    """Findings that others are looked for among: their keys, each with the aliases of its id."""

    def __init__(self, known: Mapping[Key, Sequence[str]]) -> None:
        self._names = {key: names_of(key[1], aliases) for key, aliases in known.items()}
        self._by_name: dict[Key, list[Key]] = {}
        for key, names in self._names.items():
            for name in names:
                self._by_name.setdefault(_called(key, name), []).append(key)

    def same_as(self, key: Key, aliases: object) -> list[Key]:
        """Return the key if it is there, else those of the same vulnerability by other names, in one order."""
        if key in self._names:
            return [key]
        names = names_of(key[1], aliases)
        near = {found for name in names for found in self._by_name.get(_called(key, name), ())}
        return sorted(found for found in near if same(names, self._names[found]))


def _called(key: Key, name: str) -> Key:
    """Return the key that a finding would have under another name."""
    rule, _, package, path, message = key
    return rule, name, package, path, message


@lru_cache(maxsize=4096)
def _unversioned(package: str) -> str:
    """Return a package URL without version, qualifiers and subpath; a text that is none as it is."""
    if not package:
        return ""
    from packageurl import PackageURL  # here, because few policies have a baseline

    try:
        purl = PackageURL.from_string(package)
    except ValueError:
        return package
    return PackageURL(purl.type, purl.namespace, purl.name).to_string()
