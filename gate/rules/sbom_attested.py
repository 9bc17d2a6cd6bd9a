"""sbom-attested: somebody whom the policy names attested the list of contents of this very image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from gate.evidence import Attestation, Attestations
from gate.options import describe
from gate.rule import Finding, Remark, Rule, Severity
from gate.rules._predicates import ALIASES, is_version_of, of_type
from gate.rules._signers import SignersOptions, judged

Format = Literal["spdx", "cyclonedx"]


class SbomAttestedOptions(SignersOptions):
    """What `sbom-attested` can be told."""

    formats: Annotated[tuple[Format, ...], describe("Formats of which one suffices.", min_length=1)] = (
        "spdx",
        "cyclonedx",
    )


def check(attestations: Attestations, options: SbomAttestedOptions) -> Iterator[Finding | Remark]:
    """Look for a list of contents that lists something; its type alone does not make it one."""
    families = [ALIASES[name] for name in options.formats]
    wanted = of_type(
        attestations, options, lambda found: any(is_version_of(found, family) for family in families)
    )
    names = " or ".join(options.formats)
    return judged(wanted, options, f"attested lists of contents ({names})", _fault)


def _fault(attestation: Attestation) -> str:
    """Say why an attestation is no list of contents; empty if it is one."""
    predicate = attestation.predicate
    if is_version_of(attestation.predicate_type, ALIASES["spdx"]):
        if not isinstance(predicate.get("spdxVersion"), str) and "@graph" not in predicate:
            return "it is no SPDX document: it states no spdxVersion"
        entries = predicate.get("packages", predicate.get("@graph"))
    else:
        if predicate.get("bomFormat") != "CycloneDX":
            return "it is no CycloneDX document: its bomFormat is not CycloneDX"
        entries = predicate.get("components")
    return "" if isinstance(entries, list) and entries else "it lists nothing"


RULE = Rule(
    id="sbom-attested",
    title="The list of the image's contents is attested",
    rationale=(
        "When a weakness becomes known, whoever has the lists of contents of what runs knows in minutes where it is. Signed and "
        "bound to the digest, a list is of this image and of the one who built it; found beside it, it could be anyone's of "
        "anything."
    ),
    remediation=(
        "Attest it in the job that builds the image: `cosign attest --type spdxjson --predicate FILE NAME@sha256:…`, or "
        "actions/attest-sbom."
    ),
    severity=Severity.MEDIUM,
    check=check,
)
