"""What GitHub's runner reads from a step: workflow commands, outputs, and the job's summary.

Sources: the toolkit's `packages/core/src/command.ts` and `file-command.ts`, and the runner's `ActionCommandManager.cs`.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gate.errors import Unavailable
from gate.printable import printable

SUMMARY_BYTES = 1024 * 1024
"""What the runner takes of one step's summary; it shows nothing at all where there is more."""


@contextmanager
def inert() -> Iterator[None]:
    """Keep the runner from reading commands in what is printed meanwhile: only the secret word makes it listen again."""
    word = secrets.token_hex(16)
    command(f"::stop-commands::{word}")
    try:
        yield
    finally:
        command(f"::{word}::")


def command(text: str) -> None:
    """Say something to the runner, now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def notice(title: str, text: str, kind: str = "notice") -> None:
    """Show an annotation of our own; the text is made one line."""
    escaped = printable(text, 2_000).replace("%", "%25")
    command(f"::{kind} title={title}::{escaped}")


def set_outputs(values: Mapping[str, str]) -> None:
    """Set the outputs of this step; a value ends at a word that nobody can foresee. Raises `Unavailable`."""
    word = secrets.token_hex(16)
    _append("GITHUB_OUTPUT", "".join(f"{name}<<{word}\n{value}\n{word}\n" for name, value in values.items()))


def add_summary(text: str) -> None:
    """Add Markdown to the summary of the job; too long a one is left out with a word in its place."""
    if len(text.encode("utf-8")) >= SUMMARY_BYTES:
        text = "The summary was too long to show; the reports have everything.\n"
    _append("GITHUB_STEP_SUMMARY", text)


def _append(variable: str, text: str) -> None:
    """Append to the file that a variable of the runner names."""
    path = os.environ.get(variable)
    if not path:
        raise Unavailable(
            f"{variable} is not set", hint="image-gate ci github is for steps of GitHub Actions"
        )
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Unavailable(f"{variable} cannot be written: {error.strerror}") from None
