"""Gather the evidence that a policy's rules need of one image: from its layers, scanners, registries and feeds.

What serves all images of a run (look-ups, copies of programs, the search for signatures) is made once and kept here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec import structs

from gate.collect import Collector, Wanted
from gate.errors import InvalidInput
from gate.evidence import LOOKED_UP, SIGNED, Attestations, Evidence, ScanRuns, Subject, Vulnerabilities
from gate.oci.image import Image, Opened, Origin
from gate.oci.reference import Reference
from gate.policy.policy import Policy
from gate.sources import Access

if TYPE_CHECKING:
    from gate.lookups import Lookups
    from gate.scanners import Approval, Scanner, ScannerSettings
    from gate.scanners.approval import Copies
    from gate.vouching import Vouching


class Gathering:
    """Gathers evidence for one run; `scanners` may be None for a policy that asks none, `vouching` for one without signatures."""

    def __init__(
        self,
        access: Access,
        stack: ExitStack,
        scanners: ScannerSettings | None,
        vouching: Vouching | None,
    ) -> None:
        self._access = access
        self._stack = stack
        self._settings = scanners
        self._vouching = vouching
        self._lookups: Lookups | None = None
        self._programs: Copies | None = None

    def collect(self, policy: Policy, image: Image, subject: Subject, opened: Opened) -> Evidence:
        """Collect what the selected rules need, and nothing else."""
        origin = opened.origin or Origin(subject.source)
        rules = [setting.rule for setting in policy.settings]
        kinds = frozenset(kind for rule in rules for kind in rule.evidence)
        if policy.vex_signers is not None and Vulnerabilities in kinds:
            kinds |= {Attestations}
        scanned = bool(kinds & {ScanRuns, Vulnerabilities} and policy.scanners_required)
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
        collector = Collector(wanted, _scanners() if scanned else {}, scanners, self._access)
        evidence = collector.collect(image, subject, {Origin: origin, **found})
        return evidence if scanners is None or not scanned else self._with_feeds(evidence, policy, scanners)

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
    policy: Policy, access: Access, bundles: Sequence[str], name: Reference | None
) -> Vouching | None:
    """Prepare the search for signatures, where a rule asks for any: what is wrong with keys or files is found before any work.

    `bundles` are files of signatures that the caller brings, `name` is what it calls a file. Raises `InvalidInput`.
    """
    variants = (policy, *(policy.scoped([scope]) for scope in policy.scopes))
    rules = [setting.rule for variant in variants for setting in variant.settings]
    if policy.vex_signers is None and not any(SIGNED & {*rule.evidence} for rule in rules):
        if bundles:
            raise InvalidInput(
                "--bundle brings signatures, and the policy selects no rule that asks for any",
                hint="add the rule signed to the policy, or leave --bundle out",
            )
        return None
    from gate.vouching import Vouching, check_trust

    check_trust(policy)
    return Vouching(access, bundles, name)
