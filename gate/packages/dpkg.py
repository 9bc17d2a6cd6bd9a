"""dpkg's status file, distroless images' `status.d`, and opkg's status: stanzas of `Field: value`.

Sources: deb822(5), deb-control(5), dpkg's lib/dpkg/parse.c (which field names are equal, what ends a stanza) and
lib/dpkg/fields.c (Status); GoogleContainerTools/distroless, PACKAGE_METADATA.md (status.d).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gate.packages import DatabaseFile, Entries, Package

_WANTED = frozenset({b"package", b"status", b"architecture", b"source", b"version", b"installed-time"})
_FIELD_NAME = re.compile(rb"[!\"$-,.-9;-~][!-9;-~]*")  # printable, without a colon; no "#" or "-" in front
_FIELD_NAMES_LIMIT = 1_000  # different field names of one file; Debian's own are about 50, packages add a few
_PACKAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_SOURCE = re.compile(rb"[ \t]*([!-~]{1,256})(?:[ \t]+\(([!-~]{1,256})\))?[ \t]*")
_TIME = re.compile(rb"[0-9]{1,11}")
_STATUS = re.compile(rb"[!-~]+ [!-~]+ (?:(not-installed|config-files)|[a-z-]+)")
_STATES = frozenset(
    b"not-installed config-files half-installed unpacked half-configured triggers-awaited triggers-pending "
    b"installed post-inst-failed removal-failed".split()
)
_BESIDE_STANZAS = re.compile(
    r".*\.(?:conffiles|config|list|md5sums|postinst|postrm|preinst|prerm|shlibs|symbols|templates|triggers)"
)
"""Control files that stand in `status.d` next to the stanzas."""
_STANZA_START = re.compile(rb"^package[ \t]*:", re.IGNORECASE | re.MULTILINE)

_Stanza = dict[bytes, bytes]


def _stanzas(file: DatabaseFile) -> Iterator[tuple[int, _Stanza]]:
    """Yield the line number where each stanza ends, and its single-line fields by lower-case name.

    A line of white space only continues a field, as it does for dpkg. A reader that takes it for the end of a stanza
    gets another list only if a second `Package` follows, and that is refused here as a repeated field.
    """
    stanza: _Stanza = {}
    names: dict[bytes, bytes] = {}
    name = b""
    for number, line in file.lines():
        if not line:
            if stanza:
                yield number, stanza
                stanza = {}
            continue
        if line[0] in b" \t":
            if not stanza or name in _WANTED:
                raise file.malformed(f"line {number} continues a field that has one line")
            continue
        written, colon, value = line.partition(b":")
        if written not in names:
            if _FIELD_NAME.fullmatch(written) is None or len(names) >= _FIELD_NAMES_LIMIT:
                raise file.malformed(f"line {number} is no field: {line[:40]!a}")
            names[written] = written.lower()
        name = names[written]
        if not colon or name in stanza:
            raise file.malformed(f"line {number} is no field, or a repeated one: {line[:40]!a}")
        stanza[name] = value


def _is_installed(file: DatabaseFile, status: bytes) -> bool:
    """Say whether a Status leaves files installed: its third word decides, whatever is wanted (`deinstall ok installed`).

    A stanza without Status counts as installed: status.d has none, and leaving it out must not hide a package.
    """
    match = _STATUS.fullmatch(status)
    if match is None or status.rpartition(b" ")[2] not in _STATES:
        raise file.malformed(f"unknown Status {status[:60]!a}")
    return match[1] is None


def _package(file: DatabaseFile, package_type: str, stanza: _Stanza, installed: bool) -> Package:
    """Build a package from its stanza; what is not installed may lack a version."""

    def word(field: bytes) -> str:
        value = stanza.get(field, b"").strip(b" \t")
        return file.word(value, field.decode("ascii")) if value else ""

    name, version = word(b"package"), word(b"version")
    if _PACKAGE_NAME.fullmatch(name) is None:
        raise file.malformed(f"{name!a} is not a package name")
    if not version and installed:
        raise file.malformed(f"package {name} has no version")
    source_name, source_version = name, version
    if b"source" in stanza:
        match = _SOURCE.fullmatch(stanza[b"source"])
        if match is None:
            raise file.malformed(f"the source of {name} cannot be read: {stanza[b'source'][:60]!a}")
        source_name, source_version = match[1].decode("ascii"), (match[2] or b"").decode("ascii") or version
    time = stanza.get(b"installed-time", b"").strip(b" \t")
    installed_at = int(time) if _TIME.fullmatch(time) else None
    architecture = word(b"architecture")
    return Package(
        package_type, name, version, architecture, source_name, source_version, install_time=installed_at
    )


def _parse(file: DatabaseFile, package_type: str) -> Entries:
    packages: list[Package] = []
    inactive: list[Package] = []
    versions: dict[tuple[str, str], str] = {}
    states: dict[bytes, bool] = {b"": True}
    for number, stanza in _stanzas(file):
        if b"package" not in stanza:
            raise file.malformed(f"the stanza that ends in line {number} names no package")
        status = stanza.get(b"status", b"")
        if status not in states:
            states[status] = _is_installed(file, status.strip(b" \t"))
        package = _package(file, package_type, stanza, states[status])
        if not states[status]:
            inactive.append(package)
            continue
        version = versions.setdefault((package.name, package.architecture), package.version)
        if version != package.version:
            raise file.malformed(f"package {package.name} is listed as {version} and as {package.version}")
        packages.append(package)
        file.bounded(packages)
    return Entries(tuple(packages), tuple(inactive))


def parse_status(file: DatabaseFile) -> Entries:
    """Read dpkg's status file, a file of its journal, or a file of status.d."""
    return _parse(file, "deb")


def parse_status_d(file: DatabaseFile) -> Entries:
    """Read one file of status.d; checksums and scripts that stand beside the stanzas hold no packages."""
    if _BESIDE_STANZAS.fullmatch(file.path) is not None and _STANZA_START.search(file.content) is None:
        return Entries(())
    return parse_status(file)


def parse_opkg(file: DatabaseFile) -> Entries:
    """Read opkg's status file (OpenWrt, Yocto)."""
    return _parse(file, "opkg")
