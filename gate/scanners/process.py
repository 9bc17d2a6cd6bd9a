"""Run a scanner once, bounded in time, output and memory, in folders and an environment of its own.

What surrounds the gate must not reach a scanner: configuration and ignore files in the working directory, in the home
directory and in the environment have silenced scanners before, and a scanner that was tampered with looks for
credentials there. What a scanner leaves behind (processes, temporary files) is removed whatever happens.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.scanners.confinement import Confinement, confinement, is_plain, limit

if TYPE_CHECKING:
    from gate.scanners import ScannerSettings

_NETWORK_VARIABLES = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""What a download needs to know of the machine it runs on; nothing else of the environment is passed on."""
_CLOSED_PROXY = "http://127.0.0.1:1"
"""Port 1 answers nobody: a scan that asks the network although it was told not to gets nowhere."""
_POLL = 0.05
"""Seconds between two looks at a running scanner: what can be written in that time passes the output limit unseen."""
_SHOWN_LINES = 4
_SHOWN_CHARACTERS = 600
_NOT_EXECUTED = frozenset({126, 127})
_NOT_STARTED = re.compile(r"(?:unshare|setpriv): (failed to execute [^\n]{1,300})")
"""What the programs that confine say where the system does not execute a scanner."""
_PANIC = re.compile(r"^(?:panic: |fatal error: |goroutine \d+ \[)", re.MULTILINE)


class Sandbox(Struct, frozen=True):
    """The private folders of one run below `root`: an empty working directory, a home, room for temporary files."""

    root: Path

    @property
    def cwd(self) -> Path:
        """The empty working directory."""
        return self.root / "cwd"

    @property
    def log(self) -> Path:
        """Where standard error goes."""
        return self.root / "log"

    def path(self, name: str) -> Path:
        """Return the path of a file of this run."""
        return self.root / name

    def environment(self, *, network: bool) -> dict[str, str]:
        """Return the whole environment of a run: its own folders, and only for a download the way to the network."""
        home, temporary = str(self.root / "home"), str(self.root / "tmp")
        own = {"HOME": home, "TMPDIR": temporary, "LC_ALL": "C", "NO_COLOR": "1"}
        own |= {f"XDG_{kind}_HOME": f"{home}/{kind.lower()}" for kind in ("CACHE", "CONFIG", "DATA", "STATE")}
        if network:
            return own | {name: os.environ[name] for name in _NETWORK_VARIABLES if name in os.environ}
        return own | {"HTTP_PROXY": _CLOSED_PROXY, "HTTPS_PROXY": _CLOSED_PROXY}


@contextlib.contextmanager
def sandbox(work_dir: Path, name: str) -> Iterator[Sandbox]:
    """Make the folders of one run and remove them at its end; raises `Unavailable` where that cannot be done."""
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
        root = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=work_dir)).resolve()
        for folder in ("cwd", "home", "tmp"):
            (root / folder).mkdir()
    except OSError as error:
        raise Unavailable(
            f"no folder for {name} to work in: {error}", hint="choose another one with --cache-dir"
        ) from None
    try:
        yield Sandbox(root)
    finally:
        _remove(root)


def _remove(root: Path) -> None:
    """Remove a folder, also where a scanner took away the right to write below it."""
    shutil.rmtree(root, ignore_errors=True)
    if root.exists():
        with contextlib.suppress(OSError):
            root.chmod(0o700)
        for folder, below, _ in os.walk(root):
            for name in below:  # before they are walked; links lead to databases
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    with contextlib.suppress(OSError):
                        os.chmod(path, 0o700)
        shutil.rmtree(root, ignore_errors=True)


