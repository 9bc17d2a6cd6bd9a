"""One run, from references to a report. Read this first.

reference --locate--> Location --open--> images, one per platform --collect--> Evidence --evaluate--> Verdict
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from copy import copy
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct, field, structs

from gate import __version__
from gate.cache import open_cache
from gate.deadline import Deadline
from gate.errors import ImageGateError, InvalidInput, Unavailable
from gate.evaluate import evaluate
from gate.evidence import EarlierVerdict, Evidence, Subject, Vulnerabilities
from gate.facts import facts_of
from gate.gathering import Gathering, vouching_for
from gate.limits import LIMITS
from gate.oci.descriptor import Platform
from gate.oci.image import Image, Opened, Origin
from gate.oci.reference import Reference
from gate.platforms import select
from gate.policy.policy import Policy
from gate.policy.upkeep import baseline_facts, exception_facts, vex_facts
from gate.sources import REGISTRY, Access, Location, SourceSettings
from gate.sources.locate import locate_all
from gate.sources.open import open_source
from gate.sourcing import check_location, permitted
from gate.verdict import Report, Undecided, Verdict
from gate.vex import Vex

if TYPE_CHECKING:
    from pathlib import Path

    from gate.against import Earlier
    from gate.attested_vex import AttestedVex
    from gate.scanners import ScannerSettings
    from gate.vex import Document


_PLATFORM = r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+){1,2}"


def _silent(message: str) -> None:
    """Tell nobody."""


class RunSettings(Struct, frozen=True):
    """What the caller says about a run, beside the policy. None of it can weaken a policy.

    `scanners` may be None for a policy that asks none.
    `platform` is `all`, or the one platform to judge. `name` is what a file is called as an image (`--as`). `timeout` is
    in seconds. `progress` is told what is being done, in words for people. `sources` says where images come from.
    `cache_dir` keeps verified layers and their indexes; without it, and without scanners, nothing is kept. `kept` says
    whether it outlives the run. `against` is what the report is compared with: an earlier one, or an image that is judged
    for that alone. `as_of` has rules and exceptions judge as of that day: such a report never is a pass. `vex` are
    documents that count beside those of a policy that lets runs bring some, and are refused by any other. `bundles` are
    files of signatures, beside those that registries hold. `reuse_verdict` is how old a signed verdict may be that spares a
    scan, where the policy lets one; it cannot lengthen what the policy says.
    """

    scanners: ScannerSettings | None = None
    platform: str = "all"
    name: str = ""
    timeout: float = LIMITS.run_seconds
    progress: Callable[[str], object] = _silent
    sources: SourceSettings = field(default_factory=SourceSettings)
    cache_dir: Path | Callable[[], Path] | None = None
    kept: bool = True
    against: Earlier | Location | None = None
    as_of: date | None = None
    bundles: tuple[str, ...] = ()
    vex: tuple[Document, ...] = ()
    reuse_verdict: timedelta | None = None


def check(references: Sequence[str | Location], policy: Policy, settings: RunSettings) -> Report:
    """Judge images under a policy and return the report.

    Every reference is parsed before any work: raises `InvalidInput` if one cannot be used. What goes wrong later is in
    the report, and keeps its status from being a pass.
    """
    if not references:
        raise InvalidInput("no image was named", hint="give at least one reference")
    if len(references) > LIMITS.references:
        raise InvalidInput(
            f"{len(references):,} references; at most {LIMITS.references:,} are judged in one run"
        )
    if settings.vex and not policy.vex_from_runs:
        raise InvalidInput(
            f"{policy.origin} does not let a run bring VEX documents",
            hint="name them in the policy: vex: {files: […]}; or allow it there: vex: {command-line: true}",
        )
    if settings.reuse_verdict is None:
        policy = structs.replace(policy, verdict_reuse=None)
    elif policy.verdict_reuse is None:
        raise InvalidInput(
            f"{policy.origin} does not say whose verdicts may spare a scan",
            hint="add to it: reuse-verdicts: {verifier: https://ci.example.com/image-gate, signers: [{key: gate.pub}]}",
        )
    locations = locate_all(references)
    against = settings.against
    for location in [*locations, *([against] if isinstance(against, Location) else [])]:
        check_location(location, policy)
    with ExitStack() as stack:
        run = _Run(policy, settings, stack)
        for number, location in enumerate(locations, 1):
            run.judge(location, f"[{number}/{len(locations)}] " if len(locations) > 1 else "")
        return run.report() if against is None else _compared(run, policy, against)


class _Run:
    """The state of one run: what was judged so far."""

    def __init__(self, policy: Policy, settings: RunSettings, stack: ExitStack) -> None:
        self._policy = policy
        self._settings = settings
        self._vex = (*policy.vex, *settings.vex)
        self._attested_vex: dict[str, AttestedVex] = {}
        self._wanted = None if settings.platform == "all" else platform_of(settings.platform)
        self._names = (Reference.parse(settings.name),) if settings.name else ()
        folder = settings.cache_dir or (settings.scanners.work_dir if settings.scanners else None)
        cache = stack.enter_context(open_cache(folder, kept=settings.kept)) if folder else None
        sources = permitted(settings.sources, policy)
        self._access = stack.enter_context(Access(sources, Deadline(settings.timeout), cache))
        self._started = datetime.now(UTC)
        self._clock = time.monotonic()
        stated, max_age = self._names[0] if self._names else None, _verdict_max_age(policy, settings)
        vouching = vouching_for(policy, self._access, settings.bundles, stated, max_age)
        self._gathering = Gathering(self._access, stack, settings.scanners, vouching, max_age)
        self._verdicts: list[Verdict] = []
        self._undecided: list[Undecided] = []
        self._left_out: dict[str, Mapping[str, str]] = {}
        self._partial: list[str] = []

    def judge(self, location: Location, place: str = "") -> None:
        """Judge every image that one reference names; `place` says which one of how many it is."""
        self._settings.progress(f"{place}opening {location.text}")
        try:
            with open_source(location, self._wanted, self._access) as opened:
                selection = select(location.text, opened, self._policy.platforms, self._settings.platform)
                self._left_out[location.text] = selection.left_out
                self._partial += [location.text] if selection.partial else []
                self._undecided += selection.undecided
                for image in selection.images:
                    self._judge_image(location, image, opened, place)
        except Unavailable as error:
            self._undecided.append(Undecided(location.text, "", error.message, error.hint))

    def judged_apart(self, location: Location) -> Report:
        """Judge another image under the same policy, with what this run has opened, and report on it alone."""
        other = copy(self)
        other._verdicts, other._undecided, other._left_out, other._partial = [], [], {}, []
        other._attested_vex = {}
        other.judge(location, "for comparison: ")
        return other.report()

    def _judge_image(self, location: Location, image: Image, opened: Opened, place: str) -> None:
        """Judge one image."""
        origin = opened.origin or Origin(location.source)
        subject = Subject(
            reference=location.text,
            source=origin.source,
            digest=image.digest,
            config_digest=image.manifest.config.digest,
            platform=image.platform,
            names=self._names_of(location, image, origin),
            checked_at=self._started,
            resolved=opened.digest,
        )
        policy = self._policy.for_subject(subject.names)
        self._settings.progress(f"{place}checking {location.text} ({image.platform})")
        evidence = self._gathering.collect(policy, image, subject, opened)
        verdict = self._evaluated(policy, evidence, subject, image, origin)
        earlier = evidence.values.get(EarlierVerdict)
        if isinstance(earlier, EarlierVerdict):
            from gate.reuse import change

            if changed := change(earlier, policy, verdict):
                evidence = self._gathering.collect(policy, image, subject, opened, anew=changed)
                verdict = self._evaluated(policy, evidence, subject, image, origin)
        self._verdicts.append(verdict)

    def _evaluated(
        self, policy: Policy, evidence: Evidence, subject: Subject, image: Image, origin: Origin
    ) -> Verdict:
        """Ask the rules, with VEX, as of the day that was asked about."""
        if self._settings.as_of is not None:
            # What was collected, and how old the databases are, is of today all the same.
            subject = structs.replace(subject, checked_at=self._asked_about)
            evidence = Evidence({**evidence.values, Subject: subject})
        if documents := (*self._vex, *self._attested_documents(policy, evidence, subject)):
            evidence = Evidence({**evidence.values, Vex: Vex(documents)})
        facts = facts_of(evidence, image, origin)
        if "scanners" in facts and self._access.cache is not None:
            from gate.bundle.record import read_record, traced

            facts = traced(facts, read_record(self._access.cache.folder))
        return evaluate(policy, evidence, subject, facts)

    @property
    def _asked_about(self) -> datetime:
        """The moment that rules and exceptions are asked about: now, or the same time on the day that was chosen."""
        day = self._settings.as_of
        return self._started if day is None else datetime.combine(day, self._started.timetz())

    def _attested_documents(
        self, policy: Policy, evidence: Evidence, subject: Subject
    ) -> tuple[Document, ...]:
        """Return the VEX documents that those whom the policy names attested about an image."""
        needed = any(Vulnerabilities in setting.rule.evidence for setting in policy.settings)
        if policy.vex_signers is None or not needed:
            return ()
        from gate.attested_vex import attested_vex  # here, because few policies let any count

        found = attested_vex(evidence, policy.vex_signers, subject)
        self._attested_vex[f"{subject.reference} ({subject.platform})"] = found
        return found.documents

    def _names_of(self, location: Location, image: Image, origin: Origin) -> tuple[Reference, ...]:
        """Return what an image is called: in a registry as it was asked for, elsewhere as the caller says.

        A tag that was only implied is left out: rules about tags judge what is written.
        """
        name = origin.name
        if name is not None and location.implied:
            name = structs.replace(name, tag="")
        if self._names and origin.source != REGISTRY:
            return self._names
        return (name,) if name is not None else _names(image)

    def report(self) -> Report:
        """Return what was found."""
        policy = self._policy
        today = self._asked_about.date()
        return Report(
            verdicts=tuple(self._verdicts),
            undecided=tuple(self._undecided),
            left_out={reference: found for reference, found in self._left_out.items() if found},
            partial=tuple(self._partial),
            as_of=self._settings.as_of,
            run={
                "version": __version__,
                "started": self._started.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - self._clock, 3),
                "platform": self._settings.platform,
                "proxied": sorted(self._access.proxied),
                "policy": {
                    "name": policy.name,
                    "origin": policy.origin,
                    "digest": policy.digest,
                    "in_checkout": policy.in_checkout,
                    "rules": len(policy.settings),
                    "scanners": list(policy.scanners_required) if policy.asks_scanners else [],
                    **exception_facts(policy, self._verdicts, today),
                    **baseline_facts(policy, self._verdicts, today),
                },
                **self._vex_facts(),
            },
        )

    def _vex_facts(self) -> Mapping[str, object]:
        """Return what the report tells of VEX documents, those that were attested among them."""
        if not self._attested_vex:
            return vex_facts(self._vex, self._verdicts)
        from gate.attested_vex import attested_facts, documents_of

        documents = (*self._vex, *documents_of(self._attested_vex.values()))
        return {**vex_facts(documents, self._verdicts), **attested_facts(self._attested_vex)}


def _verdict_max_age(policy: Policy, settings: RunSettings) -> timedelta | None:
    """Return how old a verdict may be that spares a scan: what the policy says, or less; None where none may."""
    if policy.verdict_reuse is None or settings.reuse_verdict is None:
        return None
    return min(policy.verdict_reuse.max_age, settings.reuse_verdict)


def _compared(run: _Run, policy: Policy, against: Earlier | Location) -> Report:
    """Return the report of a run, compared with an earlier one, or with another image."""
    from gate.against import Earlier, compared  # here, because few runs compare

    if isinstance(against, Location):
        against = Earlier.of_image(against.text, run.judged_apart(against))
    return compared(run.report(), against, policy)


def platform_of(text: str) -> Platform:
    """Parse `OS/ARCHITECTURE[/VARIANT]`."""
    if not re.fullmatch(_PLATFORM, text):
        raise InvalidInput(
            f"{text[:100]!r} is not a platform", hint="write all, or OS/ARCHITECTURE such as linux/arm64"
        )
    return Platform(*text.split("/")).normalised()


def _names(image: Image) -> tuple[Reference, ...]:
    """Return the names that a file carries, as far as they are image names: a bare tag in a layout is none."""
    found = []
    for name in image.names:
        if "/" not in name and ":" not in name:
            continue  # a bare tag, as layouts carry; read as a name it would be an image of Docker Hub
        try:
            found.append(Reference.parse(name))
        except ImageGateError:
            continue
    return tuple(dict.fromkeys(found))
