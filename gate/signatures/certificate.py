"""Fulcio's certificates: their path to an authority at the time of signing, their profile, and whom they name.

Sources: github.com/sigstore/fulcio, docs/certificate-specification.md and docs/oid-info.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
)

from gate.limits import LIMITS
from gate.signatures import NEWER_ROOT, Authority, Identity, Refused, keys

_OTHER_INSTANCE = "if another instance of Sigstore issued it, as GitHub's own does for private repositories, name its root under trusted-roots"
_FULCIO = "1.3.6.1.4.1.57264.1."
_ISSUER_RAW, _OTHER_NAME, _ISSUER = f"{_FULCIO}1", f"{_FULCIO}7", f"{_FULCIO}8"
_RAW_CLAIMS = {
    2: "github-workflow-trigger",
    3: "github-workflow-sha",
    4: "github-workflow-name",
    5: "github-workflow-repository",
    6: "github-workflow-ref",
}
_CLAIMS = {
    9: "build-signer-uri",
    10: "build-signer-digest",
    11: "runner-environment",
    12: "source-repository-uri",
    13: "source-repository-digest",
    14: "source-repository-ref",
    15: "source-repository-identifier",
    16: "source-repository-owner-uri",
    17: "source-repository-owner-identifier",
    18: "build-config-uri",
    19: "build-config-digest",
    20: "build-trigger",
    21: "run-invocation-uri",
    22: "source-repository-visibility-at-signing",
    23: "deployment-environment",
    24: "token-subject",
}


def load(der: bytes, what: str) -> x509.Certificate:
    """Load a certificate, all its extensions included; raises `Refused` for one that cannot be read."""
    if len(der) > LIMITS.certificate:
        raise Refused(f"{what} has more than {LIMITS.certificate:,} bytes")
    try:
        with keys.contained():
            certificate = x509.load_der_x509_certificate(der)
            _ = certificate.extensions
    except Exception:  # noqa: BLE001 -- `cryptography` has many errors for malformed certificates, and no family of them
        raise Refused(f"{what} is not a certificate that can be read") from None
    return certificate


def certificates_of_pem(pem: str, what: str) -> tuple[bytes, ...]:
    """Return the certificates of a PEM text as DER; none of an empty one; raises `Refused`."""
    if not pem.strip():
        return ()
    if len(pem) > 2 * LIMITS.certificate * LIMITS.certificates:
        raise Refused(f"{what} is longer than certificates are")
    try:
        with keys.contained():
            found = x509.load_pem_x509_certificates(pem.encode())
    except Exception:  # noqa: BLE001 -- as above
        raise Refused(f"{what} is not PEM that can be read") from None
    if len(found) > LIMITS.certificates:
        raise Refused(f"{what} has {len(found)} certificates; at most {LIMITS.certificates} are read")
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in found)


def refuse_self_issued(chain: Sequence[bytes]) -> None:
    """Raise `Refused` if a root is among the certificates that a bundle brings: roots come from the verifier's side alone."""
    for der in chain:
        certificate = load(der, "a certificate of the bundle")
        if certificate.issuer == certificate.subject:
            raise Refused("the bundle brings a root certificate, which only a trusted root may")


def issuer_at(
    leaf: x509.Certificate, between: Sequence[bytes], authority: Authority, time: datetime
) -> x509.Certificate:
    """Return the certificate that issued a leaf, on a path to an authority that holds at a time.

    `between` are certificates that came with the leaf; they can only help to find a path. Raises `Refused` where there is
    none: the path ends elsewhere, or a certificate or the authority's window does not cover the time.
    """
    if not authority.window.covers(time):
        raise Refused(f"the authority {authority.name!r} was not trusted at {time:%Y-%m-%d %H:%M:%S}")
    chain = [load(der, f"a certificate of the authority {authority.name!r}") for der in authority.chain]
    given = [load(der, "a certificate that came with the signature") for der in between]
    purpose = (x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _allows_code_signing)
    verifier = (
        PolicyBuilder()
        .store(Store([chain[-1]]))
        .time(time)
        .extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca().may_be_present(*purpose),
            ee_policy=ExtensionPolicy.webpki_defaults_ee().may_be_present(*purpose),
        )
        .build_client_verifier()
    )
    try:
        with keys.contained():
            return verifier.verify(leaf, chain[:-1] + given).chain[1]
    except Exception:  # noqa: BLE001 -- as above
        raise Refused(
            f"the certificate has no path to the authority {authority.name!r} that holds at {time:%Y-%m-%d %H:%M:%S}"
        ) from None


