"""The keys, authorities and settings that a private Sigstore starts from, as the files that its programs read."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from ruamel.yaml import YAML

from tests.kit.identity_provider import GITHUB, GITLAB

PASSWORD = "sigstore"
"""Of the keys that Fulcio and the timestamp authority read: they take encrypted ones alone."""

_LIFETIME = datetime.timedelta(days=30)
_Key = ec.EllipticCurvePrivateKey


class Authority:
    """A certificate authority: its key, and its chain from itself up to the root."""

    def __init__(
        self, name: str, usage: ObjectIdentifier | None = None, above: Authority | None = None
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        organization = x509.NameAttribute(
            NameOID.ORGANIZATION_NAME, "sigstore.test"
        )  # sigstore-python wants one
        self.name = x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = above or self
        built = _builder(self.name, self.key.public_key(), signer)
        built = built.add_extension(
            x509.BasicConstraints(ca=True, path_length=0 if above else 1), critical=True
        )
        built = built.add_extension(_key_usage(authority=True), critical=True)
        if usage is not None:
            built = built.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        own = built.sign(signer.key, hashes.SHA256())
        self.chain: tuple[x509.Certificate, ...] = (own, *(above.chain if above else ()))

    def sign(self, name: str, usage: ObjectIdentifier) -> tuple[_Key, x509.Certificate]:
        """Sign a certificate for one purpose alone; returns it with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = (
            _builder(subject, key.public_key(), self)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
        )
        return key, built.sign(self.key, hashes.SHA256())


def write_keys(folder: Path) -> None:
    """Write the keys and chains of all parts: `fulcio`, `ct`, `tsa`, `rekor` (version 2) and `rekor1`."""
    fulcio = Authority("fulcio", ExtendedKeyUsageOID.CODE_SIGNING, Authority("fulcio root"))
    (folder / "fulcio.key").write_bytes(_private(fulcio.key, BestAvailableEncryption(PASSWORD.encode())))
    (folder / "fulcio.pem").write_bytes(_certificates(*fulcio.chain))
    (folder / "fulcio-root.pem").write_bytes(_certificates(fulcio.chain[-1]))
    above = Authority("timestamps", ExtendedKeyUsageOID.TIME_STAMPING, Authority("timestamps root"))
    key, certificate = above.sign("timestamp authority", ExtendedKeyUsageOID.TIME_STAMPING)
    (folder / "tsa.key").write_bytes(_private(key, BestAvailableEncryption(PASSWORD.encode())))
    (folder / "tsa.pem").write_bytes(_certificates(certificate, *above.chain))
    for name in ("ct", "rekor1"):
        log = ec.generate_private_key(ec.SECP256R1())
        form = PrivateFormat.TraditionalOpenSSL if name == "ct" else PrivateFormat.PKCS8
        (folder / f"{name}.key").write_bytes(log.private_bytes(Encoding.PEM, form, NoEncryption()))
        (folder / f"{name}.pub").write_bytes(_public(log.public_key()))
    rekor = ed25519.Ed25519PrivateKey.generate()
    (folder / "rekor.key").write_bytes(rekor.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "rekor.pub").write_bytes(_public(rekor.public_key()))


def write_fulcio_settings(path: Path, provider: str) -> None:
    """Write whose tokens Fulcio takes, and what goes from them into certificates, as the public one does it."""
    jobs = {GITHUB: "github-workflow", GITLAB: "gitlab-pipeline"}
    issuers = {
        provider: {"issuer-url": provider, "client-id": "sigstore", "type": "email"},
        **{
            f"{provider}{where}": {
                "issuer-url": f"{provider}{where}",
                "client-id": "sigstore",
                "type": "ci-provider",
                "ci-provider": kind,
            }
            for where, kind in jobs.items()
        },
    }
    YAML().dump({"oidc-issuers": issuers, "ci-issuer-metadata": _CLAIMS}, path)  # as JSON it has other keys


_CLAIMS = {
    "github-workflow": {
        "default-template-values": {"url": "https://github.com"},
        "extension-templates": {
            "github-workflow-trigger": "event_name",
            "github-workflow-sha": "sha",
            "github-workflow-name": "workflow",
            "github-workflow-repository": "repository",
            "github-workflow-ref": "ref",
            "build-signer-uri": "{{ .url }}/{{ .job_workflow_ref }}",
            "build-signer-digest": "job_workflow_sha",
            "runner-environment": "runner_environment",
            "source-repository-uri": "{{ .url }}/{{ .repository }}",
            "source-repository-digest": "sha",
            "source-repository-ref": "ref",
            "source-repository-identifier": "repository_id",
            "source-repository-owner-uri": "{{ .url }}/{{ .repository_owner }}",
            "source-repository-owner-identifier": "repository_owner_id",
            "build-config-uri": "{{ .url }}/{{ .workflow_ref }}",
            "build-config-digest": "workflow_sha",
            "build-trigger": "event_name",
            "run-invocation-uri": "{{ .url }}/{{ .repository }}/actions/runs/{{ .run_id }}/attempts/{{ .run_attempt }}",
            "source-repository-visibility-at-signing": "repository_visibility",
        },
        "subject-alternative-name-template": "{{ .url }}/{{ .job_workflow_ref }}",
    },
    "gitlab-pipeline": {
        "default-template-values": {"url": "https://gitlab.com"},
        "extension-templates": {
            "build-signer-uri": "https://{{ .ci_config_ref_uri }}",
            "build-signer-digest": "ci_config_sha",
            "runner-environment": "runner_environment",
            "source-repository-uri": "{{ .url }}/{{ .project_path }}",
            "source-repository-digest": "sha",
            "source-repository-ref": "ref_path",
            "source-repository-identifier": "project_id",
            "source-repository-owner-uri": "{{ .url }}/{{ .namespace_path }}",
            "source-repository-owner-identifier": "namespace_id",
            "build-config-uri": "https://{{ .ci_config_ref_uri }}",
            "build-config-digest": "ci_config_sha",
            "build-trigger": "pipeline_source",
            "run-invocation-uri": "{{ .url }}/{{ .project_path }}/-/jobs/{{ .job_id }}",
            "source-repository-visibility-at-signing": "project_visibility",
        },
        "subject-alternative-name-template": "https://{{ .ci_config_ref_uri }}",
    },
}


def _builder(name: x509.Name, key: ec.EllipticCurvePublicKey, signer: Authority) -> x509.CertificateBuilder:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(signer.name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False
        )
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: _Key, encryption: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, encryption)


def _public(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _certificates(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