class Command(Struct, frozen=True):
    """One program to run: `argv[0]` is an absolute path, `outputs` are the files it is told to write.

    `network` says whether it may have a network.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    outputs: Sequence[Path] = ()
    network: bool = True


class Bounds(Struct, frozen=True):
    """How long a program may run: until `deadline` (of `time.monotonic()`), or until `cancelled` is set."""

    deadline: float
    cancelled: threading.Event

    @classmethod
    def of(cls, settings: ScannerSettings, deadline: float) -> Bounds:
        """Return the bounds of what starts now, for a run that ends at `deadline`."""
        return cls(min(deadline, time.monotonic() + settings.timeout), settings.cancelled)


class Finished(Struct, frozen=True):
    """A program that ended by itself with exit code 0: its standard error, the seconds it took, and what it was kept from."""

    log: str
    seconds: float
    confinement: tuple[str, ...] = ()


def run(command: Command, place: Sandbox, bounds: Bounds) -> Finished:
    """Run a program in its sandbox and return when it has ended with exit code 0.

    Raises `Unavailable` if it cannot be started, passes a bound, is cancelled, ends in any other way, or reports a crash
    although it ends with 0. Afterwards no process of its group is left.
    """
    began = time.monotonic()
    confined = confinement(network=command.network) if is_plain(command.argv[0]) else Confinement()
    with place.log.open("wb") as log, place.path("stdout").open("wb") as stdout:
        try:
            process = subprocess.Popen(
                (*confined.prefix, *command.argv),
                cwd=place.cwd,
                env=dict(command.environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise _not_started(command, str(error)) from None
        try:
            limits = limit(process.pid, bounds.deadline - began)
            _wait(process, command, place, bounds)
        finally:
            _end(process)
    text = _tail(place.log)
    if confined.prefix and process.returncode in _NOT_EXECUTED and (said := _NOT_STARTED.match(text)):
        raise _not_started(command, said[1])
    if process.returncode != 0 or _PANIC.search(text):
        raise Unavailable(
            f"{command.name} {_how(process.returncode)}{_quoted(text)}", hint=_hint(process.returncode)
        )
    return Finished(text, time.monotonic() - began, (*limits, *confined.parts))


def _not_started(command: Command, reason: str) -> Unavailable:
    """Return the error for a program that the system does not execute."""
    return Unavailable(
        f"{command.name} cannot be started: {reason}",
        hint=f"check that {command.argv[0]} is a program for this machine that you may execute",
    )


def _wait(process: subprocess.Popen[bytes], command: Command, place: Sandbox, bounds: Bounds) -> None:
    """Wait for the end; raises `Unavailable` for whatever must not go on."""
    while True:
        left = bounds.deadline - time.monotonic()
        ended = _has_ended(process, max(0.0, min(_POLL, left)))
        written = sum(_size(path) for path in (place.path("stdout"), *command.outputs))
        if written > LIMITS.scanner_output or _size(place.log) > LIMITS.scanner_log:
            raise Unavailable(
                f"{command.name} writes more than {LIMITS.scanner_output:,} bytes of report or {LIMITS.scanner_log:,} of log",
                hint="no honest report is that large; run it by hand to see what it writes",
            )
        if ended:
            return
        if bounds.cancelled.is_set():
            raise Unavailable(f"{command.name} was ended because the run was cancelled")
        if left <= 0:
            raise Unavailable(
                f"{command.name} did not end in time and was stopped",
                hint="allow more with --scanner-timeout or --timeout; a locked database makes a scanner wait for ever",
            )


def _has_ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the end of a program, but no longer; whether it came.

    `wait` of Python sleeps and looks again, so it learns of the end late; Linux since 5.3 tells at once.
    """
    if sys.platform == "linux" and process.poll() is None:
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(process.pid)
            try:
                told = select.poll()
                told.register(descriptor, select.POLLIN)
                told.poll(seconds * 1000)
            finally:
                os.close(descriptor)
            return process.poll() is not None
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.returncode is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the program's process group, which outlives it where it started others."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _size(path: Path) -> int:
    """Return the size of a file, 0 where there is none yet."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _tail(path: Path) -> str:
    """Return what a program wrote to standard error; undecodable bytes are replaced."""
    return path.read_bytes().decode("utf-8", "replace")


def _how(returncode: int) -> str:
    """Say how a program ended."""
    if returncode == 0:
        return "reports a crash of its own"
    if returncode > 0:
        return f"failed with exit code {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"


def _hint(returncode: int) -> str:
    """Say what to do about an unexpected end."""
    if returncode in (-signal.SIGKILL, 137):
        return "the system usually ends a program so when memory runs out; give the job more"
    return "what it says usually names the cause; run it by hand with the same database to see more"


def _quoted(text: str) -> str:
    """Return the last lines that a program wrote, shortened, after a colon."""
    lines = [line.strip() for line in text.splitlines() if line.strip()][-_SHOWN_LINES:]
    shown = " / ".join(lines)
    return f": {shown[-_SHOWN_CHARACTERS:]}" if shown else ""
