"""Signatures and attestations as evidence: verified already, of keys and workflows that tests name in a word."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from gate.evidence import Attestation, Attestations, Identity, RefusedSignature, Signature, Signatures, Signer
from gate.oci.descriptor import Digest
from gate.options import Mark, Node, decode
from gate.rules._signers import SignersOptions

MANIFEST, INDEX = Digest("sha256", "a" * 64), Digest("sha256", "b" * 64)
GITHUB = "https://token.actions.githubusercontent.com"
SIGNED_AT = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
WORKFLOW = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
CLAIMS = {
    "build-signer-uri": WORKFLOW,
    "build-config-uri": WORKFLOW,
    "source-repository-uri": "https://github.com/acme/app",
    "source-repository-ref": "refs/heads/main",
    "build-trigger": "push",
}

AnyOptions = TypeVar("AnyOptions", bound=SignersOptions)


def fingerprint(word: str) -> str:
    """The fingerprint of the one key in the file `WORD.pub`."""
    return f"sha256:{word:0>64}"


def key(word: str) -> Signer:
    """A signer with the key of that file."""
    return Signer(key=fingerprint(word))


def workflow(subject: str = WORKFLOW, issuer: str = GITHUB, **claims: str) -> Signer:
    """A workflow; claims are written with underscores, and what is not stated is of `WORKFLOW`."""
    told = {**CLAIMS, **{name.replace("_", "-"): value for name, value in claims.items()}}
    if subject != WORKFLOW and "build_signer_uri" not in claims:
        told["build-signer-uri"] = subject
    return Signer(
        identity=Identity(subject, "uri", issuer, told), log_index=7, log="log.test", signed_at=SIGNED_AT
    )


def signature(signer: Signer, about: Digest = MANIFEST, **claims: str) -> Signature:
    """A signature of somebody."""
    return Signature(signer, "sha256:1", "registry.example.com/shop/api", about, about == INDEX, claims)


def attestation(
    signer: Signer, predicate_type: str, predicate: Mapping[str, Any], about: Digest = MANIFEST
) -> Attestation:
    """An attestation of somebody."""
    of_index = about == INDEX
    return Attestation(signer, "sha256:2", "a place", about, of_index, {}, predicate_type, predicate)


def refused(reason: str) -> RefusedSignature:
    """Something that did not verify."""
    return RefusedSignature("sha256:3", "a place", reason)


def options(kind: type[AnyOptions], **given: Any) -> AnyOptions:
    """Options as a policy writes them, with underscores; without `signers` they are the key `a.pub`."""
    plain = {
        "signers": [{"key": "a.pub"}],
        **{name.replace("_", "-"): value for name, value in given.items()},
    }
    return decode(Node.of(plain, Mark("p", 1, 1)), kind, "it")


def signatures(told: SignersOptions, *found: Signature | RefusedSignature, **more: Any) -> Signatures:
    """The evidence of what was found, under what these options trust."""
    return Signatures((MANIFEST, INDEX), *_parted(told, found), keys=_keys(told), **more)


def attestations(told: SignersOptions, *found: Attestation | RefusedSignature, **more: Any) -> Attestations:
    """The same for attestations."""
    return Attestations((MANIFEST, INDEX), *_parted(told, found), keys=_keys(told), **more)


def _parted(told: SignersOptions, found: tuple[Any, ...]) -> tuple[Any, Any]:
    accepted = tuple(one for one in found if not isinstance(one, RefusedSignature))
    others = tuple(one for one in found if isinstance(one, RefusedSignature))
    return {told.trust: accepted}, {told.trust: others}


def _keys(told: SignersOptions) -> dict[str, frozenset[str]]:
    return {name: frozenset({fingerprint(name.removesuffix(".pub"))}) for name in told.trust.keys}
