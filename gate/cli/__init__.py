"""The command line: options, progress, output, exit codes. It decides nothing.

`main` is the one way in. It imports the rest only after it can answer for everything that may go wrong, because an
exception that nobody catches would end as exit 1 and look like a verdict.
"""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

_COLLECT_EVERY = 50_000
"""Allocations between two searches for garbage in cycles. Importing makes tens of thousands of objects and no garbage:
with Python's own 700 a tenth of a short run goes into looking for some."""


def main() -> NoReturn:
    """Run the program on `sys.argv` and exit with one of the documented codes."""
    gc.set_threshold(_COLLECT_EVERY)
    try:
        from gate.cli.exits import run

        code = int(run(sys.argv[1:]))
    except BaseException as error:  # noqa: BLE001 -- before or beyond `run`: an interrupt while importing, a broken installation
        code = 3
        if sys.stderr is not None:
            print(f"image-gate could not run: {type(error).__name__}", file=sys.stderr)
    gc.freeze()  # everything is closed, and Python's searches for garbage at exit would take an eighth of a short run
    sys.exit(code)
