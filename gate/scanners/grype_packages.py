"""The packages that Grype lists, and what it listed for an image before: from that it looks for vulnerabilities without layers.

It lists them in CycloneDX, which it also reads. Some of what it matches by is not in there, so a list is used only where
that cannot matter, and the image is read again elsewhere:

- Which files belong to which package of the system. Grype drops what it finds in such a file a second time, such as the
  Python package inside python3-jinja2. So beside packages of the system, others have to be where those never are.
- The functions of Go programs, the manifests of jars, the release of a Java runtime, and whether an RPM is of no module.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from gate.cache.scans import ScanStore
from gate.limits import LIMITS
from gate.packages.formats import SYSTEM_TYPES
from gate.scanners import Basis, ScanTarget, report

_WHOLE = frozenset({"apk", "binary", "deb", "gem", "npm", "python"})
"""Types (in Grype's words) of which the list says all that Grype 0.121 matches by; `binary` are programs known by name."""
_NEVER_PACKAGED = ("/app/", "/home/", "/root/", "/srv/", "/usr/local/", "/usr/src/app/")
"""Where no distribution installs files (Debian policy, 9.1.2). Those of others do not have its advisories."""

Place = tuple[str, str]
"""Path and layer."""


class _Property(report.Part, frozen=True):
    name: str
    value: str = ""


class Component(report.Part, frozen=True):
    """What CycloneDX calls a component; packages are those that have a `kind`."""

    type: str
    name: str
    version: str = ""
    purl: str = ""
    properties: list[_Property] | None = None

    def stated(self, name: str) -> str:
        """Return the value of a property, empty where there is none."""
        return next((found.value for found in self.properties or () if found.name == name), "")

    @property
    def kind(self) -> str:
        """The type of package in Grype's words; empty for files and the operating system."""
        return self.stated("syft:package:type")

    @property
    def key(self) -> tuple[str, str, str]:
        """What a finding names it by."""
        return self.name, self.version, self.purl

    @property
    def place(self) -> Place:
        """Where it was found first."""
        return self.stated("syft:location:0:path"), self.stated("syft:location:0:layerID")

    @property
    def is_apart(self) -> bool:
        """Whether it lies where no distribution installs files."""
        paths = [
            found.value
            for found in self.properties or ()
            if found.name.startswith("syft:location:") and found.name.endswith(":path")
        ]
        return bool(paths) and all(path.startswith(_NEVER_PACKAGED) for path in paths)


class Packages(report.Part, frozen=True, rename="camel"):
    """The document."""

    bom_format: str
    components: list[Component] | None = None

    @property
    def listed(self) -> list[Component]:
        """The packages."""
        return [component for component in self.components or () if component.kind]

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        """The packages as findings name them, in order."""
        return sorted(component.key for component in self.listed)

    @property
    def is_whole(self) -> bool:
        """Whether Grype finds from the list what it finds in the image."""
        system = any(component.kind in SYSTEM_TYPES for component in self.listed)
        return len(set(self.keys)) == len(self.keys) and all(
            component.kind in _WHOLE and (not system or component.kind in SYSTEM_TYPES or component.is_apart)
            for component in self.listed
        )


class _Grounds(Struct, frozen=True):
    """All that the list depends on; the database is not among it."""

    manifest_digest: str
    config_digest: str
    basis: Basis


class _List(Struct, frozen=True):
    """The document as Grype wrote it."""

    content: bytes


class KnownPackages:
    """The packages of one image as Grype lists them on one basis; without a memory, none are known."""

    def __init__(self, memory: ScanStore | None, target: ScanTarget, basis: Basis) -> None:
        self._memory = memory
        self._grounds = _Grounds(target.manifest_digest, target.config_digest, basis)

    def give(self, path: Path) -> Packages | None:
        """Write the list to where Grype is to read it, and return it; None where the image has to be read."""
        known = self._memory.get(self._grounds, _List) if self._memory is not None else None
        if known is None:
            return None
        path.write_bytes(known.content)
        return report.decode(known.content, Packages, "package list of Grype")

    def keep(self, path: Path, packages: Packages) -> None:
        """Keep the list that Grype wrote in a scan of the image that was accepted, if it serves in the place of one."""
        if self._memory is not None and packages.is_whole and path.stat().st_size <= LIMITS.cached_scan:
            self._memory.put(self._grounds, _List(path.read_bytes()))
