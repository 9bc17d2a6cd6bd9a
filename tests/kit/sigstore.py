"""A Sigstore instance in memory: it signs images as cosign, GitHub and GitLab do, and wrongly where it is told to.

It has an authority for certificates (Fulcio), a log of certificates, transparency logs of both versions (Rekor) and a
timestamp authority. What it makes, cosign and sigstore-python accept as well.

    instance = Sigstore()
    bundle = instance.signature(digest)                        # bytes of a bundle, keyless
    bundle = instance.attestation(digest, predicate_type, {})
    payload, annotations = instance.legacy_signature(digest)   # a layer of a `.sig` manifest
    roots = instance.roots()                                   # what a verifier trusts

`Signing` says who signs and how; with a `key` it is that key, without an identity.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct
from msgspec.structs import replace

from gate.signatures import PublicKey, TrustedRoot, trust
from tests.kit import der
from tests.kit.timestamp_authority import TimestampAuthority
from tests.kit.transparency_log import Log, b64, canonical

NOW = datetime(2026, 1, 15, 12, 0, 0, tzinfo=UTC)
WORKFLOW = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
ISSUER = "https://token.actions.githubusercontent.com"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
COSIGN_SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE_ENVELOPE = "application/vnd.dsse.envelope.v1+json"
GITHUB_CLAIMS: Mapping[int, str] = {
    9: WORKFLOW,
    11: "github-hosted",
    12: "https://github.com/acme/app",
    13: "5324d6edc3cd4edc6ae44251ec13884b1e7d4242",
    14: "refs/heads/main",
    16: "https://github.com/acme",
    18: WORKFLOW,
    20: "push",
    21: "https://github.com/acme/app/actions/runs/1/attempts/1",
}
"""Claims of a certificate for a workflow of GitHub, by the last number of Fulcio's extension."""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def new_key(kind: str = "p256") -> PrivateKey:
    """Return a private key: `p256`, `p384`, `p521`, `rsa` or `ed25519`."""
    curves: dict[str, ec.EllipticCurve] = {
        "p256": ec.SECP256R1(),
        "p384": ec.SECP384R1(),
        "p521": ec.SECP521R1(),
    }
    if kind in curves:
        return ec.generate_private_key(curves[kind])
    return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ed25519.Ed25519PrivateKey.generate()


def spki(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def trusted(key: PrivateKey, name: str = "test.pub") -> PublicKey:
    """Return the public half as a policy trusts it."""
    return PublicKey(spki(key), f"sha256:{hashlib.sha256(spki(key)).hexdigest()}", name)


def sign(key: PrivateKey, data: bytes) -> bytes:
    """Sign with the hash that belongs to the key."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        own: dict[int, hashes.HashAlgorithm] = {
            256: hashes.SHA256(),
            384: hashes.SHA384(),
            521: hashes.SHA512(),
        }
        return key.sign(data, ec.ECDSA(own[key.curve.key_size]))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(data)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return what DSSE signs."""
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)


def statement(
    digest: str, predicate_type: str = COSIGN_SIGNATURE, predicate: Mapping[str, Any] | None = None
) -> bytes:
    """Return an in-toto statement about a manifest (`sha256:…`)."""
    subject = {"digest": {"sha256": digest.removeprefix("sha256:")}}
    return json.dumps(
        {
            "_type": STATEMENT,
            "subject": [subject],
            "predicateType": predicate_type,
            "predicate": predicate or {},
        }
    ).encode()


class Signing(Struct, frozen=True):
    """Who signs, when, and what is brought along.

    `key` signs without a certificate. `log` is the version of the transparency log, 0 for none; `stamped` asks for a
    timestamp. The rest are ways to sign wrongly: `certificate_from` is when the certificate begins if not at `at`,
    `sct_key` signs in place of the certificate log, `own` are extensions that replace or join those of the certificate.
    """

    subject: str = WORKFLOW
    issuer: str = ISSUER
    claims: Mapping[int, str] = {}
    at: datetime = NOW
    key: PrivateKey | None = None
    leaf_key: str = "p256"
    log: int = 1
    stamped: bool = False
    payload_type: str = IN_TOTO
    certificate_from: datetime | None = None
    sct: bool = True
    sct_key: ec.EllipticCurvePrivateKey | None = None
    own: tuple[tuple[x509.ExtensionType, bool], ...] = ()


