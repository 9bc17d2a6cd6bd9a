from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from gate.limits import LIMITS
from gate.signatures import Authority, Identity, Refused, Window, certificate
from tests.kit import der
from tests.kit.sigstore import GITHUB_CLAIMS, ISSUER, NOW, WORKFLOW, Signing, Sigstore, new_key

INSTANCE = Sigstore()
(ROOT,) = INSTANCE.roots()
AUTHORITY = ROOT.authorities[0]
MINUTE = timedelta(minutes=1)


def issued(signing: Signing | None = None) -> x509.Certificate:
    return INSTANCE.certificate(new_key(), signing or Signing())


def extension(number: int, value: bytes) -> tuple[x509.ExtensionType, bool]:
    oid = x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
    return x509.UnrecognizedExtension(oid, value), False


def test_a_certificate_of_github() -> None:
    found = certificate.identity_of(issued(Signing(claims=GITHUB_CLAIMS)))
    assert (found.subject, found.subject_kind, found.issuer) == (WORKFLOW, "uri", ISSUER)
    assert found.claims["build-signer-uri"] == WORKFLOW
    assert found.claims["source-repository-uri"] == "https://github.com/acme/app"
    assert found.claims["build-trigger"] == "push"
    assert len(found.claims) == len(GITHUB_CLAIMS)


def test_a_certificate_of_a_person() -> None:
    found = certificate.identity_of(
        issued(Signing(subject="a@example.com", issuer="https://accounts.example.com"))
    )
    assert found == Identity("a@example.com", "email", "https://accounts.example.com")


def test_a_certificate_of_a_user_name() -> None:
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7")
    name = x509.SubjectAlternativeName([x509.OtherName(oid, der.utf8("user!example.com"))])
    found = certificate.identity_of(issued(Signing(own=((name, True),))))
    assert (found.subject, found.subject_kind) == ("user!example.com", "other")


def test_older_claims_are_plain_text() -> None:
    found = certificate.identity_of(issued(Signing(own=(extension(5, b"acme/app"),))))
    assert found.claims == {"github-workflow-repository": "acme/app"}


@pytest.mark.parametrize("text", ["", "x", "x" * 127, "x" * 128, "x" * 300, "é" * 200])
def test_claims_of_any_length(text: str) -> None:
    found = certificate.identity_of(issued(Signing(claims={20: text})))
    assert found.claims["build-trigger"] == text


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x0c",
        b"\x0c\x05main",
        b"\x0c\x03main",
        b"\x13\x04main",
        b"\x0c\x81",
        b"\x0c\x80main",
        b"\x0c\xff\x01",
    ],
)
def test_claims_that_are_no_text_are_refused(value: bytes) -> None:
    with pytest.raises(Refused, match="the certificate's source-repository-ref is not a UTF8String"):
        certificate.identity_of(issued(Signing(own=(extension(14, value),))))


def test_claims_that_are_no_unicode_are_refused() -> None:
    with pytest.raises(Refused, match="the certificate's build-trigger is not text"):
        certificate.identity_of(issued(Signing(own=(extension(20, b"\x0c\x01\xff"),))))


def test_an_authority_vouches_in_its_window_and_in_that_of_the_certificate() -> None:
    leaf = issued()
    assert certificate.issuer_at(leaf, (), AUTHORITY, NOW) == INSTANCE.intermediate
    assert certificate.issuer_at(leaf, (), AUTHORITY, NOW + 10 * MINUTE) == INSTANCE.intermediate
    for time in (NOW - MINUTE, NOW + 11 * MINUTE):
        with pytest.raises(Refused, match="has no path to the authority"):
            certificate.issuer_at(leaf, (), AUTHORITY, time)
    ended = Authority(AUTHORITY.name, AUTHORITY.chain, Window(None, NOW - MINUTE))
    with pytest.raises(Refused, match="was not trusted at 2026-01-15 12:00:00"):
        certificate.issuer_at(leaf, (), ended, NOW)


def test_an_intermediate_may_come_with_the_signature() -> None:
    leaf, anchor = issued(), Authority("anchor", AUTHORITY.chain[-1:], Window(None))
    with pytest.raises(Refused, match="has no path to the authority 'anchor'"):
        certificate.issuer_at(leaf, (), anchor, NOW)
    assert certificate.issuer_at(leaf, AUTHORITY.chain[:1], anchor, NOW) == INSTANCE.intermediate


def test_what_comes_with_the_signature_is_no_anchor() -> None:
    evil = Sigstore("evil.test")
    given = [item.public_bytes(Encoding.DER) for item in (evil.intermediate, evil.root)]
    leaf = evil.certificate(new_key(), Signing())
    with pytest.raises(Refused, match="has no path to the authority"):
        certificate.issuer_at(leaf, given, AUTHORITY, NOW)


def test_an_authority_for_other_purposes_is_refused() -> None:
    for purpose, accepted in (
        (ExtendedKeyUsageOID.SERVER_AUTH, False),
        (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, True),
    ):
        other = Sigstore("other.test", purpose=purpose)
        leaf, authority = other.certificate(new_key(), Signing()), other.roots()[0].authorities[0]
        if accepted:
            assert certificate.issuer_at(leaf, (), authority, NOW) == other.intermediate
        else:
            with pytest.raises(Refused, match="has no path to the authority"):
                certificate.issuer_at(leaf, (), authority, NOW)


def test_a_certificate_that_says_nothing_of_its_use_is_refused() -> None:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(new_key().public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW)
    )
    key = new_key("ed25519")
    with pytest.raises(Refused, match="does not say what its key may be used for"):
        certificate.refuse_profile(builder.sign(key, None))
    with pytest.raises(Refused, match="names 0 subjects"):
        certificate.identity_of(builder.sign(key, None))


@given(st.binary(max_size=300))
def test_bytes_that_are_no_certificate_are_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="it is not a certificate that can be read"):
        certificate.load(data, "it")


def test_sizes_are_bounded() -> None:
    with pytest.raises(Refused, match="it has more than 65,536 bytes"):
        certificate.load(bytes(LIMITS.certificate + 1), "it")


def test_pem() -> None:
    pem = b"".join(
        item.public_bytes(Encoding.PEM) for item in (INSTANCE.intermediate, INSTANCE.root)
    ).decode()
    assert certificate.certificates_of_pem(pem, "it") == AUTHORITY.chain
    assert certificate.certificates_of_pem("\n", "it") == ()
    with pytest.raises(Refused, match="it is not PEM"):
        certificate.certificates_of_pem(pem.replace("MII", "MIJ"), "it")
