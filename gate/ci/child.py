"""One `image-gate check` as a process of its own, so that a front end can tell what came of it whatever happens to it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import msgspec

from gate.errors import ImageGateError, InvalidInput
from gate.printable import count, shown
from gate.reporters._reading import read_report
from gate.reporters._restoring import restored
from gate.verdict import Report, Status

NO_VERDICT = 3
EXIT_CODES = {Status.PASS: 0, Status.FAIL: 1, Status.UNKNOWN: NO_VERDICT}
TOKEN = "IMAGE_GATE_GITHUB_TOKEN"
"""Variable with the token for the policy and comments, which a check does not need and does not get."""
LAST_LINES = 20
"""Lines of complaints that are kept: the guard around the program writes two, and warnings stand before them."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of a check: its exit code, its report if it wrote one, and what it complained about.

    `code` is 0 only where the report says pass as well.
    """

    code: int
    report: Report | None
    complaints: tuple[str, ...]

    @property
    def status(self) -> Status:
        """The verdict; unknown where there is none."""
        return Status.UNKNOWN if self.report is None or self.code == 2 else self.report.status

    @property
    def reason(self) -> str:
        """Why the gate is open or closed, in one sentence with nothing from an image in it."""
        if self.report is None:
            return "unknown: there is no verdict, for the reason in the log and in the summary"
        closing = sorted(failed_rules(self.report))
        if self.report.undecided:
            closing.append(f"{count(len(self.report.undecided), 'image')} not judged")
        named = f": {', '.join(closing)}" if closing else ""
        return f"{self.status}{named}"


def without_verdict(error: ImageGateError) -> Outcome:
    """Return, and print, what came of a check that could not be started."""
    complaints = [
        f"image-gate: {shown(error.message)}",
        *([f"  → {shown(error.hint)}"] if error.hint else []),
    ]
    for line in complaints:
        sys.stdout.write(f"{line}\n")
    return Outcome(2 if isinstance(error, InvalidInput) else NO_VERDICT, None, tuple(complaints))


def failed_rules(report: Report) -> set[str]:
    """Return the ids of the rules that close the gate."""
    return {result.rule for verdict in report.verdicts for result in verdict.results if result.closes}


def warnings(report: Report) -> int:
    """Count the rules, each once for each image, that failed or are unknown and only warn."""
    results = [result for verdict in report.verdicts for result in verdict.results]
    return sum(str(result.outcome) != "pass" and not result.closes for result in results)


class Order(msgspec.Struct, frozen=True):
    """What to check: the images, the policy as `--policy` takes it, and the reports by format; `more` are further options.

    `settings` are further variables, and `password` is what `--password-stdin` reads. All else stands in the variables of
    this process, which the check reads itself.
    """

    references: tuple[str, ...]
    policy: str | None
    reports: Mapping[str, Path]
    more: tuple[str, ...] = ()
    settings: Mapping[str, str] = {}
    password: str = ""

    @property
    def arguments(self) -> list[str]:
        """The arguments of `image-gate`."""
        reports = [f"--output={name}={path}" for name, path in self.reports.items()]
        policy = [f"--policy={self.policy}"] if self.policy else []
        return ["check", "--format=text", *reports, *policy, *self.more, "--", *self.references]


def check(order: Order) -> Outcome:
    """Run `image-gate check`; what it prints goes to standard output, in one stream.

    `-I` keeps Python from importing anything out of the working directory or `PYTHONPATH`: the checkout under test may
    hold a `gate` or `click` of its own. One stream, because a runner reads two without any order between them, and
    nothing of the check may come after the end of what surrounds it (`runner.inert`).
    """
    command = [sys.executable, "-I", "-m", "gate", *order.arguments]
    complaints: deque[str] = deque(maxlen=LAST_LINES)
    lock = threading.Lock()
    environment = {"FORCE_COLOR": "1", **os.environ, **order.settings}  # both log viewers show colours
    environment.pop(TOKEN, None)
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        kept = threading.Thread(target=_relay, args=(child.stderr, lock, complaints.append))
        kept.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # it ended without reading a password
                child.stdin.write(order.password.encode())
                child.stdin.close()
            _relay(child.stdout, lock, lambda _: None)
            kept.join()
            code = child.wait()
        except BaseException:
            child.terminate()
            raise
    return _outcome(code, order.reports["json"], tuple(complaints))


def _relay(stream: IO[bytes], lock: threading.Lock, keep: Callable[[str], None]) -> None:
    """Pass lines on to standard output, whole ones, and keep them."""
    for line in stream:
        text = line.decode("utf-8", "backslashreplace")
        keep(text.rstrip("\n"))
        with lock:
            sys.stdout.buffer.write(text.encode("utf-8"))
            sys.stdout.buffer.flush()


def _outcome(code: int, json_report: Path, complaints: tuple[str, ...]) -> Outcome:
    """Hold what the process said by its exit code against its report; where they differ there is no verdict."""
    if code not in (0, 1, 2, NO_VERDICT):
        complaints += (f"image-gate: the check ended with {code}, which is no exit code of its own",)
        code = NO_VERDICT
    if code == 2 or not json_report.is_file():
        return Outcome(code or NO_VERDICT, None, complaints)
    try:
        report = restored(read_report(str(json_report)), str(json_report))
    except ImageGateError as error:
        return Outcome(NO_VERDICT, None, (*complaints, f"image-gate: {shown(error.message)}"))
    if EXIT_CODES[report.status] != code:
        contradiction = f"image-gate: the check ended with {code}, and its report says {report.status}"
        return Outcome(NO_VERDICT, None, (*complaints, contradiction))
    return Outcome(code, report, complaints)
