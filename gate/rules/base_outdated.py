"""base-outdated: the image's base is still what its tag names."""

from __future__ import annotations

from collections.abc import Iterator

from gate.errors import Unavailable, joined
from gate.evidence import Base, BaseClaim, BaseNow, Bases, BaseTags
from gate.oci.filesystem import Filesystem
from gate.oci.reference import Reference
from gate.rule import Finding, Remark, Rule, Severity
from gate.rules._built_on import BasesOptions, named, unrecognised


class BaseOutdatedOptions(BasesOptions):
    """What `base-outdated` can be told."""


def check(
    filesystem: Filesystem, bases: Bases, tags: BaseTags, options: BaseOutdatedOptions
) -> Iterator[Finding | Remark]:
    """Compare the recognised base with what its tag names now, under each of the names that it is listed by."""
    found = bases.under(filesystem.diff_ids)
    if found:
        yield from _by_layers(found, tags)
    elif options.claims and bases.claims and not bases.missing:
        for claim in bases.claims:
            yield from _by_claim(claim, tags)
    elif not bases.missing:
        raise Unavailable(
            f"the base is not known: {unrecognised(bases, filesystem.diff_ids)}",
            hint="list the bases that are used; `image-gate base record` keeps those that a tag no longer names",
        )
    if bases.missing:
        raise joined(list(bases.missing.values()))


def _by_layers(found: tuple[Base, ...], tags: BaseTags) -> Iterator[Finding | Remark]:
    """Judge each tag that a base with these layers is listed under.

    A digest can change without this platform's image, which is then no older: its layers decide.
    """
    for name in dict.fromkeys(base.name for base in found):
        same = [base for base in found if base.name == name]
        now = _now(name, tags)
        digests = {digest for base in same for digest in (base.digest, base.manifest)}
        if now.digest in digests or same[0].diff_ids in now.layers:
            yield Remark(f"its base is what {name} names now, {now.digest.short}")
        else:
            yield _finding(name, same[-1].digest, now, "by its layers")


def _by_claim(claim: BaseClaim, tags: BaseTags) -> Iterator[Finding | Remark]:
    """Judge what the image says of its base."""
    what = f"the image states by {claim.place} that it is built on {claim.text}"
    if claim.name is None or (claim.digest or claim.name.digest) is None:
        raise Unavailable(f"{what}, without saying by which digest")
    name = named(claim.name)
    name = Reference(name.registry, name.repository, name.tag)
    if name not in tags.now:
        raise Unavailable(
            f"{what}, which is none of the bases that are listed, so its registry was not asked",
            hint="list it under `bases`: no image can have a registry asked that nobody named",
        )
    now = _now(name, tags)
    digest = claim.digest or claim.name.digest
    assert digest is not None
    if digest in (now.digest, *now.manifests):
        yield Remark(f"{what} ({digest.short}), which anyone can write, and that is what {name} names now")
    else:
        yield _finding(name, digest, now, f"as the image states by {claim.place}")


def _now(name: Reference, tags: BaseTags) -> BaseNow:
    """Return what a tag names now; raises `Unavailable` where that is not known."""
    if not name.tag:
        raise Unavailable(
            f"the base {name} is listed by digest alone, so nothing says what is newer",
            hint="list it as NAME:TAG@DIGEST",
        )
    found = tags.now.get(name)
    if isinstance(found, BaseNow):
        return found
    raise found or Unavailable(f"what {name} names now was not asked")


def _finding(name: Reference, digest: object, now: BaseNow, evidence: str) -> Finding:
    """Say what the base was and what its tag names now."""
    return Finding(
        f"built on {name} when that was {digest}, {evidence}; it names {now.digest} now",
        id=str(name),
        remediation=f"Rebuild on {name}, which has changed since.",
        details={"base": str(name), "digest": str(digest), "now": str(now.digest)},
    )


RULE = Rule(
    id="base-outdated",
    title="The base is what its tag names today",
    rationale=(
        "A base gets its fixes by being built anew under the same tag. An image that was built before does not have them, "
        "however young it is. The registry is asked what the tag of the recognised base names now; a new digest with the "
        "same layers for this platform is nothing newer."
    ),
    remediation="Rebuild the image with a fresh pull of its base (`docker build --pull`), and schedule that.",
    severity=Severity.MEDIUM,
    check=check,
)
