"""Where reports go: standard output, and files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from os import PathLike
from typing import TYPE_CHECKING

import msgspec

from gate.cli.exits import Exit
from gate.errors import InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.reporters import RenderOptions, formats, reporter
from gate.verdict import Report, Status

if TYPE_CHECKING:
    from gate.reporters._dockerfile import Dockerfile

EXITS = {Status.PASS: Exit.PASS, Status.FAIL: Exit.FAIL, Status.UNKNOWN: Exit.NO_VERDICT}
WIDTH = 120
"""Columns where there is no terminal: build logs fold nothing, and wider tables are hard to read."""


class Output(msgspec.Struct, frozen=True):
    """One report file: its format and where it goes."""

    format: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Output:
        """Read `FORMAT=PATH`; raises `InvalidInput`."""
        name, equals, path = text.partition("=")
        if not equals or not path or name not in formats():
            raise InvalidInput(
                f"--output {text!r} is not FORMAT=PATH",
                hint=f"formats: {', '.join(formats())}; such as json=report.json",
            )
        return cls(name, path)


def prepare(outputs: Sequence[Output]) -> None:
    """Check before any work that every file can be written, and remove what an earlier run left there.

    An older report must not survive a run that dies: its reader would take the old verdict for the new one. Raises
    `InvalidInput`.
    """
    places = [os.path.realpath(output.path) for output in outputs]
    for place, output in zip(places, outputs, strict=True):
        if places.count(place) > 1 and _replaceable(place):
            raise InvalidInput(f"two outputs go to {output.path}", hint="give each report a file of its own")
        folder = os.path.dirname(place)
        if not os.path.isdir(folder):
            raise InvalidInput(f"--output {output.path}: there is no folder {folder}", hint="make it first")
        if os.path.isdir(place):
            raise InvalidInput(f"--output {output.path} is a folder", hint="name a file in it")
        if not os.access(folder if _replaceable(place) else place, os.W_OK):
            raise InvalidInput(f"--output {output.path} cannot be written", hint="you may not write there")
    for place in places:
        if os.path.exists(place) and _replaceable(place):
            try:
                os.unlink(place)
            except OSError as error:
                raise InvalidInput(f"--output {place} cannot be replaced: {error.strerror}") from None


def write_files(report: Report, outputs: Iterable[Output], options: RenderOptions) -> None:
    """Write every file, in full and without colours; raises the first `Unavailable` after all were tried."""
    failed: Unavailable | None = None
    options = msgspec.structs.replace(options, width=WIDTH, color=False, quiet=False)
    for output in outputs:
        try:
            _write(
                os.path.realpath(output.path), reporter(output.format).render(report, options).encode("utf-8")
            )
        except OSError as error:
            failed = failed or Unavailable(
                f"the {output.format} report could not be written to {output.path}: {error.strerror}",
                hint="without it there is no verdict; make room or choose another place",
            )
    if failed:
        raise failed


def write_file(path: str | PathLike[str], text: str) -> None:
    """Write a file that appears whole or not at all; raises `InvalidInput` where it cannot be written."""
    try:
        _write(os.path.realpath(path), text.encode("utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from None


def write_stdout(text: str) -> None:
    """Write to standard output, now; what its encoding lacks is escaped. Raises `Unavailable`, or `BrokenPipeError`."""
    if sys.stdout is None:
        raise Unavailable("standard output is closed, so the verdict has nowhere to go")
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unavailable(f"the report could not be written to standard output: {error.strerror}") from None


def render_options(*, verbose: bool, quiet: bool, dockerfile: str | None = None) -> RenderOptions:
    """Return how standard output wants its text: the terminal's width and colours, unless the environment says otherwise.

    `dockerfile` is the path of the one that problems are shown at; raises `InvalidInput` where it cannot be read, or where
    more and less is asked for at once.
    """
    if quiet and verbose:
        raise InvalidInput("--quiet and --verbose contradict each other", hint="choose one")
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return RenderOptions(
        _width(terminal),
        _color(terminal),
        verbose,
        quiet,
        None if dockerfile is None else _dockerfile(dockerfile),
    )


def _dockerfile(path: str) -> Dockerfile:
    """Read a Dockerfile to point at; its path is told from the working directory, which CI systems set to the checkout."""
    from gate.dockerfile.lines import instructions
    from gate.reporters._dockerfile import Dockerfile

    try:
        with open(path, "rb") as file:
            content = file.read(LIMITS.document + 1)
        found = tuple((one.line, one.keyword) for one in instructions(content))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(f"--dockerfile {path!r} cannot be read: {reason}") from None
    except InvalidInput as error:
        raise InvalidInput(f"--dockerfile {path!r}: {error.message}", hint=error.hint) from None
    told = os.path.relpath(path).replace(os.sep, "/")
    if told.startswith("../"):
        raise InvalidInput(
            f"--dockerfile {path!r} lies outside the working directory",
            hint="code hosts show problems only at files of the checkout; run from its root",
        )
    return Dockerfile(told, found)


def _width(terminal: bool) -> int:
    """Return the columns to fill: `COLUMNS` where it is set, else the terminal's."""
    stated = os.environ.get("COLUMNS", "")
    if stated.isascii() and stated.isdigit() and len(stated) < 4 and int(stated) >= 40:
        return int(stated)
    if terminal:
        with suppress(OSError):
            return max(40, os.get_terminal_size(sys.stdout.fileno()).columns)
    return WIDTH


def _color(terminal: bool) -> bool:
    """Decide on colours as no-color.org and force-color.org say; NO_COLOR wins."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "") not in ("", "0"):
        return True
    return terminal and os.environ.get("TERM") != "dumb"


def _replaceable(place: str) -> bool:
    """Whether a path is free or a regular file; a device or a pipe is written to as it is."""
    try:
        return stat.S_ISREG(os.stat(place).st_mode)
    except OSError:
        return True


def _write(place: str, data: bytes) -> None:
    """Write a file next to its place and move it there; a device or pipe is written to."""
    if not _replaceable(place):
        with open(place, "wb", buffering=0) as file:
            _write_all(file.fileno(), data)
        return
    temporary = os.path.join(os.path.dirname(place), f".image-gate-{os.urandom(8).hex()}")
    number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            _write_all(number, data)
            with suppress(FileNotFoundError):
                os.fchmod(
                    number, stat.S_IMODE(os.stat(place).st_mode)
                )  # what takes a file's place is as open as it was
            os.fsync(number)
        finally:
            os.close(number)
        os.replace(temporary, place)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _write_all(number: int, data: bytes) -> None:
    """Write all of `data`."""
    view = memoryview(data)
    while view:
        view = view[os.write(number, view) :]
