"""Policy: which rules apply to an image, how strictly, and what is excepted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import msgspec

from gate.errors import InvalidInput
from gate.evidence import Base, ScanRuns, Subject, Vulnerabilities
from gate.oci.reference import Pattern, Reference
from gate.options import Mark, Node, Options, decode, misspelt
from gate.policy.schema import (
    CONTROL_KEYS,
    PlatformRequirements,
    RuleControl,
    ScannerSettings,
    SourceRequirements,
)
from gate.rule import Action, Finding, Rule, Severity

if TYPE_CHECKING:
    from pathlib import Path

    from gate.policy.baseline import Baseline
    from gate.policy.exceptions import PolicyException
    from gate.policy.verdict_reuse import VerdictReuse
    from gate.rules._signers import SignersOptions
    from gate.vex import Document


class RuleSetting(msgspec.Struct, frozen=True):
    """One selected rule, and how the policy wants it run."""

    rule: Rule
    action: Action
    on_unknown: Action
    severity: Severity
    options: Options


class Scope(msgspec.Struct, frozen=True):
    """What differs for the images whose name matches: entries that refine the policy's key by key."""

    match: Pattern
    entries: Mapping[str, Node]
    where: str


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What is required of images. One that exists is valid and selects at least one rule.

    `origin` says where it comes from and `in_checkout` whether that is the checkout under test, which the change under
    test can edit. `digest` is `sha256:` over the bytes of the file, then of the profile it extends, then of the files
    that it names (`named_files`), in the order of their names, as `cat FILE PROFILE BASES | sha256sum` prints it.
    `settings` are sorted by rule id; `not_selected` says of every other rule why. `applied_scopes` are set by
    `for_subject`. `scanning` says which scanners' programs may run. `recorded_bases` are those in the files that options
    name, by that name, and `trust_files` the keys and roots there that signatures are verified with; `exceptions` are those
    of the policy, then those of its files. `baseline` is what was known on a day. `vex` are the VEX documents that
    it names, `vex_signers` says whose attested ones count, and `vex_from_runs` whether a run may bring others.
    `verdict_reuse` says whose signed verdicts may spare a scan.
    """

    name: str
    origin: str
    digest: str
    in_checkout: bool = False
    scanners_required: tuple[str, ...]
    database_max_age: Mapping[str, timedelta]
    scanning: ScannerSettings = ScannerSettings()
    sources: SourceRequirements = SourceRequirements()
    platforms: PlatformRequirements = PlatformRequirements()
    settings: tuple[RuleSetting, ...]
    not_selected: Mapping[str, str]
    scopes: tuple[Scope, ...] = ()
    applied_scopes: tuple[Scope, ...] = ()
    exceptions: tuple[PolicyException, ...] = ()
    exceptions_notice_days: int = 14
    baseline: Baseline | None = None
    vex: tuple[Document, ...] = ()
    vex_signers: SignersOptions | None = None
    vex_from_runs: bool = False
    verdict_reuse: VerdictReuse | None = None
    sudden_fall: Action = Action.WARN
    recorded_bases: Mapping[str, tuple[Base, ...]] = {}
    trust_files: Mapping[str, bytes] = {}
    named_files: tuple[str, ...] = ()
    entries: Mapping[str, Node]
    rules: Mapping[str, Rule]

    def __post_init__(self) -> None:
        if not self.settings:
            raise ValueError("a policy that selects no rule would let everything pass")

    @staticmethod
    def load(
        path_or_profile: str | None = None,
        *,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
        rules: Mapping[str, Rule] | None = None,
    ) -> Policy:
        """Load a policy: a built-in profile by name, a file by path, or with None the file found for `directory`.

        Without any file that is the profile `baseline`, and the origin says so. `directory` is the working directory
        unless given, `environment` the process's, `rules` all built-in ones. Raises `InvalidInput` with file, line and
        column.
        """
        from gate.policy.load import load  # here, because it needs this module

        return load(path_or_profile, directory=directory, environment=environment, rules=rules)

    @property
    def asks_scanners(self) -> bool:
        """Whether scanners run, as far as is known before an image has a name: a scope may select further rules."""
        selected = any({ScanRuns, Vulnerabilities} & set(setting.rule.evidence) for setting in self.settings)
        return bool(self.scanners_required) and (selected or bool(self.scopes))

    def for_subject(self, names: Sequence[Reference]) -> Policy:
        """Return the policy for an image of these names, with the matching scopes applied, later ones last.

        Raises `InvalidInput` where several names lie in different scopes: picking one would be a guess, and whoever
        makes an archive can put any name into it. An image without a name is in no scope.
        """
        if not self.scopes or not names:
            return self
        chosen, *others = (
            tuple(scope for scope in self.scopes if scope.match.matches(name)) for name in names
        )
        if any(other != chosen for other in others):
            raise InvalidInput(
                f"the names {', '.join(str(name) for name in names)} lie in different scopes of {self.origin}",
                hint="say which one is meant with --as NAME",
            )
        return self.scoped(chosen) if chosen else self

    def scoped(self, scopes: Sequence[Scope]) -> Policy:
        """Return this policy refined by `scopes`, in their order; raises `InvalidInput` if no rule is left."""
        entries = dict(self.entries)
        for scope in scopes:
            entries = overlay(entries, scope.entries)
        settings, not_selected = select(entries, self.rules)
        if not settings:
            raise InvalidInput(
                f"{scopes[-1].where}: no rule is left in this scope",
                hint="an empty policy would let everything pass",
            )
        check_scanners(settings, self.scanners_required, scopes[-1].where)
        return msgspec.structs.replace(
            self, entries=entries, settings=settings, not_selected=not_selected, applied_scopes=tuple(scopes)
        )

    def exception_for(
        self, rule_id: str, finding: Finding, subject: Subject, today: date
    ) -> PolicyException | None:
        """Return the exception that covers a finding on the day `today` (UTC), the longest-lived of several; else None."""
        covering = [
            exception
            for exception in self.exceptions
            if exception.rule == rule_id and exception.until >= today and exception.covers(finding, subject)
        ]
        return max(covering, key=lambda exception: exception.until, default=None)

    def baseline_for(
        self, setting: RuleSetting, finding: Finding, subject: Subject, today: date
    ) -> Baseline | None:
        """Return the baseline if it covers a finding on the day `today` (UTC); else None."""
        baseline, severity = self.baseline, finding.severity or setting.severity
        if baseline is None or not baseline.in_force(today):
            return None
        return baseline if baseline.covers(setting.rule.id, finding, severity, subject) else None

    def expired(self, today: date) -> tuple[PolicyException, ...]:
        """Return the exceptions that no longer apply on the day `today`."""
        return tuple(exception for exception in self.exceptions if exception.until < today)

    def unused(self, used: Collection[PolicyException], today: date) -> tuple[PolicyException, ...]:
        """Return the exceptions in force that are not among `used`, the ones that covered something in this run."""
        return tuple(
            exception for exception in self.exceptions if exception.until >= today and exception not in used
        )


def overlay(below: Mapping[str, Node], above: Mapping[str, Node]) -> dict[str, Node]:
    """Refine rule entries key by key: what `above` states replaces the same key of the same rule in `below`."""
    merged = dict(below)
    for identifier, entry in above.items():
        under = below.get(identifier)
        merged[identifier] = (
            entry if under is None else Node({**under.value, **entry.value}, entry.mark, entry.key)
        )
    return merged


def read_entries(node: Node, rules: Mapping[str, Rule], label: str) -> dict[str, Node]:
    """Return the rule entries of a `rules` mapping, every id known and every entry a mapping."""
    entries = node.mapping(label)
    for identifier, entry in entries.items():
        if identifier not in rules:
            raise misspelt(entry.key or entry.mark, "there is no rule", identifier, rules)
        entry.mapping(f"{label}.{identifier}")
    return entries


def select(
    entries: Mapping[str, Node], rules: Mapping[str, Rule]
) -> tuple[tuple[RuleSetting, ...], dict[str, str]]:
    """Decode the entries into settings, sorted by rule id, and say of each rule that is not among them why."""
    settings: list[RuleSetting] = []
    not_selected: dict[str, str] = {}
    for identifier in sorted(rules):
        entry = entries.get(identifier)
        setting = None if entry is None else _setting(identifier, entry, rules)
        if setting is not None:
            settings.append(setting)
        else:
            not_selected[identifier] = "not listed in the policy" if entry is None else "off in the policy"
    return tuple(settings), not_selected


def check_scanners(settings: Sequence[RuleSetting], required: Sequence[str], where: Mark | str) -> None:
    """Refuse a policy that judges scanners' findings and requires no scanner: it could only ever be unknown."""
    needing = _judging_scanners(settings)
    if needing and not required:
        raise InvalidInput(
            f"{where}: no scanner is required, but {', '.join(needing)} judge what scanners find",
            hint="scanners: {required: [trivy, grype]}, or one of them; or turn these rules off",
        )


