"""Where code hosts show a problem: at a file of the repository, because they know no images."""

from __future__ import annotations

import re

from gate.reporters import RenderOptions
from gate.reporters._problems import Problem, without_version


def code_location(problem: Problem, options: RenderOptions) -> tuple[str, int]:
    """Return path and line, from 1 on: of the Dockerfile where one was named, else of `image/NAME`, which is no file.

    Such a path has nothing but letters, digits and `._-/`: hosts refuse a scheme or a colon, and `..` leads elsewhere.
    """
    if options.dockerfile is not None:
        return options.dockerfile.path, options.dockerfile.line_for(problem.rule)
    parts = re.sub(r"[^A-Za-z0-9._/-]+", "_", without_version(problem.image)).split("/")
    name = "/".join(part for part in parts if part.strip("."))
    return f"image/{name[:200] or 'none'}", 1