class Signed(Struct, frozen=True):
    """A signature with all that belongs to it, before it takes the form of a bundle or of a layer."""

    payload: bytes
    payload_type: str
    signature: bytes
    certificate: x509.Certificate | None
    key: PrivateKey
    entry: dict[str, Any] | None
    timestamp: bytes | None

    @property
    def verifier(self) -> bytes:
        """The certificate or the key in PEM, as Rekor v1 records it."""
        return self.certificate.public_bytes(Encoding.PEM) if self.certificate else public_pem(self.key)

    @property
    def envelope(self) -> dict[str, Any]:
        return {
            "payload": b64(self.payload),
            "payloadType": self.payload_type,
            "signatures": [{"sig": b64(self.signature)}],
        }


class Sigstore:
    """One instance, with keys of its own."""

    def __init__(
        self,
        name: str = "sigstore.test",
        now: datetime = NOW,
        purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
    ) -> None:
        """Make all keys; `purpose` is what the intermediate authority's certificate is for."""
        self.name, self.now, self.start = name, now, now - timedelta(days=30)
        self._root_key, self._issuer_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.certificate_log_key = ec.generate_private_key(ec.SECP256R1())
        self.logs = {1: Log(f"rekor.{name}"), 2: Log(f"log.{name}", version=2)}
        self.timestamps = TimestampAuthority(self.start)
        self.root = self._authority("root", self._root_key, None)
        self.intermediate = self._authority("intermediate", self._issuer_key, self.root, purpose)

    # --- what a verifier trusts

    def trusted_root(self) -> dict[str, Any]:
        """Return the instance's trusted_root.json, to be changed where a test wants another."""
        period = {"start": self.start.strftime("%Y-%m-%dT%H:%M:%SZ")}

        def log(url: str, key: bytes, log_id: bytes, details: str) -> dict[str, Any]:
            return {
                "baseUrl": f"https://{url}",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {"rawBytes": b64(key), "keyDetails": details, "validFor": dict(period)},
                "logId": {"keyId": b64(log_id)},
            }

        def authority(url: str, *chain: x509.Certificate) -> dict[str, Any]:
            return {
                "subject": {"organization": self.name, "commonName": url},
                "uri": f"https://{url}",
                "certChain": {
                    "certificates": [{"rawBytes": b64(item.public_bytes(Encoding.DER))} for item in chain]
                },
                "validFor": dict(period),
            }

        ct = spki(self.certificate_log_key)
        ecdsa = "PKIX_ECDSA_P256_SHA_256"
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [
                log(item.origin, item.spki, item.log_id, ecdsa if version == 1 else "PKIX_ED25519")
                for version, item in self.logs.items()
            ],
            "ctlogs": [log(f"ct.{self.name}", ct, hashlib.sha256(ct).digest(), ecdsa)],
            "certificateAuthorities": [authority(f"fulcio.{self.name}", self.intermediate, self.root)],
            "timestampAuthorities": [
                authority(f"tsa.{self.name}", self.timestamps.certificate, self.timestamps.root)
            ],
        }

    def roots(self) -> tuple[TrustedRoot, ...]:
        """Return the trusted root as a verifier reads it."""
        return trust.from_bytes(canonical(self.trusted_root()), f"{self.name}.json")

    # --- signatures as they are stored

    def signature(self, digest: str, signing: Signing | None = None) -> bytes:
        """Return a bundle that signs an image as cosign 3 does."""
        return self.attestation(digest, COSIGN_SIGNATURE, {}, signing)

    def attestation(
        self,
        digest: str,
        predicate_type: str,
        predicate: Mapping[str, Any],
        signing: Signing | None = None,
    ) -> bytes:
        """Return a bundle with a statement about an image."""
        return canonical(self.bundle(statement(digest, predicate_type, predicate), signing))

    def bundle(self, payload: bytes, signing: Signing | None = None) -> dict[str, Any]:
        """Return a bundle with any payload, to be changed where a test wants a wrong one."""
        return bundle_of(self.sign(payload, signing or Signing(at=self.now)))

    def legacy_signature(
        self, digest: str, signing: Signing | None = None, optional: Mapping[str, str] | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """Return the payload and the annotations of a layer as cosign 2 signs (`SIMPLE_SIGNING`)."""
        payload = json.dumps(
            {
                "critical": {
                    "identity": {"docker-reference": "registry.example.com/acme/app"},
                    "image": {"docker-manifest-digest": digest},
                    "type": "cosign container image signature",
                },
                "optional": dict(optional) if optional else None,
            },
            separators=(",", ":"),
        ).encode()
        signed = self.sign(payload, replace(signing or Signing(at=self.now), payload_type=""))
        return payload, self._annotations(signed, b64(signed.signature))

    def legacy_attestation(
        self, payload: bytes, signing: Signing | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """Return the envelope and the annotations of a layer as cosign 2 attests (`DSSE_ENVELOPE`)."""
        signed = self.sign(payload, signing or Signing(at=self.now))
        envelope = json.dumps(signed.envelope).encode()
        if signed.timestamp:
            signed = replace(signed, timestamp=self.timestamps.stamp(envelope, self.now))
        return envelope, self._annotations(signed, "")

    def _annotations(self, signed: Signed, signature: str) -> dict[str, str]:
        """Return what cosign 2 writes beside a layer."""
        found = {"dev.cosignproject.cosign/signature": signature}
        if signed.certificate:
            chain = (self.intermediate, self.root)
            found["dev.sigstore.cosign/certificate"] = signed.verifier.decode()
            found["dev.sigstore.cosign/chain"] = b"".join(
                item.public_bytes(Encoding.PEM) for item in chain
            ).decode()
        if entry := signed.entry:
            payload = {
                "body": entry["canonicalizedBody"],
                "integratedTime": int(entry["integratedTime"]),
                "logIndex": int(entry["logIndex"]),
                "logID": self.logs[1].log_id.hex(),
            }
            promise = entry["inclusionPromise"]["signedEntryTimestamp"]
            found["dev.sigstore.cosign/bundle"] = json.dumps(
                {"SignedEntryTimestamp": promise, "Payload": payload}
            )
        if signed.timestamp:
            found["dev.sigstore.cosign/rfc3161timestamp"] = json.dumps(
                {"SignedRFC3161Timestamp": b64(signed.timestamp)}
            )
        return found

    # --- the steps of signing

    def sign(self, payload: bytes, signing: Signing) -> Signed:
        """Sign, and have it logged and stamped."""
        key = signing.key or new_key(signing.leaf_key)
        certificate = None if signing.key else self.certificate(key, signing)
        data = pae(signing.payload_type, payload) if signing.payload_type else payload
        signature = sign(key, data)
        stamp = self.timestamps.stamp(signature, signing.at) if signing.stamped else None
        signed = Signed(payload, signing.payload_type, signature, certificate, key, None, stamp)
        if not signing.log:
            return signed
        body = body_1(signed) if signing.log == 1 else body_2(signed)
        return replace(signed, entry=self.logs[signing.log].add(body, signing.at))

    def certificate(self, key: PrivateKey, signing: Signing) -> x509.Certificate:
        """Issue a certificate for ten minutes, and have it logged."""
        begin = signing.certificate_from or signing.at
        own = {type(extension): (extension, critical) for extension, critical in signing.own}
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.intermediate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(minutes=10))
        )
        for extension, critical in {**self._extensions(key, signing), **own}.values():
            builder = builder.add_extension(extension, critical)
        texts = {1: signing.issuer.encode(), 8: der.utf8(signing.issuer)}
        texts |= {number: der.utf8(text) for number, text in signing.claims.items()}
        for number, text in texts.items():
            oid = x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, text), critical=False)
        if not signing.sct:
            return builder.sign(self._issuer_key, hashes.SHA256())
        # without the list of SCTs the certificate is what the log signs, so it is issued twice
        before = builder.sign(self._issuer_key, hashes.SHA256()).tbs_certificate_bytes
        scts = self._scts(before, begin, signing.sct_key or self.certificate_log_key)
        oid = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
        return builder.add_extension(x509.UnrecognizedExtension(oid, scts), critical=False).sign(
            self._issuer_key, hashes.SHA256()
        )

    def _extensions(
        self, key: PrivateKey, signing: Signing
    ) -> dict[type[x509.ExtensionType], tuple[x509.ExtensionType, bool]]:
        """Return the extensions that every certificate has, with whether each is critical."""
        subject: x509.GeneralName
        if "://" in signing.subject:
            subject = x509.UniformResourceIdentifier(signing.subject)
        else:
            subject = x509.RFC822Name(signing.subject)
        issuer = self._issuer_key.public_key()
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.KeyUsage(True, False, False, False, False, False, False, False, False), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), False),
            (x509.SubjectAlternativeName([subject]), True),
        ]
        return {type(extension): (extension, critical) for extension, critical in extensions}

    def _scts(self, certificate: bytes, when: datetime, key: ec.EllipticCurvePrivateKey) -> bytes:
        """Return a list with one SCT (RFC 6962, section 3.3)."""
        milliseconds = int(when.timestamp() * 1000)
        issuer = hashlib.sha256(spki(self._issuer_key)).digest()
        data = struct.pack(">BBQH", 0, 0, milliseconds, 1) + issuer
        data += len(certificate).to_bytes(3, "big") + certificate + b"\x00\x00"
        signature = key.sign(data, ec.ECDSA(hashes.SHA256()))
        log_id = hashlib.sha256(spki(self.certificate_log_key)).digest()
        sct = b"\x00" + log_id + struct.pack(">QH", milliseconds, 0) + b"\x04\x03"
        sct += struct.pack(">H", len(signature)) + signature
        items = struct.pack(">H", len(sct)) + sct
        return der.octets(struct.pack(">H", len(items)) + items)

    def _authority(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: x509.Certificate | None,
        purpose: x509.ObjectIdentifier | None = None,
    ) -> x509.Certificate:
        """Return the certificate of an authority, its own issuer if there is no other."""
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.name),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        issuer_key = self._root_key
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.start)
            .not_valid_after(self.start + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(True, 0 if issuer else None), critical=True)
            .add_extension(
                x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
            )
        )
        if purpose:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        return builder.sign(issuer_key, hashes.SHA256())


