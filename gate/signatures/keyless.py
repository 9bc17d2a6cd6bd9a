"""Sign statements without a key: with the identity of the job that this runs in (GitHub Actions, GitLab CI/CD, …).

The `sigstore` package finds the job's token, gets a certificate for it, and has the signature logged and timestamped.
Nothing here opens a browser: where there is no job there is no identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import sigstore.oidc
from sigstore.dsse import Statement
from sigstore.models import ClientTrustConfig
from sigstore.sign import SigningContext

from gate.errors import ImageGateError, InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.printable import shown
from gate.signatures import bundle
from gate.signatures.sign import Sign

_NO_IDENTITY = (
    "in GitHub Actions give the job `permissions: id-token: write`; in GitLab CI/CD give it `id_tokens` with"
    " SIGSTORE_ID_TOKEN for the audience sigstore; elsewhere sign with --key"
)


@contextmanager
def with_identity(trust_config: bytes | None) -> Iterator[Sign]:
    """Give what signs under one certificate, which is good for some minutes.

    `trust_config` is the ClientTrustConfig of a Sigstore instance; None is the public one, whose configuration is renewed
    over the network. Raises `InvalidInput` for one that cannot be read, `Unavailable` for all that fails later.
    """
    token = _token()
    config = _configuration(trust_config)
    with ExitStack() as stack:
        with _explained("no certificate was given"):
            signer = stack.enter_context(SigningContext.from_trust_config(config).signer(token))

        def sign(statement: bytes) -> bytes:
            with _explained("the signature could not be made"):
                signed = signer.sign_dsse(Statement(statement)).to_json().encode()
            _require_time(signed)
            return signed

        yield sign


def require_identity() -> None:
    """Raise where this job has no identity, before anything else is done for it; its token is asked for again later."""
    _token()


def _configuration(data: bytes | None) -> ClientTrustConfig:
    """Read how to sign, or fetch it for the public instance."""
    if data is None:
        with _explained("the configuration of the public Sigstore instance could not be renewed"):
            return ClientTrustConfig.production()
    if len(data) > LIMITS.document:
        raise InvalidInput(f"the trust configuration has more than {LIMITS.document:,} bytes")
    try:
        return ClientTrustConfig.from_json(data.decode())
    except Exception as error:  # noqa: BLE001 -- its parser raises what its own parts raise
        raise InvalidInput(
            f"the trust configuration cannot be read: {shown(str(error), 300)}",
            hint="it is a ClientTrustConfig: a trusted root and a signing configuration in one JSON file",
        ) from None


def _token() -> sigstore.oidc.IdentityToken:
    """Return who this job is."""
    with _explained("this job's identity could not be asked for", _NO_IDENTITY):
        found = sigstore.oidc.detect_credential()
        if found is None:
            raise InvalidInput(
                "there is neither a key nor the identity of a job to sign with", hint=_NO_IDENTITY
            )
        return sigstore.oidc.IdentityToken(found)


def _require_time(signed: bytes) -> None:
    """Refuse a bundle that nothing says the time of: the package only logs a warning where no authority answers."""
    material = bundle.from_bytes(signed)
    if not material.timestamps and not any(entry.promise for entry in material.entries):
        raise Unavailable(
            "no timestamp authority answered, and without a time nobody can verify the signature",
            hint="try again; the certificate is only good for minutes",
        )


@contextmanager
def _explained(
    what: str, hint: str = "look at the network and at the trust configuration, and try again"
) -> Iterator[None]:
    """Turn whatever the package raises into `Unavailable`: beside its own errors those of requests, TUF, pydantic and pyca."""
    try:
        yield
    except ImageGateError:
        raise
    except Exception as error:  # noqa: BLE001 -- whatever it is, nothing was signed
        causes = ": ".join(filter(None, (type(error).__name__, str(error), str(error.__cause__ or ""))))
        raise Unavailable(f"{what}: {shown(causes, 500)}", hint=hint) from None
