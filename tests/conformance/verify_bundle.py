"""Verify a bundle as the sigstore-conformance suite asks its clients to (its docs/cli_protocol.md).

    verify-bundle [--staging] --bundle FILE (--certificate-identity NAME --certificate-oidc-issuer URL | --key PEM)
                  [--trusted-root FILE] FILE_OR_DIGEST

It ends with 0 if the bundle is accepted, with 1 and the reason if not. Signing is not offered. Of a key the suite expects
that a log and a time are checked if they are there, and not demanded.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from gate.errors import ImageGateError
from gate.oci.descriptor import Digest
from gate.signatures import Material, Refused, Trust, bundle, keys, trust
from gate.signatures.statement import statement_of
from gate.signatures.verify import verify


def parser() -> argparse.ArgumentParser:
    """Return the parser of the suite's arguments."""
    top = argparse.ArgumentParser()
    command = top.add_subparsers(required=True).add_parser("verify-bundle")
    command.add_argument("--staging", action="store_true")
    command.add_argument("--bundle", type=Path, required=True)
    command.add_argument("--certificate-identity", default="")
    command.add_argument("--certificate-oidc-issuer", default="")
    command.add_argument("--key", type=Path)
    command.add_argument("--trusted-root", type=Path)
    command.add_argument("artifact")
    return top


def trust_of(options: argparse.Namespace) -> Trust:
    """Return the keys and roots that the arguments name."""
    if options.staging and options.trusted_root is None:
        raise Refused("there is no root for the staging instance")
    path: Path | None = options.trusted_root
    roots = trust.from_bytes(path.read_bytes(), path.name) if path else (trust.public_good(),)
    if options.key is None:
        return Trust(roots=roots)
    trusted = keys.from_pem(options.key.read_bytes(), options.key.name)
    return Trust(trusted, roots, without=frozenset({"log", "timestamp"}))


def digest_of(artifact: str) -> Digest:
    """Return the digest of a file, or the one that was given in place of a file."""
    if artifact.startswith("sha256:") and not Path(artifact).exists():
        return Digest.parse(artifact)
    return Digest("sha256", hashlib.sha256(Path(artifact).read_bytes()).hexdigest())


def refuse_other_artifact(material: Material, digest: Digest) -> None:
    """Raise `Refused` unless what was signed is, or is about, the artifact."""
    if material.message_digest is not None:
        about = {material.message_digest}
    else:
        about = {subject.digest for subject in statement_of(material).subjects}
    if digest not in about:
        raise Refused("it is about another artifact")


def main(arguments: list[str]) -> int:
    """Verify; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        material = bundle.from_bytes(options.bundle.read_bytes())
        if options.key is not None and material.certificates:
            raise Refused("it was signed with a certificate, and a key was given")
        signer = verify(material, trust_of(options))
        named = (options.certificate_identity, options.certificate_oidc_issuer)
        if signer.identity and (signer.identity.subject, signer.identity.issuer) != named:
            raise Refused(f"it was signed by {signer.identity.subject} of {signer.identity.issuer}")
        refuse_other_artifact(material, digest_of(options.artifact))
    except (ImageGateError, OSError) as error:
        sys.stderr.write(f"refused: {error}\n")
        return 1
    sys.stdout.write(f"accepted: {signer}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
