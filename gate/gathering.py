"""Gather the evidence that a policy's rules need of one image: from its layers, scanners, registries and feeds.

What serves all images of a run (look-ups, copies of programs, the search for signatures) is made once and kept here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import structs

from gate.collect import Collector, Wanted
from gate.errors import InvalidInput, Unavailable
from gate.evidence import (
    LOOKED_UP,
    SIGNED,
    Attestations,
    EarlierVerdict,
    Evidence,
    ScanRuns,
    Subject,
    Vulnerabilities,
)
from gate.oci.image import Image, Opened, Origin
from gate.oci.reference import Reference
from gate.policy.policy import Policy, RuleSetting
from gate.sources import Access

if TYPE_CHECKING:
    from gate.lookups import Lookups
    from gate.scanners import Approval, Scanner, ScannerReport, ScannerSettings
    from gate.scanners.approval import Copies
    from gate.signatures.discovery_registry import OldVerdicts
    from gate.vouching import Vouching


class Gathering:
    """Gathers evidence for one run; `scanners` may be None for a policy that asks none, `vouching` for one without signatures.

    `verdict_max_age` is how old a signed verdict may be that spares a scan; None where none may.
    """

    def __init__(
        self,
        access: Access,
        stack: ExitStack,
        scanners: ScannerSettings | None,
        vouching: Vouching | None,
        verdict_max_age: timedelta | None = None,
    ) -> None:
        self._access = access
        self._stack = stack
        self._settings = scanners
        self._vouching = vouching
        self._verdict_max_age = verdict_max_age
        self._lookups: Lookups | None = None
        self._programs: Copies | None = None

    def collect(
        self, policy: Policy, image: Image, subject: Subject, opened: Opened, *, anew: str = ""
    ) -> Evidence:
        """Collect what the selected rules need, and nothing else; `anew` says why no earlier verdict is to be used."""
        origin = opened.origin or Origin(subject.source)
        rules = [setting.rule for setting in policy.settings]
        kinds = frozenset(kind for rule in rules for kind in rule.evidence)
        if policy.vex_signers is not None and Vulnerabilities in kinds:
            kinds |= {Attestations}
        scanned = bool(kinds & {ScanRuns, Vulnerabilities} and policy.scanners_required)
        reuses = scanned and self._verdict_max_age is not None
        if reuses:
            kinds |= {Attestations}
        if scanned and self._settings is None:
            raise InvalidInput(
                f"{policy.origin} asks scanners, and nothing was said about them", hint="give ScannerSettings"
            )
        wanted = Wanted(
            kinds=kinds,
            marks=any(rule.marks for rule in rules),
            scanners=policy.scanners_required if scanned else (),
            database_max_age=policy.database_max_age,
        )
        found = self._looked_up(kinds, image, origin, policy) if kinds & LOOKED_UP else {}
        if kinds & SIGNED and self._vouching is not None:
            found = {**found, **self._vouching.collect(policy, image, opened)}
        scanners = self._settings
        if scanned and scanners is not None:
            scanners = structs.replace(scanners, approval=approval_of(policy), copies=self._copies(scanners))
        earlier, known = self._earlier(policy, subject, found, anew) if reuses else (None, {})
        collector = Collector(wanted, _scanners() if scanned else {}, scanners, self._access, known)
        evidence = collector.collect(image, subject, {Origin: origin, **found})
        if earlier is not None:
            evidence = Evidence({**evidence.values, EarlierVerdict: earlier})
        return evidence if scanners is None or not scanned else self._with_feeds(evidence, policy, scanners)

    def _earlier(
        self, policy: Policy, subject: Subject, found: Mapping[type, object], anew: str
    ) -> tuple[EarlierVerdict | Unavailable, Mapping[str, ScannerReport]]:
        """Return the verdict that spares a scan, with the reports in it; or why there is none."""
        from gate.reuse import earlier_verdict  # here, because few runs are let off scanning

        assert self._verdict_max_age is not None
        if anew:
            return Unavailable(anew), {}
        try:
            attestations = Evidence(found).get(Attestations)
            return earlier_verdict(attestations, policy, subject, self._verdict_max_age)
        except Unavailable as error:
            return error, {}

    def _with_feeds(self, evidence: Evidence, policy: Policy, scanners: ScannerSettings) -> Evidence:
        """Ask feeds for what rules want to know of the vulnerabilities that were found."""
        from gate.exploitation import with_feeds

        scanners = structs.replace(scanners, network=self._access.settings.registry)
        return with_feeds(evidence, policy, scanners, self._access.deadline.at)

    def _copies(self, scanners: ScannerSettings) -> Copies:
        """Return the private copies of programs, which serve the whole run."""
        from gate.scanners.approval import Copies

        if self._programs is None:
            self._programs = Copies(lambda: self._access.work_dir or scanners.work_dir)
            self._stack.callback(self._programs.close)
        return self._programs

    def _looked_up(
        self, kinds: frozenset[type], image: Image, origin: Origin, policy: Policy
    ) -> Mapping[type, object]:
        """Ask registries for what rules want to know beside the image itself."""
        from gate.lookups import Lookups, listed_bases

        self._lookups = self._lookups or Lookups(self._access)
        return self._lookups.collect(kinds, image, origin, listed_bases(policy))


def _scanners() -> Mapping[str, Scanner]:
    """Return the scanners; they are imported only by a run that asks them."""
    from gate.scanners import built_in

    return built_in()


def approval_of(policy: Policy) -> Approval:
    """Return which programs may run under a policy."""
    from gate.scanners import Approval

    told = policy.scanning
    return Approval(told.approved == "listed", told.programs, told.refused)


def vouching_for(
    policy: Policy,
    access: Access,
    bundles: Sequence[str],
    name: Reference | None,
    verdict_max_age: timedelta | None = None,
) -> Vouching | None:
    """Prepare the search for signatures, where a rule asks for any: what is wrong with keys or files is found before any work.

    `bundles` are files of signatures that the caller brings, `name` is what it calls a file; `verdict_max_age` is how old a
    verdict may be that spares a scan, None where none may. Raises `InvalidInput`.
    """
    variants = (policy, *(policy.scoped([scope]) for scope in policy.scopes))
    settings = [setting for variant in variants for setting in variant.settings]
    asked = policy.vex_signers is not None or policy.verdict_reuse is not None
    if not asked and not any(SIGNED & {*setting.rule.evidence} for setting in settings):
        if bundles:
            raise InvalidInput(
                "--bundle brings signatures, and the policy selects no rule that asks for any",
                hint="add the rule signed to the policy, or leave --bundle out",
            )
        return None
    from gate.vouching import Vouching, check_trust

    check_trust(policy)
    return Vouching(access, bundles, name, _old_verdicts(settings, verdict_max_age))


def _old_verdicts(settings: Sequence[RuleSetting], max_age: timedelta | None) -> OldVerdicts | None:
    """Return which verdicts no rule asks for: none where one asks for verdicts, else those that are too old to spare a scan."""
    from gate.rules.attested import AttestedOptions
    from gate.signatures.admission import SKEW
    from gate.signatures.discovery_registry import OldVerdicts
    from gate.signatures.verdict_statement import DETAILS, SUMMARY

    attested = [setting.options for setting in settings if isinstance(setting.options, AttestedOptions)]
    if any(one.type in (SUMMARY, DETAILS) for options in attested for one in options.required):
        return None
    if max_age is None:
        return OldVerdicts()
    return OldVerdicts(datetime.now(UTC) - max_age - SKEW)
