"""What is left of the CIS Docker image checks (section 4) that a finished image can answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from gate.oci.filesystem import EntryType, Filesystem
from gate.oci.manifest import ImageConfig
from gate.options import Options, describe
from gate.rule import Finding, Location, Rule, Severity
from gate.rules._programs import base_name, programs, refuse_windows, words

Lint = Literal[
    "add-url", "search-path", "volumes", "on-build", "remote-shell", "sudo", "world-writable", "update-alone"
]

ALL: tuple[Lint, ...] = (
    "add-url", "search-path", "volumes", "on-build", "remote-shell", "sudo", "world-writable", "update-alone",
)  # fmt: skip

SYSTEM_DIRECTORIES = frozenset(
    words(
        "/ /bin /boot /dev /etc /lib /lib64 /proc /root /run /sbin /sys /usr /usr/bin /usr/lib /usr/local /usr/sbin"
    )
)
"""A volume here hides the image's own files, or holds what the engine mounts."""

REMOTE_SHELLS = frozenset(words("sshd dropbear telnetd in.telnetd rlogind rshd"))
SUDO = frozenset(words("sudo doas su-exec pkexec"))

_ADD_URL = re.compile(
    r"\A(?:/bin/sh -c #\(nop\) +)?ADD (?:--\S+ +)*(?:[^\n]{0,4000}? )?((?:https?|ftp)://[^\s\]]{1,2000})"
)
_UPDATE = re.compile(
    r"(?:apt-get|apt|apk|dnf|yum|microdnf|zypper)(?: +-[^\s]+)* +(?:update|makecache|refresh)\b"
)
_INSTALL = re.compile(r"\b(?:install|add|upgrade|dist-upgrade|full-upgrade|download|build-dep|in)\b")
_SHOWN = 120
"""Characters of a build step that a message shows."""


class ConfigLintOptions(Options):
    """Options of `config-lint`."""

    checks: Annotated[
        tuple[Lint, ...],
        describe(
            "Which checks to make: ADD of an address (CIS 4.9), relative or world-writable directories in PATH, volumes"
            " over system directories, ONBUILD triggers left behind, ssh and telnet servers, sudo, world-writable"
            " programs, and package lists updated in a step of their own (CIS 4.7).",
            min_length=1,
        ),
    ] = ALL


def check(filesystem: Filesystem, config: ImageConfig, options: ConfigLintOptions) -> Iterator[Finding]:
    """Yield what each selected check finds."""
    refuse_windows(config)
    checks = {
        "add-url": lambda: _add_url(config),
        "search-path": lambda: _search_path(filesystem, config),
        "volumes": lambda: _volumes(config),
        "on-build": lambda: _on_build(config),
        "remote-shell": lambda: _programs(filesystem, REMOTE_SHELLS, "remote-shell", "remote login server"),
        "sudo": lambda: _programs(filesystem, SUDO, "sudo", "program for changing the user"),
        "world-writable": lambda: _world_writable(filesystem),
        "update-alone": lambda: _update_alone(config),
    }
    for name in ALL:
        if name in options.checks:
            yield from checks[name]()


def _add_url(config: ImageConfig) -> Iterator[Finding]:
    """ADD of an address: what it brought was not verified unless a checksum was given."""
    for number, step in enumerate(config.history):
        match = _ADD_URL.match(step.created_by)
        if match and "--checksum=" not in step.created_by:
            yield Finding(f"build step {number} adds {match[1][:_SHOWN]} without a checksum", id="add-url")


def _search_path(filesystem: Filesystem, config: ImageConfig) -> Iterator[Finding]:
    """Directories in PATH from which somebody else's program may be run."""
    for variable in config.env:
        name, _, value = variable.partition("=")
        if name != "PATH":
            continue
        for directory in dict.fromkeys(value.split(":")):
            if not directory.startswith("/"):
                yield Finding(
                    f"PATH holds {directory[:_SHOWN]!r}, which depends on the working directory",
                    id="search-path",
                )
                continue
            entry = filesystem.lookup(directory)
            if entry is not None and entry.type is EntryType.DIRECTORY and entry.mode & 0o002:
                yield Finding(
                    f"PATH holds {directory[:_SHOWN]}, which everybody may write to",
                    Location.of(entry, filesystem),
                    id="search-path",
                )


def _volumes(config: ImageConfig) -> Iterator[Finding]:
    """Volumes over directories of the system."""
    for volume in config.volumes:
        if (volume.rstrip("/") or "/") in SYSTEM_DIRECTORIES:
            yield Finding(f"volume {volume[:_SHOWN]} hides files of the system", id="volumes")


def _on_build(config: ImageConfig) -> Iterator[Finding]:
    """ONBUILD triggers: the image is a template, not the result."""
    runtime = config.raw.get("config")
    triggers = runtime.get("OnBuild") if isinstance(runtime, dict) else None
    if isinstance(triggers, list) and triggers:
        yield Finding(
            f"{len(triggers)} ONBUILD triggers are left, so this is a template to build from", id="on-build"
        )


def _programs(filesystem: Filesystem, names: frozenset[str], id_: str, what: str) -> Iterator[Finding]:
    """Programs that give rights or let somebody in."""
    for program in programs(filesystem, names):
        yield Finding(f"{what} {base_name(program.names[0])}", Location.of(program.entry, filesystem), id=id_)


def _world_writable(filesystem: Filesystem) -> Iterator[Finding]:
    """Programs that everybody may replace."""
    for entry in filesystem.executables():
        if entry.mode & 0o002:
            yield Finding(
                f"program {base_name(entry.path)} may be changed by everybody (mode {entry.mode:04o})",
                Location.of(entry, filesystem),
                id="world-writable",
            )


def _update_alone(config: ImageConfig) -> Iterator[Finding]:
    """Package lists updated in a step of their own: the cached step goes stale, and later installs with it."""
    for number, step in enumerate(config.history):
        if _UPDATE.search(step.created_by) and not _INSTALL.search(step.created_by):
            yield Finding(
                f"build step {number} updates package lists and installs nothing: {step.created_by[:_SHOWN]}",
                id="update-alone",
            )


RULE = Rule(
    id="config-lint",
    title="The image's configuration follows good practice",
    rationale="Small habits that CIS Docker Benchmark section 4 asks for, as far as a finished image shows them.",
    remediation="Change the line of the Dockerfile that the finding names.",
    severity=Severity.LOW,
    check=check,
)
