"""Ask sigstore-python about a signature that we accepted, where it covers the shape: a disagreement is never a pass.

It covers bundles with an envelope, a certificate for a P-256 key, one SCT and one log entry with proof and checkpoint,
under a root that has both kinds of logs. Importing this module takes most of a second, so a collector imports it while
bytes are on their way, and only if signatures are asked for at all.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from sigstore.errors import Error, VerificationError
from sigstore.models import Bundle
from sigstore.models import TrustedRoot as TheirRoot
from sigstore.verify import Verifier, policy

from gate.errors import Unavailable
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.signatures import Demand, Identity, Material, Refused, Signer, TrustedRoot, certificate
from gate.signatures.bundle import MEDIA_TYPES

_ENTRIES = frozenset({("dsse", "0.0.1"), ("hashedrekord", "0.0.2")})


class SecondOpinion:
    """sigstore-python's verifier under one trusted root."""

    def __init__(self, root: TrustedRoot) -> None:
        """Build the verifier; raises `Unavailable` where sigstore-python cannot read a root that we can."""
        self.root = root
        try:
            with tempfile.TemporaryDirectory(prefix="image-gate-") as folder:
                path = Path(folder) / "trusted_root.json"
                path.write_bytes(root.document)
                self._verifier = Verifier(trusted_root=TheirRoot.from_file(str(path)))
        except Exception as error:  # noqa: BLE001 -- of whatever kind (pydantic's among them): there is no second opinion
            raise Unavailable(
                f"sigstore-python cannot read the trusted root {root.name}: {type(error).__name__}"
            ) from None

    def confirm(self, data: bytes, material: Material, signer: Signer) -> None:
        """Raise `Refused` unless sigstore-python accepts a bundle, too, and sees the same signer and the same bytes.

        `data` is the bundle as it was found, `material` and `signer` what we made of it; `covers` must hold.
        """
        try:
            assert signer.identity is not None
            self._verify(Bundle.from_json(_completed(data)), material, signer.identity)
        except Refused:
            raise
        except VerificationError as error:
            raise Refused(f"we accept it, and sigstore-python refuses it: {error}") from None
        except Exception as error:  # noqa: BLE001 -- it raises TypeError and pydantic's errors as well
            kind = error if isinstance(error, Error) else type(error).__name__
            raise Refused(f"we accept it, and sigstore-python cannot read it: {kind}") from None

    def _verify(self, bundle: Bundle, material: Material, identity: Identity) -> None:
        """Let sigstore-python verify, for the identity that we saw."""
        issuer = policy.AnyOf([policy.OIDCIssuerV2(identity.issuer), policy.OIDCIssuer(identity.issuer)])
        same = policy.AllOf([policy.Identity(identity=identity.subject), issuer])
        if self._verifier.verify_dsse(bundle, same) != (material.payload_type, material.payload):
            raise Refused("we and sigstore-python read two different payloads in it")


def covers(material: Material, root: TrustedRoot, without: frozenset[Demand] = frozenset()) -> bool:
    """Return whether sigstore-python can be asked about such a signature under such a root; it gives up no demands."""
    if without:
        return False
    if material.media_type not in MEDIA_TYPES or not material.certificates or len(material.entries) != 1:
        return False
    entry = material.entries[0]
    if not material.payload_type or entry.proof is None or (entry.kind, entry.version) not in _ENTRIES:
        return False
    if not root.logs or not root.certificate_logs or (material.timestamps and not root.timestamp_authorities):
        return False
    leaf = certificate.load(material.certificates[0], "the certificate")
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        return False
    try:
        scts = leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps)
    except x509.ExtensionNotFound:
        return False
    return len(list(scts.value)) == 1


def _completed(data: bytes) -> str:
    """Return a bundle with the zeros that its format leaves out, which sigstore-python insists on."""
    found = strict_json.parse(data, "the bundle", limit=LIMITS.signature)
    for entry in found["verificationMaterial"]["tlogEntries"]:
        entry.setdefault("logIndex", "0")
        for name, value in (("logIndex", "0"), ("hashes", []), ("treeSize", "0")):
            entry["inclusionProof"].setdefault(name, value)
    return json.dumps(found)
