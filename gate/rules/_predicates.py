"""What attestations state: their types by name, and values in them by JSON pointer (RFC 6901)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from gate.errors import InvalidInput
from gate.evidence import Attestations
from gate.options import Options, describe
from gate.rules._signers import SignersOptions

ALIASES = {
    "slsaprovenance02": "https://slsa.dev/provenance/v0.2",
    "slsaprovenance1": "https://slsa.dev/provenance/v1",
    "spdx": "https://spdx.dev/Document",
    "cyclonedx": "https://cyclonedx.org/bom",
    "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
    "openvex": "https://openvex.dev/ns",
    "link": "https://in-toto.io/Link/v1",
    "custom": "https://cosign.sigstore.dev/attestation/v1",
    "vsa": "https://slsa.dev/verification_summary/v1",
}
"""The words of `cosign attest --type`, and what they stand for."""

Scalar = str | int | float | bool
_MISSING = object()


class PredicateType(str):
    """The type of an attestation, in full."""

    __slots__ = ()
    SYNTAX = f"a URI, or one of {', '.join(ALIASES)}"

    @classmethod
    def parse(cls, value: str) -> PredicateType:
        """Check a type; raises `InvalidInput` for a word that stands for none."""
        found = ALIASES.get(value, value)
        if ":" not in found or not found.isprintable():
            raise InvalidInput(f"{value[:100]!r} is no type of attestation", hint=f"write {cls.SYNTAX}")
        return cls(found)


class Pointer(str):
    """A place in a JSON document."""

    __slots__ = ()
    SYNTAX = "a JSON pointer such as /metadata/author or /results/0/status"

    @classmethod
    def parse(cls, value: str) -> Pointer:
        """Check a pointer; raises `InvalidInput`."""
        if not value.startswith("/"):
            raise InvalidInput(f"{value[:100]!r} is no JSON pointer", hint=f"write {cls.SYNTAX}")
        return cls(value)

    def of(self, document: object) -> object:
        """Return the value there, or what `is_missing` recognises."""
        found = document
        for part in self[1:].split("/"):
            step = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping):
                found = found.get(step, _MISSING)
            elif isinstance(found, list) and step.isdecimal() and step.isascii() and len(step) < 10:
                found = found[int(step)] if int(step) < len(found) else _MISSING
            else:
                return _MISSING
        return found


class Condition(Options):
    """What must stand at one place of an attestation."""

    field: Annotated[Pointer, describe("The place in the predicate, as a JSON pointer.")]
    equals: Annotated[
        Scalar | UnsetType,
        describe("The value that must stand there; text, number and truth are different things."),
    ] = UNSET
    any_of: Annotated[tuple[Scalar, ...] | UnsetType, describe("Values of which one must stand there.")] = (
        UNSET
    )

    def __post_init__(self) -> None:
        if (self.equals is UNSET) == (self.any_of is UNSET):
            raise ValueError("a condition has either `equals` or `any-of`")

    def fault(self, document: object) -> str:
        """Say what is there instead; empty if it is met."""
        return unequal(self.field, document, (self.equals,) if self.equals is not UNSET else self.any_of)


def unequal(place: Pointer, document: object, wanted: Any) -> str:
    """Say what stands at a place that holds none of the wanted values; empty if it holds one."""
    found = place.of(document)
    if any(type(found) is type(value) and found == value for value in wanted):
        return ""
    expected = " or ".join(repr(value) for value in wanted)
    return f"{place} is {shown(found)}, not {expected}"


def shown(value: object) -> str:
    """Describe a value that somebody attested, in a few characters."""
    if value is _MISSING:
        return "not stated"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return repr(value)[:200]


def of_type(found: Attestations, options: SignersOptions, is_wanted: Callable[[str], bool]) -> Attestations:
    """Return the attestations of some types; the type is of the signed payload, whatever annotations say."""
    accepted = tuple(one for one in found.accepted.get(options.trust, ()) if is_wanted(one.predicate_type))
    return replace(found, accepted={options.trust: accepted})


def is_version_of(predicate_type: str, family: str) -> bool:
    """Whether a type is of a family, which may state a version behind it (`https://spdx.dev/Document/v2.3`)."""
    return predicate_type == family or predicate_type.startswith(f"{family}/")
