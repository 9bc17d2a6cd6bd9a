"""TLS: whom we trust and what we show, for each registry."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from msgspec import Struct

from gate.errors import Unavailable
from gate.registry import HostSettings, RegistrySettings

_FROM_ENVIRONMENT = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


class Profile(Struct, frozen=True):
    """What makes two connections differ in TLS: further authorities, and the certificate that we show."""

    ca_files: tuple[str, ...]
    certificate: str = ""
    key: str = ""


def profile_of(settings: RegistrySettings, host: HostSettings) -> Profile:
    """Return the profile of a host: what the caller, the environment and the host's settings name, all beside the system's."""
    named = (host.ca_file, settings.ca_file, *_environment(settings.environment))
    return Profile(
        tuple(dict.fromkeys(path for path in named if path)), host.client_certificate, host.client_key
    )


def _environment(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files that the environment names."""
    return tuple(environment.get(name, "") for name in _FROM_ENVIRONMENT)


def context_of(profile: Profile) -> ssl.SSLContext:
    """Make a context that verifies certificates and host names; raises `Unavailable` for files that cannot be used."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    # Python 3.13 also wants of authorities what engines do not, and what many that people made themselves lack.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not context.cert_store_stats()["x509_ca"]:
        _trust_as_mozilla_does(context)
    for path in profile.ca_files:
        try:
            context.load_verify_locations(cafile=path)
        except OSError as error:  # what is no certificate is an `SSLError`, which is one
            raise Unavailable(
                f"the certificates in {path!r} cannot be used: {error.strerror or error}",
                hint="it must be a readable file of certificates in PEM form",
            ) from None
    if profile.certificate:
        try:
            context.load_cert_chain(profile.certificate, profile.key or None, password=_no_password)
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"the client certificate {profile.certificate!r} cannot be used: {getattr(error, 'strerror', '') or error}",
                hint="certificate and key must be readable files in PEM form, the key without a password",
            ) from None
    return context


def _trust_as_mozilla_does(context: ssl.SSLContext) -> None:
    """Trust Mozilla's list where the system has none, as minimal containers do."""
    import certifi

    context.load_verify_locations(cafile=certifi.where())


def _no_password() -> str:
    """Give no password, so that OpenSSL does not ask for one at the terminal."""
    return ""
