"""base-image: the image is built on a base that someone chose, which its layers tell and not its word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from gate.errors import joined
from gate.evidence import Base, BaseClaim, Bases
from gate.oci.filesystem import Filesystem
from gate.oci.reference import Pattern, Reference
from gate.options import describe
from gate.rule import Finding, Remark, Rule, Severity
from gate.rules._built_on import BasesOptions, named, unrecognised
from gate.rules.allowed_registries import RegistryPattern


class BaseImageOptions(BasesOptions):
    """What `base-image` can be told."""

    allowed: Annotated[
        tuple[RegistryPattern, ...],
        describe("Patterns of accepted bases, as in allowed-registries. Empty: every base that is listed."),
    ] = ()

    def __post_init__(self) -> None:
        if not (self.bases or self.file or (self.claims and self.allowed)):
            raise ValueError(
                "no base can be recognised: list some under `bases` or in a `file`, or let `claims` count and say what is `allowed`"
            )


def check(filesystem: Filesystem, bases: Bases, options: BaseImageOptions) -> Iterator[Finding | Remark]:
    """Find the base by its layers, the longest of the listed ones; only where none fits, see what the image claims.

    The diff IDs are those of the layers as they were read, because a configuration alone can state any.
    """
    found = bases.under(filesystem.diff_ids)
    if found:
        yield _recognised(found, options)
        for name, error in bases.missing.items():
            if not is_allowed(name, options):
                raise error  # it may be the longer base
        return
    if bases.missing:
        raise joined(list(bases.missing.values()))
    if options.claims and bases.claims:
        yield from (_judged(claim, bases, options) for claim in bases.claims)
        return
    yield Finding(
        unrecognised(bases, filesystem.diff_ids),
        id="unknown",
        details={"base": None, "claims": [claim.text for claim in bases.claims]},
    )


def _recognised(found: tuple[Base, ...], options: BaseImageOptions) -> Finding | Remark:
    """Judge the base that was found; the same layers can have several names, of which one suffices."""
    accepted = next((base for base in found if is_allowed(base.name, options)), None)
    base = accepted or found[0]
    count = len(base.diff_ids)
    what = f"built on {base.name} ({base.digest.short}), by its lowest {count} layers"
    if count == 1:
        what = f"built on {base.name} ({base.digest.short}), by its lowest layer"
    if accepted is not None:
        return Remark(what)
    return Finding(
        f"{what}; accepted: {', '.join(options.allowed)}",
        id=base.name.name,
        details={
            "accepted": list(options.allowed),
            "base": str(base.name),
            "digest": str(base.digest),
            "layers": count,
        },
    )


def _judged(claim: BaseClaim, bases: Bases, options: BaseImageOptions) -> Finding | Remark:
    """Judge what the image says of its base, and say that it is no more than that."""
    what = f"the image states by {claim.place} that it is built on {claim.text}, which anyone can write"
    if claim.name is not None:
        name = named(claim.name)
        listed = {base.name for base in bases.listed}
        if is_allowed(name, options) if options.allowed else _tagged(name) in listed:
            return Remark(f"{what}; nothing else tells its base")
    accepted = ", ".join(options.allowed) or "the bases that are listed"
    return Finding(
        f"{what}; accepted: {accepted}",
        id="claim",
        details={"accepted": list(options.allowed), "base": None, "claims": [claim.text]},
    )


def is_allowed(name: Reference, options: BaseImageOptions) -> bool:
    """Whether a base of this name is accepted; without patterns every listed one is."""
    return not options.allowed or any(Pattern.parse(text).matches(name) for text in options.allowed)


def _tagged(name: Reference) -> Reference:
    """Return a name as bases have it: without its digest."""
    return Reference(name.registry, name.repository, name.tag)


RULE = Rule(
    id="base-image",
    title="The image is built on an accepted base",
    rationale=(
        "Whoever makes a base decides what most of an image is and when it is patched. The layers of an image are those of "
        "its base with others on top, so a base is recognised by the digests of its layers, without any word of the "
        "author; the longest listed base counts. What the layers above change is for other rules to judge."
    ),
    remediation=(
        "Build on an accepted base, with its layers as they are (no squashing or flattening). If the base was an older one "
        "of an accepted name, rebuild, or record its digest with `image-gate base record`."
    ),
    severity=Severity.MEDIUM,
    check=check,
)
