"""The exception families: whose problem a failure is, and what it may do to a verdict.

| family           | meaning                                       | consequence                               |
|------------------|-----------------------------------------------|-------------------------------------------|
| `InvalidInput`   | what the caller typed cannot be used          | no verdict, exit 2                        |
| `Unavailable`    | facts could not be established                | unknown; a policy may let it only warn    |
| `IntegrityError` | content contradicts its digest or size        | unknown; never retried, never excused     |
| `MalformedImage` | malformed or ambiguous bytes, a limit passed  | the same                                  |

Any other exception is a bug: a `Fault`, and so unknown, where a rule or collector raised it, otherwise no verdict (exit 3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class ImageGateError(Exception):
    """A failure with a message that a user can act on.

    `message` says what happened, and where that is not obvious what it usually means; `hint` says what to do next.
    Both may quote hostile strings: whoever prints them encodes them for the place they go to.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidInput(ImageGateError):
    """The request was wrong: a reference, a path, an option or a policy that cannot be used."""


class Unavailable(ImageGateError):
    """Facts could not be established, so a rule that needs them is unknown.

    Also kept as a value: evidence is either there or an `Unavailable` that says why it is not. `blocks` says that no
    policy may let it only warn.
    """

    blocks = False


class IntegrityError(Unavailable):
    """Content contradicts its digest or size: unknown, listed first, never retried, never excused."""

    blocks = True


class MalformedImage(IntegrityError):
    """Bytes that are malformed, that two readers would read differently, or that pass a limit."""


def joined(errors: Sequence[Unavailable]) -> Unavailable:
    """Return one error for several, at least one; it blocks if any of them does."""
    integrity = any(isinstance(error, IntegrityError) for error in errors)
    hints = dict.fromkeys(error.hint for error in errors if error.hint)
    found = (IntegrityError if integrity else Unavailable)(
        "; ".join(error.message for error in errors), hint="; ".join(hints)
    )
    found.blocks = any(error.blocks for error in errors)
    return found


class Fault(Unavailable):
    """A bug of image-gate: what it should have established is unknown, and that is never excused."""

    blocks = True

    def __init__(self, where: str, error: Exception) -> None:
        super().__init__(
            f"a fault of image-gate in {where}: {type(error).__name__}: {error}",
            hint="this is not about the image; please report it",
        )


def kept(call: Callable[[], T]) -> T | Unavailable:
    """Return what a call returns, or the error that says why it is not available; a bug is one that cannot be excused."""
    try:
        return call()
    except Unavailable as error:
        return error
    except Exception as error:  # noqa: BLE001 -- of whatever kind, what it should have established is unknown
        return Fault("the collection of evidence", error)