def refuse_stranger(leaf: x509.Certificate, authorities: Sequence[Authority]) -> None:
    """Raise `Refused` for a certificate whose issuer is none of the certificates of the authorities, by name."""
    try:
        with keys.contained():
            names = {load(der, "an authority").subject for one in authorities for der in one.chain}
            issuer, text = leaf.issuer, leaf.issuer.rfc4514_string()
    except ValueError:
        raise Refused("the certificate's issuer cannot be read") from None
    if issuer not in names:
        raise Refused(
            f"its certificate was issued by {text[:200]!r}, which is no authority of the root",
            hint=f"{_OTHER_INSTANCE}; {NEWER_ROOT}",
        )


def _allows_code_signing(
    _policy: Policy, _certificate: x509.Certificate, purposes: x509.ExtendedKeyUsage | None
) -> None:
    """Raise `ValueError` for a certificate on the path that is for other purposes alone; one that states none may be for all."""
    if purposes is not None and not {*purposes} & {
        ExtendedKeyUsageOID.CODE_SIGNING,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    }:
        raise ValueError("not for signing code")


def key_of(leaf: x509.Certificate) -> keys.Key:
    """Return a certificate's key; raises `Refused` for one of a kind or size that is not accepted."""
    try:
        with keys.contained():
            return keys.accepted(leaf.public_key(), "the certificate's key")
    except (ValueError, UnsupportedAlgorithm):
        raise Refused("the certificate's key cannot be read") from None


def refuse_profile(leaf: x509.Certificate) -> None:
    """Raise `Refused` unless a certificate is one for signing code, and not an authority's."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        raise Refused("the certificate does not say what its key may be used for") from None
    if not usage.digital_signature or usage.key_cert_sign:
        raise Refused("the certificate's key may not make signatures")
    if ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        raise Refused("the certificate is not for signing code")
    try:
        basic = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return
    if basic.ca:
        raise Refused("the certificate is an authority's, and those do not sign images")


def identity_of(leaf: x509.Certificate) -> Identity:
    """Return whom a certificate names; raises `Refused` unless there is exactly one subject and one issuer.

    Fulcio writes the issuer twice, raw (.1.1) and as a DER string (.1.8); where both are there they must agree.
    """
    subject, kind = _subject(leaf)
    found = {extension.oid.dotted_string: extension.value for extension in leaf.extensions}
    texts = {
        oid.removeprefix(_FULCIO): value.value
        for oid, value in found.items()
        if oid.startswith(_FULCIO) and isinstance(value, x509.UnrecognizedExtension)
    }
    issuers = {
        read(texts[number], "issuer")
        for number, read in (("8", _der_text), ("1", _raw_text))
        if number in texts
    }
    if len(issuers) != 1 or "" in issuers:
        raise Refused(
            "the certificate names two different issuers"
            if len(issuers) == 2
            else "the certificate names no issuer"
        )
    claims = {
        name: read(texts[str(number)], name)
        for names, read in ((_RAW_CLAIMS, _raw_text), (_CLAIMS, _der_text))
        for number, name in names.items()
        if str(number) in texts
    }
    return Identity(subject, kind, issuers.pop(), claims)


def _subject(leaf: x509.Certificate) -> tuple[str, Literal["uri", "email", "other"]]:
    """Return the one subject alternative name, and of what kind it is."""
    try:
        names = list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = []
    if len(names) != 1:
        raise Refused(f"the certificate names {len(names)} subjects; exactly one can be the signer")
    name = names[0]
    if isinstance(name, x509.UniformResourceIdentifier) and name.value:
        return name.value, "uri"
    if isinstance(name, x509.RFC822Name) and name.value:
        return name.value, "email"
    if isinstance(name, x509.OtherName) and name.type_id.dotted_string == _OTHER_NAME:
        return _der_text(name.value, "subject"), "other"
    raise Refused("the certificate names its subject in a way that Fulcio does not")


def _raw_text(data: bytes, name: str) -> str:
    """Read an extension that is text without encoding."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Refused(f"the certificate's {name} is not text") from None


def _der_text(data: bytes, name: str) -> str:
    """Read an extension that is a DER UTF8String (X.690, 8.1.3), and nothing after it."""
    length, start = (data[1], 2) if len(data) > 1 else (0, 0)
    if length & 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(data[2:start], "big")
    if data[:1] != b"\x0c" or len(data) != start + length:
        raise Refused(f"the certificate's {name} is not a UTF8String")
    return _raw_text(data[start:], name)
