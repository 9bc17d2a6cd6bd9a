"""No package manager in the image; a package database alone is a record, not a tool."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec.structs import replace

from gate.oci.filesystem import EntryType, Filesystem
from gate.oci.manifest import ImageConfig
from gate.options import Options, describe
from gate.rule import Finding, Location, Remark, Rule, Severity
from gate.rules._programs import Program, also_as, base_name, first_path, programs, refuse_windows

MANAGERS: dict[str, str] = {
    "apt": "apt apt-get apt-cache apt-cdrom apt-config apt-mark apt-key apt-ftparchive aptitude aptitude-curses synaptic",
    "dpkg": "dpkg dpkg-deb dpkg-query dpkg-split dpkg-divert dpkg-statoverride dpkg-trigger dselect",
    "apk": "apk apk.static",
    "yum": "yum yum-builddep yum-config-manager yumdownloader",
    "dnf": "dnf dnf-2 dnf-3 dnf4 dnf-4 dnf5 dnf5daemon-server dnfdaemon-server",
    "microdnf": "microdnf",
    "tdnf": "tdnf",
    "rpm": "rpm rpmdb rpmkeys rpm-ostree",
    "zypper": "zypper yast yast2",
    "pacman": "pacman pacman-key makepkg",
    "opkg": "opkg opkg-cl ipkg",
    "nix": "nix nix-env nix-store nix-build nix-shell nix-channel nix-daemon nix-instantiate",
    "guix": "guix guix-daemon",
    "brew": "brew",
    "portage": "emerge ebuild",
    "xbps": "xbps-install xbps-remove xbps-query",
    "snap": "snap",
    "flatpak": "flatpak",
}
"""System package managers and the programs that belong to each."""

LANGUAGE_MANAGERS: dict[str, str] = {
    "pip": " ".join(["pip pip2 pip3 pip.pyz pipx", *(f"pip3.{minor}" for minor in range(30))]),
    "uv": "uv uvx",
    "poetry": "poetry",
    "conda": "conda mamba micromamba",
    "easy_install": "easy_install easy_install3",
    "npm": "npm npx npm-cli.js npx-cli.js",
    "yarn": "yarn yarnpkg",
    "pnpm": "pnpm pnpx",
    "corepack": "corepack",
    "gem": " ".join(["gem", *(f"gem{major}.{minor}" for major in (2, 3) for minor in range(10))]),
    "bundler": "bundle bundler",
    "composer": "composer composer.phar",
    "cargo": "cargo",
    "cpan": "cpan cpanm",
    "luarocks": "luarocks",
    "maven": "mvn",
    "gradle": "gradle",
}
"""Package managers of languages, for the option `language`."""

PIP_MODULES = ("/pip/__main__.py", "/pip/__pip-runner__.py")
"""What `python -m pip` runs, with or without a program called pip."""

DATABASES = {
    "dpkg": ("/var/lib/dpkg/status", "/var/lib/dpkg/status.d"),
    "apk": ("/lib/apk/db/installed", "/usr/lib/apk/db/installed"),
    "rpm": (
        "/var/lib/rpm/rpmdb.sqlite", "/var/lib/rpm/Packages", "/var/lib/rpm/Packages.db",
        "/usr/lib/sysimage/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/Packages", "/usr/lib/sysimage/rpm/Packages.db",
    ),
    "pacman": ("/var/lib/pacman/local",),
    "opkg": ("/usr/lib/opkg/status", "/var/lib/opkg/status"),
    "nix": ("/nix/var/nix/db/db.sqlite",),
}  # fmt: skip
"""Where the records of each are."""


class NoPackageManagerOptions(Options):
    """Options of `no-package-manager`."""

    language: Annotated[
        bool, describe("Count package managers of languages (pip, npm, gem, cargo, composer, …) too.")
    ] = False


def check(
    filesystem: Filesystem, config: ImageConfig, options: NoPackageManagerOptions
) -> Iterator[Finding | Remark]:
    """Yield one finding per program of a package manager, and a remark where only its records are left."""
    refuse_windows(config)
    by_name = _by_name(MANAGERS)
    found: dict[str, tuple[str, Program]] = {}
    for program in programs(filesystem, by_name):
        found[program.entry.path] = (by_name[base_name(program.names[0])], program)
    for entry in filesystem.marked():
        path, manager = first_path(entry), next((mark for mark in entry.marks if mark in MANAGERS), None)
        if manager and path not in found:
            found[path] = (manager, Program(replace(entry, path=path), (entry.path, *entry.links)))
    for manager, program in found.values():
        yield _finding(manager, program, filesystem)
    yield from _records(filesystem, {manager for manager, _ in found.values()})
    if options.language:
        yield from _languages(filesystem)


def _by_name(managers: dict[str, str]) -> dict[str, str]:
    """Return the package manager of each program."""
    return {name: manager for manager, names in managers.items() for name in names.split()}


def _finding(manager: str, program: Program, filesystem: Filesystem) -> Finding:
    """Say which package manager a program is part of."""
    own = base_name(program.entry.path)
    renamed = (
        not any(own in _by_name(known) for known in (MANAGERS, LANGUAGE_MANAGERS))
        and manager in program.entry.marks
    )
    message = (
        f"package manager {manager} under another name, {own}"
        if renamed
        else f"package manager {manager}: program {own}"
    )
    return Finding(
        f"{message}{also_as(program.other_names)}",
        Location.of(program.entry, filesystem),
        details={"manager": manager, "names": list(program.names[:100])},
    )


def _records(filesystem: Filesystem, present: set[str]) -> Iterator[Remark]:
    """Yield a remark for each package database whose package manager is not there."""
    users = {"rpm": {"rpm", "dnf", "yum", "microdnf", "tdnf", "zypper"}, "dpkg": {"dpkg", "apt"}}
    for kind, paths in DATABASES.items():
        entry = next((entry for path in paths if (entry := filesystem.lookup(path)) is not None), None)
        if entry is not None and not present & users.get(kind, {kind}):
            yield Remark(
                f"package database of {kind} without its programs: a record that scanners need, no violation",
                Location.of(entry, filesystem),
            )


def _languages(filesystem: Filesystem) -> Iterator[Finding]:
    """Yield the package managers of languages, by program and, for pip, by module."""
    by_name = _by_name(LANGUAGE_MANAGERS)
    for program in programs(filesystem, by_name):
        yield _finding(by_name[base_name(program.names[0])], program, filesystem)
    for entry in filesystem.named([base_name(module) for module in PIP_MODULES]):
        if entry.type is EntryType.FILE and entry.path.endswith(PIP_MODULES[0]):
            yield Finding(
                "package manager pip as a Python module (python -m pip)",
                Location.of(entry, filesystem),
                details={"manager": "pip"},
            )


RULE = Rule(
    id="no-package-manager",
    title="The image has no package manager",
    rationale=(
        "A package manager lets an intruder install tools in a running container, and lets an image drift from what was"
        " scanned. Packages belong to the build."
    ),
    remediation=(
        "Install packages in a build stage and copy the result into a base without a package manager (distroless,"
        " a Wolfi image without apk-tools, UBI micro, scratch). Keep the package database: scanners read it."
    ),
    severity=Severity.MEDIUM,
    check=check,
    marks=True,
)
