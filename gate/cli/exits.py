"""Exit codes, and the guard that turns whatever happens into one of them and one clear sentence."""

from __future__ import annotations

import enum
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

import click

from gate.errors import ImageGateError, InvalidInput
from gate.printable import shown


class Exit(enum.IntEnum):
    """What the program says to the shell. Only `PASS` opens the gate."""

    PASS = 0
    FAIL = 1
    WRONG_REQUEST = 2
    NO_VERDICT = 3


MEANINGS = {
    Exit.PASS: ("pass", "every image satisfies the policy, perhaps with warnings"),
    Exit.FAIL: ("fail", "an image breaks a rule of the policy that denies"),
    Exit.WRONG_REQUEST: (
        "wrong request",
        "a reference, an option or the policy cannot be used; nothing was judged",
    ),
    Exit.NO_VERDICT: (
        "unknown",
        "something could not be established, or the run did not end; the gate stays closed",
    ),
}


class Interrupted(BaseException):
    """A signal asked the program to end; raised where it arrives, so that everything open is closed on the way out."""


def run(arguments: Sequence[str]) -> Exit:
    """Run the program on `arguments`. Whatever happens ends here, as an exit code and, if not 0 or 1, a sentence why."""
    with _signals_as_exceptions():
        try:
            code = _invoke(arguments)
            sys.stdout.flush()
            return code
        except BaseException as error:  # noqa: BLE001 -- an exception that escapes would exit 1 and look like a verdict
            code, message, hint = _answer(error)
            complain(message, hint)
            if code is Exit.NO_VERDICT and _wants_details(arguments):
                _show_traceback(error)
    _let_go_of_stdout()
    return code


def complain(message: str, hint: str = "") -> None:
    """Write an error to standard error, safe to show; a closed one is no further problem."""
    _to_stderr([f"image-gate: {shown(message)}", *([f"  → {shown(hint)}"] if hint else [])])


def _invoke(arguments: Sequence[str]) -> Exit:
    """Let click parse and call; what is no exit code of ours is none.

    click's own `main` is not used: it ends with 1 where a pipe breaks, and with 0 wherever the environment asks for shell
    completion, which would let a variable open the gate.
    """
    from gate.cli.commands import COMPLETE_VARIABLE, IMAGE_GATE

    instruction = os.environ.get(COMPLETE_VARIABLE)
    if instruction and not arguments:
        from click.shell_completion import shell_complete

        shell_complete(IMAGE_GATE, {}, "image-gate", COMPLETE_VARIABLE, instruction)
        return Exit.PASS
    try:
        with IMAGE_GATE.make_context("image-gate", list(arguments)) as context:
            code = IMAGE_GATE.invoke(context)
    except click.exceptions.Exit as end:  # --help and --version
        return Exit(end.exit_code)
    if not isinstance(code, Exit):
        raise TypeError(f"a command ended with {code!r}, which is no exit code")
    return code


def _answer(error: BaseException) -> tuple[Exit, str, str]:
    """Return code, sentence and hint for what ended the run."""
    match error:
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else "image-gate"
            return Exit.WRONG_REQUEST, error.format_message(), f"{command} --help lists what is allowed"
        case InvalidInput():
            return Exit.WRONG_REQUEST, error.message, error.hint
        case ImageGateError():
            return Exit.NO_VERDICT, error.message, error.hint
        case Interrupted() | KeyboardInterrupt() | click.Abort():
            return Exit.NO_VERDICT, f"stopped before a verdict ({str(error) or 'interrupted'})", ""
        case BrokenPipeError():
            return (
                Exit.NO_VERDICT,
                "whoever read the output stopped reading",
                "the verdict did not arrive, so it is none",
            )
        case MemoryError():
            return (
                Exit.NO_VERDICT,
                "there is not enough memory",
                "image-gate needs about 256 MiB beside the scanners",
            )
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return Exit.NO_VERDICT, f"the system refused: {where}{error.strerror or error}", ""
    return (
        Exit.NO_VERDICT,
        f"a fault in image-gate, so there is no verdict: {type(error).__name__}: {error}",
        "run again with --verbose for details, and please report it",
    )


@contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Turn the first signal that asks to end into `Interrupted`, and ignore the others while things are closed."""
    asking = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        for other in asking:
            signal.signal(other, signal.SIG_IGN)
        raise Interrupted(signal.Signals(number).name)

    before = {number: signal.getsignal(number) for number in asking}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wants_details(arguments: Sequence[str]) -> bool:
    """Whether --verbose was asked for, however far parsing came."""
    return bool({"--verbose", "-v"} & set(arguments)) or bool(os.environ.get("IMAGE_GATE_VERBOSE"))


def _show_traceback(error: BaseException) -> None:
    """Write where an unexpected exception came from, line by line safe to show."""
    import traceback

    lines = "".join(traceback.format_exception(error)).splitlines()
    _to_stderr([f"  | {' ' * (len(line) - len(line.lstrip()))}{shown(line.strip())}" for line in lines])


def _to_stderr(lines: Sequence[str]) -> None:
    """Write lines to standard error; to a closed one nothing, because `print` would turn to standard output instead."""
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            print("\n".join(lines), file=sys.stderr, flush=True)


def _let_go_of_stdout() -> None:
    """Point standard output nowhere, so that Python does not fail once more when it flushes what could not be written."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
