"""provenance: a builder whom the policy names attested how and from what this very image was built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import UNSET, UnsetType

from gate.evidence import Attestation, Attestations
from gate.options import Text, describe
from gate.rule import Finding, Remark, Rule, Severity
from gate.rules._identity_patterns import IdentityPattern, RefPattern
from gate.rules._predicates import Condition, of_type
from gate.rules._provenance import V0_2, V1, Provenance, Source, provenance_of
from gate.rules._signers import SignersOptions, judged


class ProvenanceOptions(SignersOptions):
    """What `provenance` can be told."""

    builder: Annotated[
        IdentityPattern | UnsetType,
        describe(
            "The builder's id, exactly or as a pattern. GitHub's is the workflow that attested: "
            "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main."
        ),
    ] = UNSET
    source: Annotated[
        IdentityPattern | UnsetType,
        describe("The address of the repository that was built, without .git: https://github.com/acme/app."),
    ] = UNSET
    ref: Annotated[
        RefPattern | UnsetType, describe("The ref that was built: refs/heads/main, refs/tags/v*.")
    ] = UNSET
    build_type: Annotated[Text | UnsetType, describe("The type of build, exactly.")] = UNSET
    parameters: Annotated[
        tuple[Condition, ...],
        describe(
            "What must stand in the build's external parameters, such as {field: /workflow/path, equals: ci.yml}."
        ),
    ] = ()
    versions: Annotated[
        tuple[Literal["v0.2", "v1"], ...],
        describe("Versions of SLSA provenance that are accepted: v0.2, v1.", min_length=1),
    ] = ("v0.2", "v1")


def check(attestations: Attestations, options: ProvenanceOptions) -> Iterator[Finding | Remark]:
    """Look for provenance of a signer that the policy lists, and compare what it states."""
    types = {{"v0.2": V0_2, "v1": V1}[name] for name in options.versions}
    wanted = of_type(attestations, options, lambda found: found in types)

    def fault(attestation: Attestation) -> str:
        return _fault(provenance_of(attestation.predicate_type, attestation.predicate), options)

    return judged(wanted, options, "provenance attestations", fault)


def _fault(found: Provenance, options: ProvenanceOptions) -> str:
    """Say what differs first; empty if nothing does. What is not stated differs from anything that is wanted."""
    if options.builder is not UNSET and not options.builder.matches(found.builder):
        return f"its builder is {found.builder[:200] or 'not stated'}, not {options.builder}"
    if options.build_type is not UNSET and found.build_type != options.build_type:
        return f"its build type is {found.build_type[:200] or 'not stated'}, not {options.build_type}"
    if (options.source is not UNSET or options.ref is not UNSET) and not _from_there(found.sources, options):
        stated = ", ".join(f"{one.repository} {one.ref}".strip()[:200] for one in found.sources[:3])
        wanted = " ".join(str(one) for one in (options.source, options.ref) if one is not UNSET)
        return f"its source is {stated or 'not stated'}, not {wanted}"
    faults = (condition.fault(found.parameters) for condition in options.parameters)
    return next((f"its parameter {fault}" for fault in faults if fault), "")


def _from_there(sources: tuple[Source, ...], options: ProvenanceOptions) -> bool:
    """Whether a source is stated, and every one that is is the wanted one: of two, nobody knows which was built."""
    return bool(sources) and all(
        (options.source is UNSET or options.source.matches(one.repository))
        and (options.ref is UNSET or options.ref.matches(one.ref))
        for one in sources
    )


RULE = Rule(
    id="provenance",
    title="Where the image comes from is attested by a builder whom the policy names",
    rationale=(
        "An image that was built on a laptop, from a branch nobody reviewed, or with other parameters looks like any other. "
        "Provenance is the builder's own word, in the form of SLSA, on what it built from what. It is worth as much as its "
        "signer: so signers are listed with it, and its builder is compared beside them."
    ),
    remediation=(
        "Let the builder attest it: actions/attest-build-provenance on GitHub, or `cosign attest --type slsaprovenance1` in the "
        "job that builds. `image-gate signatures NAME` shows what is there now."
    ),
    severity=Severity.HIGH,
    check=check,
)