def _judging_scanners(settings: Sequence[RuleSetting]) -> list[str]:
    """Return the ids of the rules that cannot do without what scanners find."""
    return [
        setting.rule.id
        for setting in settings
        if {ScanRuns, Vulnerabilities} & set(setting.rule.evidence) and not setting.rule.without_scanners
    ]


def _setting(identifier: str, entry: Node, rules: Mapping[str, Rule]) -> RuleSetting | None:
    """Decode one entry; None for a rule that is off, whose options are checked all the same where it has any."""
    label = f"rules.{identifier}"
    control_part = {name: node for name, node in entry.value.items() if name in CONTROL_KEYS}
    option_part = {name: node for name, node in entry.value.items() if name not in CONTROL_KEYS}
    control = decode(Node(control_part, entry.mark, entry.key), RuleControl, label)
    if control.action == "off" and not option_part:
        return None
    rule = rules[identifier]
    _known(entry, rule, label)
    if control.action == "off":
        return None
    action = Action(control.action)
    return RuleSetting(
        rule=rule,
        action=action,
        on_unknown=action if not control.on_unknown else Action(control.on_unknown),
        severity=rule.severity if not control.severity else Severity[control.severity.upper()],
        options=decode(Node(option_part, entry.mark, entry.key), rule.options, label),
    )


def _known(entry: Node, rule: Rule, label: str) -> None:
    """Refuse keys that are neither the rule's options nor what every rule has."""
    known = {*CONTROL_KEYS, *rule.options.__struct_encode_fields__}
    for name, node in entry.value.items():
        if name not in known:
            raise misspelt(node.key or node.mark, f"{label} has no key", name, known)
