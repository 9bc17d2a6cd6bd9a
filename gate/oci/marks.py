"""Placeholder until the byte signatures are here."""

from __future__ import annotations


class ContentScan:
    """Finds nothing yet."""

    def __init__(self, size: int) -> None:
        self.size = size

    def feed(self, buffer: bytes, start: int, end: int) -> None:
        """Take a range."""

    def marks(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()


def script_interpreter(head: bytes) -> bytes | None:
    """Return the rest of the line."""
    return head[2:].split(b"\n")[0].strip()
