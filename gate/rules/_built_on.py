"""What the rules about base images share: how a policy lists bases, and how claims of an image are told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec.structs import replace

from gate.evidence import BaseClaim, Bases
from gate.limits import LIMITS
from gate.oci.reference import Reference
from gate.options import Options, describe

IMPLIED_TAG = "latest"
"""What a name without tag and digest means to every engine."""


class BaseName(str):
    """The full name of a base, with a tag, a digest or both."""

    __slots__ = ()
    SYNTAX = "an image name with a tag, a digest or both: docker.io/library/debian:12"

    @classmethod
    def parse(cls, value: str) -> BaseName:
        """Parse a name; raises `InvalidInput`."""
        return cls(named(Reference.parse(value)))


class BasesOptions(Options):
    """How a policy lists bases."""

    bases: Annotated[
        tuple[BaseName, ...],
        describe(
            "Bases by name, with a tag, a digest or both; their registries are asked for their layers. What either of "
            "base-image and base-outdated lists, both know.",
            max_length=LIMITS.bases,
        ),
    ] = ()
    file: Annotated[
        str,
        describe(
            "A file of bases that `image-gate base record` wrote; its path starts from the policy's folder. It knows bases "
            "also as they were.",
            max_length=1_000,
        ),
    ] = ""
    claims: Annotated[
        bool,
        describe(
            "Whether the base that the image states itself, in annotations or labels, counts where no layers tell. Anyone "
            "can write those."
        ),
    ] = False


def named(reference: Reference) -> Reference:
    """Return a name with the tag that it implies."""
    return reference if reference.tag or reference.digest else replace(reference, tag=IMPLIED_TAG)


def claimed(claims: Iterable[BaseClaim]) -> str:
    """Return what claims say, to be put behind what is known; empty without any."""
    texts = [
        f"{claim.text} by {claim.place}" + (f" ({claim.digest.short})" if claim.digest else "")
        for claim in claims
    ]
    return f"; the image states {' and '.join(texts)}, which anyone can write" if texts else ""


def unrecognised(bases: Bases, diff_ids: Iterable[str]) -> str:
    """Say that no listed base is under an image, and whether the layers of one are there otherwise."""
    have = set(diff_ids)
    near = next((base for base in bases.listed if base.diff_ids and have.issuperset(base.diff_ids)), None)
    count = len(bases.listed)
    text = (
        "no base is listed" if not count else "its lowest layers are not those of the one base that is listed"
    )
    if count > 1:
        text = f"its lowest layers are those of none of the {count} bases that are listed"
    if near is not None:
        text += f"; it has all layers of {near.name}, but not at its bottom in their order"
    return text + claimed(bases.claims)