def bundle_of(signed: Signed) -> dict[str, Any]:
    """Return a signature as a bundle of version 0.3."""
    material: dict[str, Any] = {"tlogEntries": [signed.entry] if signed.entry else []}
    if signed.certificate:
        material["certificate"] = {"rawBytes": b64(signed.certificate.public_bytes(Encoding.DER))}
    else:
        material["publicKey"] = {"hint": b64(hashlib.sha256(spki(signed.key)).digest())}
    if signed.timestamp:
        material["timestampVerificationData"] = {
            "rfc3161Timestamps": [{"signedTimestamp": b64(signed.timestamp)}]
        }
    return {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": signed.envelope}


def body_1(signed: Signed) -> dict[str, Any]:
    """Return the entry that Rekor v1 records: `dsse` for an envelope, `hashedrekord` for a plain signature."""
    payload_hash = {"algorithm": "sha256", "value": hashlib.sha256(signed.payload).hexdigest()}
    if signed.payload_type:
        envelope = hashlib.sha256(json.dumps(signed.envelope).encode()).hexdigest()
        spec: dict[str, Any] = {
            "envelopeHash": {"algorithm": "sha256", "value": envelope},
            "payloadHash": payload_hash,
            "signatures": [{"signature": b64(signed.signature), "verifier": b64(signed.verifier)}],
        }
        return {"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}
    spec = {
        "data": {"hash": payload_hash},
        "signature": {"content": b64(signed.signature), "publicKey": {"content": b64(signed.verifier)}},
    }
    return {"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}


def body_2(signed: Signed) -> dict[str, Any]:
    """Return the entry that Rekor v2 records, of whatever kind the signature is."""
    data = pae(signed.payload_type, signed.payload) if signed.payload_type else signed.payload
    verifier: dict[str, Any] = {"keyDetails": "PKIX_ECDSA_P256_SHA_256"}
    if signed.certificate:
        verifier["x509Certificate"] = {"rawBytes": b64(signed.certificate.public_bytes(Encoding.DER))}
    else:
        verifier["publicKey"] = {"rawBytes": b64(spki(signed.key))}
    record = {
        "data": {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(data).digest())},
        "signature": {"content": b64(signed.signature), "verifier": verifier},
    }
    return {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": record}}
