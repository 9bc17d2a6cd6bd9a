"""No program gives its caller more rights: neither by mode bits nor by file capabilities."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Annotated

from gate.oci.filesystem import Entry, Filesystem
from gate.oci.manifest import ImageConfig
from gate.options import Options, Text, describe
from gate.rule import Finding, Location, Remark, Rule, Severity
from gate.rules._programs import also_as, base_name, refuse_windows, words

SETUID, SETGID, GROUP_EXECUTE, EXECUTE = 0o4000, 0o2000, 0o010, 0o111

CAPABILITIES = words(
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service"
    " net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin"
    " sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override"
    " mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"
)
"""Capabilities by number (linux/capability.h), without `cap_`."""

_REVISIONS = {0x01000000: (12, 1), 0x02000000: (20, 2), 0x03000000: (24, 2)}
"""`vfs_cap_data` by revision: its size in bytes, and the number of pairs of 32-bit sets (permitted, inheritable)."""
_REVISION, _EFFECTIVE = 0xFF000000, 0x000001

CapabilityName = Annotated[
    str, describe("A capability, such as `cap_net_bind_service`.", pattern=r"^cap_[a-z0-9_]+$")
]


class NoSetuidOptions(Options):
    """Options of `no-setuid`."""

    allow_paths: Annotated[
        tuple[Text, ...], describe("Programs that may keep their rights, by path, `/usr/bin/su`.")
    ] = ()
    allow_capabilities: Annotated[
        tuple[CapabilityName, ...],
        describe(
            "File capabilities that any program may have; `cap_net_bind_service` only opens ports below 1024."
        ),
    ] = ()


def check(
    filesystem: Filesystem, config: ImageConfig, options: NoSetuidOptions
) -> Iterator[Finding | Remark]:
    """Yield one finding per program, and a remark for bits that have no effect."""
    refuse_windows(config)
    allowed_paths, allowed = frozenset(options.allow_paths), frozenset(options.allow_capabilities)
    for entry in filesystem.privileged():
        if allowed_paths.intersection((entry.path, *entry.links)):
            continue
        place, rights = Location.of(entry, filesystem), list(_bits(entry))
        capability = _file_capability(entry, allowed)
        if capability:
            rights.append(capability)
        name = base_name(entry.path)
        if rights:
            yield Finding(
                f"{name} has {' and '.join(rights)}{also_as(entry.links)}",
                place,
                details={"mode": f"{entry.mode:04o}", "owner": f"{entry.uid}:{entry.gid}", "rights": rights},
            )
        elif entry.mode & (SETUID | SETGID):
            yield Remark(
                f"{name} has mode {entry.mode:04o}, whose set-id bits have no effect on such a file", place
            )


def _bits(entry: Entry) -> Iterator[str]:
    """Yield the set-id bits that the kernel honours: not on scripts, not without an execute bit.

    Set-group-ID without the group's execute bit is the old mark of mandatory locking (`bprm_fill_uid` in Linux).
    """
    if entry.interpreter:
        return
    if entry.mode & SETUID and entry.mode & EXECUTE:
        yield f"set-user-ID {'root' if entry.uid == 0 else f'of user {entry.uid}'}"
    if entry.mode & SETGID and entry.mode & GROUP_EXECUTE:
        yield f"set-group-ID {'root' if entry.gid == 0 else f'of group {entry.gid}'}"


def _file_capability(entry: Entry, allowed: frozenset[str]) -> str:
    """Name the file capabilities that are not allowed; empty if there are none."""
    value = entry.xattrs.get("security.capability")
    if value is None:
        return ""
    sets = decode_capabilities(value)
    if sets is None:
        return "a security.capability attribute that cannot be read"
    permitted, inheritable, effective = sets
    names = [*permitted, *(name for name in inheritable if name not in permitted)]
    kept = [name for name in names if name not in allowed]
    if not kept:
        return ""
    flags = f"{'e' if effective else ''}{'i' if inheritable else ''}{'p' if permitted else ''}"
    return f"file capabilities {','.join(kept)}={flags}"


def decode_capabilities(value: bytes) -> tuple[tuple[str, ...], tuple[str, ...], bool] | None:
    """Decode `security.capability` (`struct vfs_cap_data`, revisions 1 to 3): permitted, inheritable, effective.

    Returns None for bytes that are none of these; the kernel refuses to run such a file.
    """
    if len(value) < 4:
        return None
    magic = struct.unpack_from("<I", value)[0]
    size, pairs = _REVISIONS.get(magic & _REVISION, (0, 0))
    if len(value) != size:
        return None
    words = struct.unpack_from(f"<{2 * pairs}I", value, 4)
    permitted = sum(words[2 * pair] << 32 * pair for pair in range(pairs))
    inheritable = sum(words[2 * pair + 1] << 32 * pair for pair in range(pairs))
    return _names(permitted), _names(inheritable), bool(magic & _EFFECTIVE)


def _names(bits: int) -> tuple[str, ...]:
    """Name the capabilities of a set; those newer than the table by number."""
    return tuple(
        f"cap_{CAPABILITIES[number]}" if number < len(CAPABILITIES) else f"cap_{number}"
        for number in range(bits.bit_length())
        if bits >> number & 1
    )


RULE = Rule(
    id="no-setuid",
    title="No program gives its caller other rights",
    rationale=(
        "A set-user-ID program or one with file capabilities turns a small mistake into root, whatever USER says. Hardly"
        " any service needs one, and base images bring a dozen."
    ),
    remediation=(
        "Remove the programs (su, mount, passwd, …) or their rights: RUN find / -xdev -perm /6000 -type f -exec chmod a-s"
        " {} + and setcap -r FILE. Run containers with no-new-privileges."
    ),
    severity=Severity.MEDIUM,
    check=check,
)
