"""What a check needs on this machine, what of it is there, and how to get the rest."""

from __future__ import annotations

import enum
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from gate import __version__
from gate.errors import ImageGateError, Unavailable
from gate.exploitation import asked_feeds
from gate.oci.reference import Reference
from gate.printable import age as passed_since
from gate.printable import byte_size

if TYPE_CHECKING:
    from pathlib import Path

    from gate.policy.policy import Policy
    from gate.scanners import ScannerSettings
    from gate.scanners.program import Requirement
    from gate.sources import Access

_ROOM = 2 << 30
"""Bytes that the cache folder should have room for: both databases take about 1.5 GB, and an image comes on top."""
_CLOCKS_DIFFER = timedelta(minutes=5)
"""How far in the future something may be dated before the clock of this machine is doubted."""


class State(enum.Enum):
    """What was found: good, worth knowing, or in the way of a verdict."""

    GOOD = "ok"
    NOTE = "note"
    MISSING = "missing"


class Symptom(Struct, frozen=True):
    """One thing that was looked at; `hint` says what to do where it is not good."""

    subject: str
    state: State
    text: str
    hint: str = ""


class Examination(Struct, frozen=True):
    """What is looked at: this machine, under one policy, with the names that somebody wants to check."""

    policy: Policy
    scanners: ScannerSettings
    cache: Path
    access: Access
    names: Sequence[Reference] = ()

    def symptoms(self) -> Iterator[Symptom]:
        """Yield what is found, in the order in which a check would meet it. No failure of one hides the others."""
        from gate.scanners.requirements import REQUIREMENTS

        yield Symptom("image-gate", State.GOOD, f"{__version__}, Python {_python()}")
        yield Symptom(
            "policy",
            State.GOOD,
            f"{self.policy.origin}, {len(self.policy.settings)} rules, {self.policy.digest}",
        )
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        yield Symptom("clock", State.NOTE, f"{now}, from which every age is counted")
        yield _guarded("cache", self._cache)
        for requirement in REQUIREMENTS.values():
            name = requirement.name
            needed = self.policy.asks_scanners and name in self.policy.scanners_required
            without = "" if needed else "this policy does not need it"
            yield _guarded(name, lambda one=requirement: self._program(one), without)  # type: ignore[misc]
            yield _guarded(f"{name} database", lambda name=name: self._database(name), without)  # type: ignore[misc]
        for name in asked_feeds(self.policy):
            yield _guarded(f"{name} database", lambda name=name: self._database(name))  # type: ignore[misc]
        yield _guarded("engine", self._engine, "plain names are looked for in their registries")
        for image in self.names:
            yield _guarded(str(image), lambda image=image: self._registry(image))  # type: ignore[misc]

    def _cache(self) -> Symptom:
        """Look at the cache folder: may it be written, and is there room."""
        place = next(folder for folder in (self.cache, *self.cache.parents) if folder.exists())
        if not os.access(place, os.W_OK | os.X_OK):
            raise Unavailable(f"{place} cannot be written", hint="name another folder with --cache-dir")
        free = shutil.disk_usage(place).free
        text = f"{self.cache}, {byte_size(free)} free"
        if free < _ROOM:
            hint = "databases and images may not fit; clear it with image-gate cache clear, or name another folder"
            return Symptom("cache", State.NOTE, text, hint)
        return Symptom("cache", State.GOOD, text)

    def _program(self, requirement: Requirement) -> Symptom:
        """Look at a scanner's program, by its bytes; it is not started."""
        from gate.scanners.approval import Standing, admit, judge

        given = {"trivy": self.scanners.trivy, "grype": self.scanners.grype}[requirement.name]
        program = admit(requirement, given, self.scanners)
        found = judge(requirement, program, self.scanners.approval)
        text = f"{program.path}, {found.text}"
        state = State.GOOD if found.standing is Standing.APPROVED else State.NOTE
        hint = "" if state is State.GOOD else "where only approved programs may run, the policy must list it"
        return Symptom(requirement.name, state, text, hint)

    def _database(self, name: str) -> Symptom:
        """Look at a scanner's database and its age."""
        from gate.scanners.databases import KINDS, age_of, status
        from gate.scanners.process import Bounds

        subject, renew = f"{name} database", f"image-gate db update {name}"
        found = status(KINDS[name], self.scanners, Bounds(self.access.deadline.at, self.scanners.cancelled))
        if found.database is None:
            raise Unavailable(found.problem, hint=renew)
        built, limit = found.database.built, self.policy.database_max_age.get(name)
        if built > datetime.now(UTC) + _CLOCKS_DIFFER:
            raise Unavailable(
                f"it was built in the future, {built:%Y-%m-%d %H:%M} UTC",
                hint="the clock of this machine is probably wrong, and with it every age that a policy asks for",
            )
        age = timedelta(seconds=age_of(built))
        old = f" ({passed} ago)" if (passed := passed_since(built, datetime.now(UTC))) else ""
        text = f"built {built:%Y-%m-%d %H:%M} UTC{old}, {byte_size(found.bytes)}"
        if limit is not None and age > limit:
            return Symptom(subject, State.NOTE, f"{text}, older than the policy allows", renew)
        return Symptom(subject, State.GOOD, text)

    def _engine(self) -> Symptom:
        """Look for a container engine, which only plain names and docker-daemon: need."""
        from gate.sources.engine_client import find_engine

        with find_engine(self.access.settings, self.access.deadline):
            return Symptom("engine", State.GOOD, "a container engine answers")

    def _registry(self, name: Reference) -> Symptom:
        """Ask a registry for an image, with the login that a check would use."""
        found = self.access.registry.manifest(name.with_implied_tag())
        text = f"{found.descriptor.digest} from {found.served_by}"
        return Symptom(str(name), State.GOOD, text)


def _guarded(subject: str, look: Callable[[], Symptom], without: str = "") -> Symptom:
    """Look, and turn what goes wrong into what was found; `without` says why a check can do without it."""
    try:
        return look()
    except ImageGateError as error:
        if without:
            return Symptom(subject, State.NOTE, f"{error.message}; {without}", error.hint)
        return Symptom(subject, State.MISSING, error.message, error.hint)


def _python() -> str:
    """Return the interpreter's version."""
    import platform

    return platform.python_version()
