"""The real cosign, as its users call it, on the loopback interface and with a home of its own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gate.deadline import Deadline
from gate.oci.descriptor import OCI_MANIFEST
from gate.oci.reference import Reference
from gate.registry import RegistrySettings
from gate.registry.push import RegistryWriter
from samples.images.builder import Image

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

OFFLINE = ("--use-signing-config=false", "--tlog-upload=false")
"""Sign with a key alone: no log, and nothing is asked of the public instance."""
OLD = ("--use-signing-config=false", "--new-bundle-format=false")
"""Sign as cosign 2 does: payloads and annotations, no bundles."""


@dataclass(frozen=True, slots=True)
class Cosign:
    """cosign and the folder that is its home; keys lie there, without a password."""

    program: Path
    home: Path

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run it."""
        environment = {"HOME": str(self.home), "COSIGN_PASSWORD": "", "COSIGN_YES": "true", **variables}
        return subprocess.run(
            [str(self.program), *arguments],
            cwd=self.home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def must(self, *arguments: str, **variables: str) -> None:
        """Run it, and fail with what it says where it fails."""
        done = self.run(*arguments, **variables)
        assert done.returncode == 0, done.stderr

    def key(self, name: str, key: PrivateKey) -> None:
        """Make `NAME.key` in cosign's own form, and `NAME.pub`, of a key."""
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.home / f"{name}.pem").write_bytes(pem)
        self.must("import-key-pair", "--key", f"{name}.pem", "--output-key-prefix", name)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.home / f"{name}.pub").write_bytes(public)


def pushed(host: str, repository: str, image: Image) -> Reference:
    """Put an image into a registry; returns its name by digest."""
    name = Reference.parse(f"{host}/{repository}@{image.manifest.digest}")
    with RegistryWriter(RegistrySettings(), Deadline(30)) as writer:
        for blob in image.blobs():
            writer.blob(name, blob)
        writer.manifest(name, image.manifest.data, OCI_MANIFEST)
    return name
