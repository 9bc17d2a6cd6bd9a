"""attested: somebody whom the policy names attested something about this very image, and in words that the policy wants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec.structs import replace

from gate.evidence import Attestation, Attestations
from gate.options import Options, describe
from gate.rule import Finding, Remark, Rule, Severity
from gate.rules._predicates import Condition, PredicateType, of_type
from gate.rules._signers import SignersOptions, judged


class RequiredAttestation(Options):
    """One attestation that must be there."""

    type: Annotated[PredicateType, describe("The predicate type.")]
    conditions: Annotated[
        tuple[Condition, ...], describe("What it must say; all of them. Empty: whatever it says.")
    ] = ()

    def is_wanted(self, predicate_type: str) -> bool:
        """Whether an attestation is of the type."""
        return predicate_type == self.type

    def fault(self, attestation: Attestation) -> str:
        """Say which condition an attestation does not meet first; empty if it meets all."""
        faults = (condition.fault(attestation.predicate) for condition in self.conditions)
        return next((fault for fault in faults if fault), "")


class AttestedOptions(SignersOptions):
    """What `attested` can be told."""

    required: Annotated[
        tuple[RequiredAttestation, ...],
        describe(
            "Attestations of which each must be there, of the signers above.", min_length=1, max_length=100
        ),
    ]


def check(attestations: Attestations, options: AttestedOptions) -> Iterator[Finding | Remark]:
    """Look for each required attestation among those of the signers that the policy lists; findings are named by its type."""
    for required in options.required:
        wanted = of_type(attestations, options, required.is_wanted)
        for said in judged(wanted, options, f"attestations {required.type}", required.fault):
            yield replace(said, id=f"{required.type} {said.id}") if isinstance(said, Finding) else said


RULE = Rule(
    id="attested",
    title="Somebody whom the policy names attested what the policy wants to know",
    rationale=(
        "A signed statement ties a result to a digest: that tests ran, that a review was made, that a licence was granted. It "
        "counts by who signed it and by what it says; that there is one says nothing."
    ),
    remediation=(
        "Attest the digest in the job that knows: `cosign attest --type URI --predicate FILE NAME@sha256:…`. `image-gate "
        "signatures NAME` shows what is there now."
    ),
    severity=Severity.HIGH,
    check=check,
)
