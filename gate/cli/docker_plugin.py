"""The program `docker-gate`, by which `docker gate …` is `image-gate …` (docs.docker.com: Docker CLI plugins).

Docker asks a plug-in for its metadata whenever it lists commands, so that answer imports nothing else of ours.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from gate import __version__

_METADATA = f"""\
{{"SchemaVersion": "0.1.0", "Vendor": "image-gate", "Version": "{__version__}",
 "ShortDescription": "Decide whether container images may go further"}}
"""


def main() -> NoReturn:
    """Answer Docker, or pass on what follows `gate`; exits with the codes of image-gate."""
    match sys.argv[1:]:
        case ["docker-cli-plugin-metadata"]:
            sys.stdout.write(_METADATA)
            sys.exit(0)
        case ["gate", *rest]:
            sys.argv[1:] = rest
        case ["help", "gate", *rest]:
            sys.argv[1:] = [*rest, "--help"]
        case _:  # docker puts its own options first, whose values we would have to tell from ours
            print(
                "docker gate: options of docker before `gate` are not understood\n"
                "  → use variables in their place, such as DOCKER_HOST; the plug-in is called as `docker gate …`",
                file=sys.stderr,
            )
            sys.exit(2)
    from gate.cli import main as image_gate

    image_gate()
