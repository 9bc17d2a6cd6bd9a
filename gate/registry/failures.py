"""What it means that a connection fails, in our words: those of the libraries hold addresses with their secrets."""

from __future__ import annotations

import ssl

from gate.errors import Unavailable
from gate.registry.address import Url
from gate.registry.retries import Transient
from gate.registry.watch import Watch

_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"}
)
"""How OpenSSL calls what is no TLS, by its version."""
_PLAIN = "it may speak plain HTTP; where that is meant, set plain_http for this host in the configuration"


def failure_of(error: Exception, url: Url, watch: Watch) -> Unavailable:
    """Translate what a connection raised; `Transient` where it may go better the next time."""
    from gate.registry.connections import ProxyFailed

    host = url.authority[:200]
    if watch.over or isinstance(error, TimeoutError):
        return Transient(
            f"{host!r} takes too long to answer", hint="the registry or the network is overloaded"
        )
    if isinstance(error, ProxyFailed):
        return Transient(f"the proxy does not lead to {host!r}: {str(error)[:200]}", hint="look at the proxy")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unavailable(
            f"the certificate of {host!r} cannot be verified: {error.verify_message}",
            hint="where it is of an authority of your own, name that with --ca-file or in the configuration",
        )
    if isinstance(error, ssl.SSLError):
        return Transient(
            f"TLS with {host!r} fails: {(error.reason or 'it ends').replace('_', ' ').lower()}",
            hint=_PLAIN if error.reason in _NO_TLS else "",
        )
    if isinstance(error, OSError) and error.strerror:
        return Transient(f"the connection to {host!r} breaks: {error.strerror}")
    return Transient(f"the answer of {host!r} breaks off, or is not as HTTP wants it")
