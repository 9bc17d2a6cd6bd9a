"""What it means that a connection fails, in our words: those of the libraries hold addresses with their secrets."""

from __future__ import annotations

import ssl

from gate.errors import Unavailable
from gate.registry.address import Url
from gate.registry.retries import Transient
from gate.registry.watch import Watch


def failure_of(error: Exception, url: Url, watch: Watch) -> Unavailable:
    """Translate what `urllib3` or a socket raised; `Transient` where it may go better the next time."""
    from urllib3.exceptions import ProxyError

    host = url.authority[:200]
    cause = _cause(error)
    if watch.over or isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
        return Transient(
            f"{host!r} takes too long to answer", hint="the registry or the network is overloaded"
        )
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Unavailable(
            f"the certificate of {host!r} cannot be verified: {cause.verify_message}",
            hint="where it is of an authority of your own, name that with --ca-file or in the configuration",
        )
    if isinstance(cause, ssl.SSLError):
        return Transient(f"TLS with {host!r} fails: {(cause.reason or 'it ends').replace('_', ' ').lower()}")
    if isinstance(error, ProxyError):
        return Transient(f"the proxy does not lead to {host!r}: {str(cause)[:200]}", hint="look at the proxy")
    if isinstance(cause, OSError) and cause.strerror:
        return Transient(f"the connection to {host!r} breaks: {cause.strerror}")
    return Transient(f"the answer of {host!r} breaks off, or is not as HTTP wants it")


def _cause(error: BaseException) -> BaseException:
    """Return what is at the bottom of the errors that libraries wrap into each other."""
    for _ in range(10):
        inner = [getattr(error, "reason", None), error.__cause__, error.__context__, *error.args]
        found = next((each for each in inner if isinstance(each, BaseException)), None)
        if found is None or isinstance(error, ssl.SSLError):
            return error
        error = found
    return error
