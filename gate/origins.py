"""Judge by name what a Dockerfile takes content from, before anything is built.

Rules that can judge a name by itself are asked of each, under the scopes for it. Of what the built stage stands on,
base-image asks in addition whether that is an accepted base. Exceptions are of images and do not count here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from gate.dockerfile import Source
from gate.errors import InvalidInput
from gate.oci.reference import Reference
from gate.policy.policy import Policy, RuleSetting
from gate.rule import Action, Finding
from gate.rules._built_on import named
from gate.rules.base_image import BaseImageOptions, is_allowed
from gate.verdict import Status


class Doubt(Struct, frozen=True):
    """What one rule says against one name, or against what nobody can tell; it closes the gate or warns."""

    source: Source
    rule: str
    message: str
    action: Action
    remediation: str = ""
    unknown: bool = False


def doubts(sources: Sequence[Source], policy: Policy) -> Iterator[Doubt]:
    """Yield what the policy has against the sources, in their order; raises `InvalidInput` where it can say nothing."""
    if not policy.scopes and not any(_asked(setting) for setting in policy.settings):
        raise InvalidInput(
            f"{policy.origin} selects no rule that judges names",
            hint="add allowed-registries, pinned-tag, pinned-digest or base-image",
        )
    for source in sources:
        yield from _of(source, policy)


def status_of(found: Sequence[Doubt]) -> Status:
    """Return the status: a broken rule before what could not be told, and warnings are a pass."""
    closing = [doubt for doubt in found if doubt.action is Action.DENY]
    if not closing:
        return Status.PASS
    return Status.UNKNOWN if all(doubt.unknown for doubt in closing) else Status.FAIL


def _of(source: Source, policy: Policy) -> Iterator[Doubt]:
    """Yield what is said against one source."""
    problem, name = source.problem, None
    if not problem:
        try:
            name = Reference.parse(source.name)
        except InvalidInput as error:
            problem = error.message
    for setting in policy.for_subject(() if name is None else (name,)).settings:
        if not _asked(setting):
            continue
        if name is None:
            yield Doubt(source, setting.rule.id, problem, setting.action, unknown=True)
            continue
        for finding in _findings(name, setting, policy, final=source.final):
            action = finding.action or setting.action
            what = finding.remediation or setting.rule.remediation
            yield Doubt(source, setting.rule.id, finding.message, action, what)


def _findings(name: Reference, setting: RuleSetting, policy: Policy, *, final: bool) -> Iterator[Finding]:
    """Ask one rule about one name."""
    options = setting.options
    if setting.rule.check_name is not None:
        yield from setting.rule.check_name(name, options)
    elif final and isinstance(options, BaseImageOptions):
        recorded = policy.recorded_bases[options.file] if options.file else ()
        listed = {Reference.parse(text) for text in options.bases} | {base.name for base in recorded}
        tagged = Reference(name.registry, name.repository, named(name).tag)
        if options.allowed and not is_allowed(name, options):
            yield Finding(f"{name} is not an accepted base; accepted: {', '.join(options.allowed)}")
        elif not options.allowed and not listed & {name, named(name), tagged}:
            yield Finding(f"{name} is none of the {len(listed)} bases that are listed")


def _asked(setting: RuleSetting) -> bool:
    """Whether a rule can say something of names."""
    return setting.rule.check_name is not None or isinstance(setting.options, BaseImageOptions)
