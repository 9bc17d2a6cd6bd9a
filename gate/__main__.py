"""`python -m gate` is `image-gate`."""

import os
import sys

if sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[
        0
    ]  # `-m` puts the working directory first, and a checkout under test may hold a click.py of its own

from gate.cli import main

main()
