"""HTTP to a container engine: every answer bounded in bytes and time, no redirects, no proxies, no logins."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from gate.deadline import Deadline
from gate.errors import MalformedImage, Unavailable
from gate.limits import KIB, LIMITS
from gate.oci import strict_json
from gate.sources.engine_address import Address

if TYPE_CHECKING:
    from requests import Response, Session

START = "start the engine, or name its socket with DOCKER_HOST"

_ERROR_TEXT = 64 * KIB


class NoEngine(Unavailable):
    """No engine listens where one was looked for."""


class NotInEngine(Unavailable):
    """The engine answered that it does not have the image."""


class Refused(Unavailable):
    """The engine answered with an error; `status` is that of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, hint="the engine's log may say more")
        self.status = status


class EngineHttp:
    """Requests to one engine, under the run's deadline."""

    def __init__(self, address: Address, deadline: Deadline) -> None:
        self._address = address
        self._deadline = deadline
        self._session, self._base = _session(address)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, path: str, seconds: float) -> Response:
        """Send a request and return the answer, its body not yet read; raises `Refused` for an error."""
        import requests

        self._deadline.check()
        left = max(self._deadline.left, 0.01)
        try:
            response = self._session.get(
                f"{self._base}{path}",
                timeout=(min(LIMITS.connect_seconds, left), min(seconds, left)),
                headers={
                    "Accept-Encoding": "identity"
                },  # what is compressed for the way cannot be bounded on it
                stream=True,
                allow_redirects=False,
            )
        except requests.exceptions.ConnectionError as error:
            raise self._not_connected(error) from None
        except (requests.exceptions.RequestException, OSError) as error:
            raise self._broken(error) from None
        if response.status_code == 200:
            return response
        with closing(response):
            text = self.whole(response, _ERROR_TEXT)
            raise Refused(
                f"the engine answered {response.status_code}: {_message(text)}",
                response.status_code,
            )

    def whole(self, response: Response, limit: int) -> bytes:
        """Read a body of at most `limit` bytes, and one more where there are more."""
        found = bytearray()
        for chunk in self.body(response, LIMITS.engine_seconds):
            found += chunk
            if len(found) > limit:
                break
        return bytes(found[: limit + 1])

    def body(self, response: Response, silence: float) -> Iterator[bytes]:
        """Yield a body as it arrives; raises `Unavailable` where it breaks off or stays silent for `silence` seconds."""
        import urllib3

        connection = response.raw.connection
        sock: socket.socket | None = getattr(connection, "sock", None)
        try:
            while True:
                self._deadline.check()
                if sock is not None:
                    sock.settimeout(max(min(silence, self._deadline.left), 0.01))
                chunk = response.raw.read1(
                    LIMITS.chunk, decode_content=False
                )  # at most one read of the socket
                if not chunk:
                    return
                yield chunk
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._broken(error) from None

    def _broken(self, error: Exception) -> Unavailable:
        """Build the error for a connection that failed."""
        import requests
        import urllib3

        self._deadline.check()
        silent = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
        if isinstance(error, silent):
            return Unavailable(
                f"the engine at {self._address} stopped answering", hint="look whether it hangs"
            )
        return Unavailable(
            f"the engine at {self._address} broke off: {type(error).__name__}",
            hint="the engine's log may say more",
        )

    def _not_connected(self, error: Exception) -> Unavailable:
        """Build the error for a connection that could not be made, or failed."""
        import requests
        import urllib3

        reason = getattr(error.args[0], "reason", None) if error.args else None
        if isinstance(error, requests.exceptions.SSLError):
            return Unavailable(
                f"the engine at {self._address} could not be met over TLS: {str(reason or error)[:300]}",
                hint="DOCKER_CERT_PATH or the Docker context names its authority (ca.pem) and our certificate",
            )
        unreachable = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
        if isinstance(reason, unreachable):
            return NoEngine(f"no engine answers at {self._address} ({self._address.said_by})", hint=START)
        return self._broken(reason if isinstance(reason, Exception) else error)


def _session(address: Address) -> tuple[Session, str]:
    """Return a session for an address, and what its URLs start with."""
    import requests
    from docker.transport import UnixHTTPAdapter

    class Direct(requests.Session):
        """A session for which there are no redirects: requests reads their bodies whole, even where it does not follow."""

        def get_redirect_target(self, resp: Response) -> None:
            """Return where to go on."""

    session = Direct()
    session.trust_env = False  # no proxies, and no passwords of .netrc
    if address.socket:
        session.mount("http+docker://", UnixHTTPAdapter(f"http+unix://{address.socket}", pool_connections=1))
        return session, "http+docker://localhost"
    tls = address.tls
    if tls is None:
        return session, f"http://{address.host}"
    session.verify = tls.authority or True
    session.cert = (tls.certificate, tls.key) if tls.certificate else None
    return session, f"https://{address.host}"


def _message(body: bytes) -> str:
    """Return what an engine says in an error."""
    try:
        found = strict_json.named_fields(strict_json.parse(body, "the error"), ("message",), "the error")
        return strict_json.text(found.get("message"), "the error")[:500] or "nothing"
    except MalformedImage:
        return "something that is no message"
