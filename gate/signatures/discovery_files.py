"""Signatures in files: Sigstore bundles, one in a `.json`, one a line in a `.jsonl` (as `gh attestation download` writes)."""

from __future__ import annotations

from collections.abc import Iterator

from gate.errors import InvalidInput
from gate.limits import LIMITS
from gate.signatures.discovery import Budget, Candidate, Item, too_large

_LINES = ".jsonl"


def read_bundles(path: str) -> tuple[str, bytes]:
    """Return a file's name and bytes; raises `InvalidInput` where a caller named what cannot be read or is too large."""
    try:
        with open(path, "rb") as file:
            data = file.read(LIMITS.signatures_total + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(f"the bundle {path!r} cannot be read: {reason}") from None
    if len(data) > LIMITS.signatures_total:
        raise InvalidInput(f"the bundle {path!r} has more than {LIMITS.signatures_total:,} bytes")
    return path, data


def in_file(name: str, data: bytes, budget: Budget) -> Iterator[Item]:
    """Yield what should be the bundles of a file. Raises `Exhausted` where the budget is."""
    documents = data.split(b"\n") if name.endswith(_LINES) else [data]
    for number, document in enumerate(documents, 1):
        if not document.strip():
            continue
        place = f"line {number} of {name}" if len(documents) > 1 else name
        if len(document) > LIMITS.signature:
            yield too_large(name, place, len(document))
            continue
        budget.take_signature(len(document))
        yield Candidate(document, "", {}, name, place)
