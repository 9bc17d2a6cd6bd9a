"""An RFC 3161 timestamp authority in memory: it stamps what it is given, at any time asked for."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.kit import der

_SHA256 = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"))
_ECDSA_SHA256 = der.sequence(der.oid("1.2.840.10045.4.3.2"))
_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
_TST_INFO = der.oid("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
_POLICY = der.oid("1.3.6.1.4.1.57264.2")


class TimestampAuthority:
    """Stamps signatures with a certificate that its own root issued."""

    def __init__(self, start: datetime, days: int = 3650) -> None:
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        end = start + timedelta(days=days)
        root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "timestamp root")])
        leaf = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "timestamp authority")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        self.root = (
            _builder(root, root, self._root_key.public_key(), (start, end))
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._root_key, hashes.SHA256())
        )
        self.certificate = (
            _builder(leaf, root, self._key.public_key(), (start, end))
            .add_extension(purpose, critical=True)
            .sign(self._root_key, hashes.SHA256())
        )

    def stamp(self, data: bytes, when: datetime) -> bytes:
        """Return a timestamp response over `data`, with the authority's certificate in it."""
        imprint = der.sequence(_SHA256, der.octets(hashlib.sha256(data).digest()))
        info = der.sequence(der.integer(1), _POLICY, imprint, der.integer(1), der.time(when))
        attributes = (
            der.sequence(_CONTENT_TYPE, der.set_of(_TST_INFO)),
            der.sequence(_MESSAGE_DIGEST, der.set_of(der.octets(hashlib.sha256(info).digest()))),
        )
        signature = self._key.sign(der.set_of(*attributes), ec.ECDSA(hashes.SHA256()))
        signer = der.sequence(
            der.integer(1),
            der.sequence(self.certificate.issuer.public_bytes(), der.integer(self.certificate.serial_number)),
            _SHA256,
            der.value(0xA0, b"".join(sorted(attributes))),
            _ECDSA_SHA256,
            der.octets(signature),
        )
        signed = der.sequence(
            der.integer(3),
            der.set_of(_SHA256),
            der.sequence(_TST_INFO, der.tagged(0, der.octets(info))),
            der.value(0xA0, self.certificate.public_bytes(Encoding.DER)),
            der.set_of(signer),
        )
        granted = der.sequence(der.integer(0))
        return der.sequence(granted, der.sequence(_SIGNED_DATA, der.tagged(0, signed)))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, valid: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
    )
