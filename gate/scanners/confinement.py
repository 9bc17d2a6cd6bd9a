"""What a scanner is kept from, as far as the system allows it: more memory and time than it can need, privileges, the network.

Scanners read hostile bytes, and have been replaced by programs that steal. None of this is needed for a correct report, so a
part that the system does not allow is left out, and the report says which parts were in force.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess

from msgspec import Struct

from gate.limits import GIB, LIMITS

LIMITED = "limits"
UNPRIVILEGED = "no new privileges"
FEW_CAPABILITIES = "few capabilities"
NO_NETWORK = "no network"

_ADDRESS_SPACE = 16 * GIB
"""Bytes. Go reserves far more than it uses and both databases are mapped into memory, so this only stops a run-away."""
_OPEN_FILES = 4_096
"""Both scanners stay below a hundred; a loop that opens files must not take what the system has."""
_HELPERS = "/usr/bin:/bin:/usr/sbin:/sbin"
"""Where the system's own programs are: one that `PATH` offers must not stand between the gate and a scanner."""
_PROBE_SECONDS = 5.0
_CAPABILITIES = "-all,+chown,+dac_override,+dac_read_search,+fowner"
"""What is left to root: its way to files. With the others it could leave its network namespace, or look into processes."""


class Confinement(Struct, frozen=True):
    """What stands in front of a command line, and the parts that it puts in force."""

    prefix: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


@functools.lru_cache(maxsize=2)  # what the system allows does not change during a run
def confinement(*, network: bool) -> Confinement:
    """Return the strictest confinement that works here: each part is tried out on a program that does nothing."""
    found = Confinement()
    for part in (() if network else (_network(),)) + (_capabilities(), _privileges()):
        wider = Confinement((*found.prefix, *part.prefix), (*found.parts, *part.parts))
        if part.prefix and _works(wider.prefix):
            found = wider
    return found


def is_plain(program: str) -> bool:
    """Whether the system surely executes a program: a script that names its interpreter, or one for our own processor.

    What it does not execute, the helpers hand to a shell, which runs it line by line; such a program is started without them.
    """
    try:
        start, own = _start(program), _start("/proc/self/exe")
    except OSError:
        return False
    return start.startswith(b"#!") or (start[:6] == own[:6] and start[18:20] == own[18:20])


def _start(path: str) -> bytes:
    """Return the first bytes of a file: in an ELF file, what kind of processor it is for."""
    with open(path, "rb") as file:
        return file.read(20)


def limit(pid: int, seconds: float) -> tuple[str, ...]:
    """Bound what a running process and its children may take, for as long as it may run; return whether it did.

    From outside, and not in a function between fork and exec: that is not safe beside other threads, and layers are read
    in threads. Processor seconds count for all cores, so they only end what outlives its run.
    """
    import resource

    prlimit = getattr(resource, "prlimit", None)  # Linux
    if prlimit is None:
        return ()
    bounds = {
        resource.RLIMIT_AS: _ADDRESS_SPACE,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: int(max(1.0, seconds) + 1) * (os.cpu_count() or 1),
        resource.RLIMIT_FSIZE: LIMITS.layer_expanded,  # Grype keeps expanded layers in its temporary folder
        resource.RLIMIT_NOFILE: _OPEN_FILES,
    }
    with contextlib.suppress(OSError, ValueError):  # it has ended already
        for kind, bound in bounds.items():
            _, hard = prlimit(pid, kind)
            most = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
            prlimit(pid, kind, (most, most))
        return (LIMITED,)
    return ()


def _network() -> Confinement:
    """Return how to run without a network: root in a namespace of its own, others in one of users as well.

    Root is not put into one of users: there it could not read what belongs to others, such as a database.
    """
    helper = _helper("unshare")
    users = () if os.geteuid() == 0 else ("--user", "--map-current-user")
    return Confinement((helper, *users, "--net", "--"), (NO_NETWORK,)) if helper else Confinement()


def _capabilities() -> Confinement:
    """Return how to run with few of root's capabilities."""
    helper = _helper("setpriv") if os.geteuid() == 0 else ""
    return (
        Confinement(
            (helper, "--bounding-set", _CAPABILITIES, "--inh-caps", "-all", "--"), (FEW_CAPABILITIES,)
        )
        if helper
        else Confinement()
    )


def _privileges() -> Confinement:
    """Return how to run so that no program, whatever its mode, gives privileges."""
    helper = _helper("setpriv")
    return Confinement((helper, "--no-new-privs", "--"), (UNPRIVILEGED,)) if helper else Confinement()


def _helper(name: str) -> str:
    """Return the path of a program of the system, empty where it is not there."""
    return shutil.which(name, path=_HELPERS) or ""


def _works(prefix: tuple[str, ...]) -> bool:
    """Whether a command line that begins so runs a program."""
    nothing = _helper("true")
    if not nothing:
        return False
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        finished = subprocess.run(
            (*prefix, nothing), env={}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=_PROBE_SECONDS, check=False,
        )  # fmt: skip
        return finished.returncode == 0
    return False
