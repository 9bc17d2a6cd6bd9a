"""Progress on standard error: a moving line on a terminal, plain lines in a log, nothing with --quiet."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from gate.printable import shown

Tell = Callable[[str], object]


@contextmanager
def progress(*, quiet: bool, verbose: bool) -> Iterator[Tell]:
    """Give a function that tells people what is being done; several threads may call it."""
    if quiet or sys.stderr is None:
        yield _nothing
    elif verbose or not _moving(sys.stderr.isatty()):
        yield _line
    else:
        from rich.console import Console
        from rich.text import Text

        status = Console(stderr=True, highlight=False, markup=False).status("")
        with status:
            yield lambda message: status.update(Text(shown(message, 200)))


def _moving(terminal: bool) -> bool:
    """Whether a line may be rewritten in place; a build log keeps every version of it."""
    return terminal and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


def _line(message: str) -> None:
    """Write one line; it never starts with what an image says, so no build system takes it for a command."""
    with suppress(OSError, ValueError):
        print(f"image-gate: {shown(message)}", file=sys.stderr, flush=True)


def _nothing(_message: str) -> None:
    """Tell nothing."""
