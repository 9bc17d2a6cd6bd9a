"""The rules that the signatures of an image satisfy now, to start a policy from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gate.errors import ImageGateError
from gate.evidence import Attestation, Identity, Signature, Signer
from gate.options import Mark, Node, decode
from gate.rules._identity_patterns import IdentityPattern
from gate.rules._predicates import ALIASES, is_version_of
from gate.rules._provenance import V0_2, V1, provenance_of
from gate.rules._signer import GITHUB_ISSUER, GITLAB_ISSUER, SignerEntry

Rules = dict[str, dict[str, Any]]
"""Rule entries as they are written in a policy."""

_PLACE = Mark("the suggestion", 1, 1)
_SCANS = "https://in-toto.io/attestation/vulns"
_VERDICTS = frozenset({ALIASES["vsa"], "urn:image-gate:verdict:v1"})
"""What is judged under a policy and signed after that: a policy that requires it could never be satisfied first."""


def suggested(
    signatures: Sequence[Signature], attestations: Sequence[Attestation], keys: Mapping[str, frozenset[str]]
) -> Rules:
    """Return the rules that verified signatures and attestations satisfy; `keys` are the fingerprints by file.

    Each rule lists the signers of what satisfies it, of which one suffices; whoever wants all of them adds a threshold.
    """
    attestations = [one for one in attestations if one.predicate_type not in _VERDICTS]
    rules: Rules = {}
    if signatures:
        rules["signed"] = {"signers": _signers(signatures, keys)}
    for rule in sorted({_rule(one) for one in attestations}):
        those = [one for one in attestations if _rule(one) == rule]
        rules[rule] = {"signers": _signers(those, keys), **_more(rule, those)}
    return rules


def signer_entry(signer: Signer, keys: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    """Return how a policy writes a signer: the file of its key, its workflow where it is a forge's, else its identity."""
    identity = signer.identity
    if identity is None:
        return {"key": next((name for name, held in keys.items() if signer.key in held), signer.key)}
    exact = {"identity": identity.subject, "issuer": identity.issuer}
    for entry in (_github(identity), _gitlab(identity)):
        if entry and _holds(entry, identity):
            return entry
    return exact


def _signers(found: Sequence[Signature], keys: Mapping[str, frozenset[str]]) -> list[dict[str, Any]]:
    """Return the signers of some signatures, each once."""
    entries = [signer_entry(one.signer, keys) for one in found]
    return [entry for number, entry in enumerate(entries) if entry not in entries[:number]]


def _github(identity: Identity) -> dict[str, Any]:
    """Return the entry of a workflow of github.com; empty for another identity."""
    claims = identity.claims
    address = claims.get("source-repository-uri", "")
    if identity.issuer != GITHUB_ISSUER or not address.startswith("https://github.com/"):
        return {}
    entry = {"repository": address.removeprefix("https://github.com/")}
    config, signer = claims.get("build-config-uri", ""), claims.get("build-signer-uri", "")
    if config.startswith(f"{address}/"):
        entry["workflow"] = config.removeprefix(f"{address}/").partition("@")[0]
    if signer and not signer.startswith(f"{address}/"):
        entry["signer-workflow"] = signer.removeprefix("https://github.com/")
    return {"github": {**entry, **_ref_and_trigger(claims)}}


def _gitlab(identity: Identity) -> dict[str, Any]:
    """Return the entry of a pipeline of gitlab.com; empty for another identity."""
    claims = identity.claims
    address = claims.get("source-repository-uri", "")
    if identity.issuer != GITLAB_ISSUER or not address.startswith("https://gitlab.com/"):
        return {}
    entry = {"project": address.removeprefix("https://gitlab.com/")}
    config = claims.get("build-config-uri", "")
    if config.startswith(f"{address}//"):
        entry["config"] = config.removeprefix(f"{address}//").partition("@")[0]
    return {"gitlab": {**entry, **_ref_and_trigger(claims)}}


def _ref_and_trigger(claims: Mapping[str, str]) -> dict[str, str]:
    """Return what was built and why; of a tag any, because the next release has another."""
    ref, trigger = claims.get("source-repository-ref", ""), claims.get("build-trigger", "")
    if ref.startswith("refs/tags/"):
        ref = "refs/tags/**"
    return {name: value for name, value in (("ref", ref), ("trigger", trigger)) if value}


def _holds(entry: dict[str, Any], identity: Identity) -> bool:
    """Whether an entry can be written so, and is satisfied by whom it was made for."""
    try:
        return not decode(Node.of(entry, _PLACE), SignerEntry, "the signer").mismatch(identity)
    except ImageGateError:
        return False


def _rule(attestation: Attestation) -> str:
    """Return the rule that an attestation is for."""
    found = attestation.predicate_type
    if found in (V0_2, V1):
        return "provenance"
    if any(is_version_of(found, ALIASES[name]) for name in ("spdx", "cyclonedx")):
        return "sbom-attested"
    return "scan-attested" if found == ALIASES["vuln"] or is_version_of(found, _SCANS) else "attested"


def _more(rule: str, those: Sequence[Attestation]) -> dict[str, Any]:
    """Return what a rule asks of attestations beside their signers."""
    if rule == "attested":
        return {"required": [{"type": name} for name in sorted({one.predicate_type for one in those})]}
    if rule != "provenance":
        return {}
    found = [provenance_of(one.predicate_type, one.predicate) for one in those]
    more = {
        "builder": {_at_any_tag(one.builder) for one in found},
        "source": {
            source.repository for one in found for source in one.sources if "*" not in source.repository
        },
    }
    stated = {name: values.pop() for name, values in more.items() if len(values) == 1}
    return {name: value for name, value in stated.items() if _is_pattern(value)}


def _at_any_tag(builder: str) -> str:
    """Return a builder's id for the next release as well, which has another tag; what has wildcards of its own is left out."""
    if "*" in builder:
        return ""
    workflow, at, _ = builder.partition("@refs/tags/")
    return f"{workflow}{at}**" if at else builder


def _is_pattern(value: str) -> bool:
    """Whether a value that an attestation states can be written in a policy and means itself there."""
    try:
        IdentityPattern.parse(value)
    except ImageGateError:
        return False
    return True
