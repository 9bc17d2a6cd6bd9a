"""The signature that a project publishes beside its releases: it must be of the workflow that makes them, over these bytes.

A release whose bytes are known needs none, so none that is missing is a failure; but one that is there and does not hold says
that something is wrong, with the release or with where it came from.
"""

from __future__ import annotations

import hashlib
import re

from gate.errors import ImageGateError, IntegrityError
from gate.evidence import Identity, Signer
from gate.oci.descriptor import Digest
from gate.scanners.approval import ReleaseSigner
from gate.signatures import Material, Refused, Trust, bundle, trust
from gate.signatures.second_opinion import SecondOpinion, covers
from gate.signatures.statement import statement_of
from gate.signatures.verify import verify

_ANY_VERSION = r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}"


def verified(data: bytes, digest: str, wanted: ReleaseSigner, version: str) -> Signer:
    """Return who signed a file (`sha256:…`), by the bundle beside it; `version` is empty where it is not known.

    1. It holds under the root of the public Sigstore instance; where sigstore-python covers its shape, that must agree.
    2. It is of the workflow that makes the releases of this scanner, for this version.
    3. It signs these bytes, or states something about them.

    Raises `IntegrityError` for any other, and `Unavailable` where there is no root to verify under.
    """
    root = trust.public_good()
    try:
        material = bundle.from_bytes(data)
        signer = verify(material, Trust(roots=(root,)))  # 1
        if covers(material, root):
            SecondOpinion(root).confirm(data, material, signer)  # 1
        _refuse_stranger(signer.identity, wanted, version)  # 2
        if Digest.parse(digest) not in _signed(material):  # 3
            raise Refused("it is about another file")
    except Refused as error:
        raise _refused(wanted, error) from None
    return signer


def listed(checksums: bytes, archive: str, wanted: ReleaseSigner) -> str:
    """Return the digest of a file of checksums that lists an archive; raises `IntegrityError` for one that does not."""
    if archive.removeprefix("sha256:").encode() not in {
        line.split(b" ")[0] for line in checksums.splitlines()
    }:
        raise _refused(wanted, Refused("the signed checksums do not list this archive"))
    return f"sha256:{hashlib.sha256(checksums).hexdigest()}"


def _refuse_stranger(identity: Identity | None, wanted: ReleaseSigner, version: str) -> None:
    """Raise `Refused` for a signature of anybody but the workflow that makes the releases."""
    if identity is None:
        raise Refused("it was made with a key, and releases are signed by a workflow")
    stated = re.escape(version) or _ANY_VERSION
    pattern = stated.join(re.escape(part) for part in wanted.identity.split("{version}"))
    if identity.issuer != wanted.issuer or not re.fullmatch(pattern, identity.subject, re.ASCII):
        raise Refused(f"it is of {identity.subject[:300]} (issuer {identity.issuer[:200]})")


def _signed(material: Material) -> set[Digest]:
    """Return what a signature is about."""
    if material.message_digest is not None:
        return {material.message_digest}
    return {subject.digest for subject in statement_of(material).subjects}


def _refused(wanted: ReleaseSigner, error: ImageGateError) -> IntegrityError:
    """Build the error for a signature that is there and does not count."""
    return IntegrityError(
        f"the signature of the release of {wanted.scanner} does not count: {error.message}",
        hint=f"releases are signed as {wanted.identity}; do not use this one before you know what happened",
    )
