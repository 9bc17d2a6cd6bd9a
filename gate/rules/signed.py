"""signed: somebody whom the policy names signed this very image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import field

from gate.evidence import Signature, Signatures
from gate.options import Text, describe
from gate.rule import Finding, Remark, Rule, Severity
from gate.rules._signers import SignersOptions, judged


class SignedOptions(SignersOptions):
    """What `signed` can be told."""

    claims: Annotated[
        dict[Text, str],
        describe(
            "Claims that must have been signed along, by name, such as those of `cosign sign -a env=prod`."
        ),
    ] = field(default_factory=dict)


def check(signatures: Signatures, options: SignedOptions) -> Iterator[Finding | Remark]:
    """Count the signatures of the signers that the policy lists; an attestation is none."""

    def fault(signature: Signature) -> str:
        for name, value in options.claims.items():
            if signature.claims.get(name) != value:
                stated = repr(signature.claims[name][:100]) if name in signature.claims else "nothing"
                return f"it claims {stated} as {name}, not {value!r}"
        return ""

    return judged(signatures, options, "signatures", fault)


RULE = Rule(
    id="signed",
    title="The image is signed by somebody whom the policy names",
    rationale=(
        "Whoever can write to a registry, or stands between it and the cluster, can give an image another content. A signature "
        "ties the digest to a key or to the identity of a workflow, so what was not built by the one who should have built it "
        "is found. Only a signature counts as one: an attestation says something about an image, and its signer may have "
        "meant nothing by it."
    ),
    remediation=(
        "Sign the digest in the job that builds the image: `cosign sign NAME@sha256:…`. `image-gate signatures NAME` shows what "
        "is there now and what it would satisfy."
    ),
    severity=Severity.HIGH,
    check=check,
)
