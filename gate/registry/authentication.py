"""Tell registries who asks: Basic, and tokens of a token server (distribution specification, "token authentication").

The registry names its token server in a header. Whoever answers in its place could name any, so credentials go only to
servers that are known to belong to the registry; any other is asked as nobody.
"""

from __future__ import annotations

import base64
import re
import threading
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Mapping
from http import HTTPStatus

from msgspec import Struct
from msgspec.structs import replace

from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.registry import challenge
from gate.registry.address import Reach, Url, check_literal
from gate.registry.answers import failure
from gate.registry.credentials import Credential, Credentials
from gate.registry.hosts import Endpoint, is_safe, refuse_unsafe
from gate.registry.messages import Answer, Request
from gate.registry.retries import persist
from gate.registry.transport import Transport

TOKEN_HOSTS = {
    "docker.io": "auth.docker.io",
    "registry.gitlab.com": "gitlab.com",
    "registry.digitalocean.com": "api.digitalocean.com",
}
"""Token servers of public registries under other hosts than theirs. The others (ghcr.io, quay.io, gcr.io, mcr.microsoft.com,
azurecr.io …) have theirs under their own, which needs no entry."""

_WHAT = "the token server that the registry names"
_TOKEN = re.compile(r"[!-~]{1,65536}", re.ASCII)
_DEFAULT_SECONDS = 60
"""How long a token is good for where the server does not say: so the specification."""
_LONGEST_SECONDS = 3_600
_MARGIN = 5.0
"""Seconds before its end at which a token is no longer used."""


class _Told(Struct, frozen=True):
    """An `Authorization` and until when (monotonic) it is good."""

    header: str
    until: float

    def __repr__(self) -> str:
        return f"_Told(…, {self.until!r})"


class _Refused(Unavailable):
    """The token server knows who asks, or not, and gives no token."""


class Authentication:
    """Knows what each endpoint is told, for one run; safe to use from several threads.

    `actions` are what tokens are asked for: `pull`, or `pull,push` for who writes.
    """

    def __init__(self, transport: Transport, credentials: Credentials, actions: str = "pull") -> None:
        self._transport = transport
        self._credentials = credentials
        self._actions = actions
        self._told: dict[tuple[str, str], _Told] = {}
        self._notes: dict[str, str] = {}
        self._secrets: set[str] = set()
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)

    def header(self, endpoint: Endpoint, repository: str) -> str:
        """Return the `Authorization` for a repository that is good now; empty where there is none yet."""
        told = self._told.get((endpoint.key, repository))
        return told.header if told is not None and time.monotonic() < told.until else ""

    def answer(self, endpoint: Endpoint, repository: str, asked: str, refused: str) -> str:
        """Return a better `Authorization` than the `refused` one, or nothing where there is no better.

        `asked` is the `WWW-Authenticate` of the refusal. Raises `Unavailable` where it cannot be met.
        """
        key = (endpoint.key, repository)
        with self._locks[key]:
            known = self.header(endpoint, repository)
            if known and known != refused:
                return known  # another thread was faster
            found = {each.scheme: each for each in reversed(challenge.parse(asked))}
            told: _Told | None
            if "bearer" in found:
                told = self._token(endpoint, repository, found["bearer"].parameters)
            elif "basic" in found:
                told = self._basic(endpoint, repository)
            else:
                kinds = ", ".join(sorted(found)[:5])[:100] or "no kind that it states"
                raise Unavailable(
                    f"{endpoint.key!r} answers 401 and wants a login, of {kinds!r}",
                    hint="Basic and Bearer are supported",
                )
            if told is None or told.header == refused:  # nothing to tell, or what was told already
                return ""
            self._told[key] = told
            return told.header

    def note(self, endpoint: Endpoint, repository: str) -> str:
        """Say why an endpoint was told less than there is, for errors that follow from it."""
        found = self._credentials.of(endpoint.key, repository, mirror=endpoint.mirror)
        notes = (self._notes.get(endpoint.key, ""), "" if found.credential else found.problem)
        return "; ".join(note for note in notes if note)

    def conceal(self, text: str) -> str:
        """Hide every secret of this run in what somebody else wrote, who may have been told one."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _credential(self, endpoint: Endpoint, repository: str) -> Credential | None:
        """Return the credential of an endpoint, and remember what must not be shown."""
        credential = self._credentials.of(endpoint.key, repository, mirror=endpoint.mirror).credential
        if credential is not None:
            secrets = (credential.password, credential.identity_token, _pair(credential))
            self._secrets.update(secret for secret in secrets if secret)
        return credential

    def _basic(self, endpoint: Endpoint, repository: str) -> _Told | None:
        """Answer a Basic challenge: with the credential, to the registry itself, over a safe channel."""
        credential = self._credential(endpoint, repository)
        if credential is None:
            return None
        if not is_safe(endpoint.url):
            raise refuse_unsafe(endpoint.url)
        if not credential.password:
            raise Unavailable(f"{endpoint.key!r} takes no identity token", hint="log in with a password")
        return _Told(f"Basic {_pair(credential)}", float("inf"))

    def _token(self, endpoint: Endpoint, repository: str, parameters: Mapping[str, str]) -> _Told:
        """Get a token for a repository.

        1. The realm is read strictly, and is not without TLS where the registry is with it.
        2. Credentials go along only to a token server of the registry, over a safe channel.
        3. A server that only the registry names is no nearer than the registry is.
        4. Where it refuses what every job is given, it is asked as nobody: the image may be public, and the job not allowed
           to read packages.
        """
        realm = Url.parse(parameters.get("realm", ""), _WHAT)  # 1
        if endpoint.url.scheme == "https" and realm.scheme != "https":
            raise Unavailable(f"{endpoint.key!r} names a token server without TLS, {realm.authority[:200]!r}")
        self._transport.check_scheme(realm, _WHAT)
        credential = self._credential(endpoint, repository)
        accepted = self._accepts(endpoint, realm)
        if credential is not None and not (accepted and is_safe(realm)):  # 2
            self._notes[endpoint.key] = (
                f"no credentials were sent to its token server {realm.authority[:200]!r}, which is not known to belong to it:"
                f" where it does, add it to token_hosts of {endpoint.key!r} in the configuration"
                if is_safe(realm)
                else f"no credentials were sent to its token server {realm.authority[:200]!r}, which is without TLS"
            )
            credential = None
        nearest = Reach.LOOPBACK if accepted else self._transport.reach(endpoint.url)  # 3
        check_literal(realm, nearest, _WHAT)
        scope = f"repository:{repository}:{self._actions}"

        def ask(credential: Credential | None) -> _Told:
            request = _token_request(realm, parameters.get("service", ""), scope, credential)
            request = replace(request, nearest=nearest, redirects=0)
            return persist(self._transport.deadline, lambda: self._fetch(request, endpoint, repository))

        try:
            return ask(credential)
        except _Refused as error:
            if credential is None or not credential.of_job:  # 4
                raise
            self._notes[endpoint.key] = f"{credential.source} was refused: {error.message}"
            return ask(None)

    def _accepts(self, endpoint: Endpoint, realm: Url) -> bool:
        """Whether a token server is the registry itself, or known to be its own."""
        if realm.origin == endpoint.url.origin:
            return True
        known = {TOKEN_HOSTS.get(endpoint.key, ""), *self._transport.host_settings(endpoint.key).token_hosts}
        environment = self._transport.settings.environment
        if endpoint.key == environment.get("CI_REGISTRY"):
            host, port = environment.get("CI_SERVER_HOST", ""), environment.get("CI_SERVER_PORT", "443")
            known.add(host if port == "443" else f"{host}:{port}")
        return is_safe(realm) and realm.authority in {host.lower().removesuffix(":443") for host in known}

    def _fetch(self, request: Request, endpoint: Endpoint, repository: str) -> _Told:
        """Ask the token server once."""
        answer = self._transport.send(request)
        if answer.status != HTTPStatus.OK:
            refused = answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
            error = failure(answer, "a token", self.conceal, self.note(endpoint, repository))
            raise _Refused(error.message, hint=error.hint) if refused else error
        token, seconds = _read_token(answer)
        self._secrets.add(token)
        return _Told(f"Bearer {token}", time.monotonic() + min(seconds, _LONGEST_SECONDS) - _MARGIN)


def _pair(credential: Credential) -> str:
    """Encode user name and password for Basic."""
    return base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()


def _token_request(realm: Url, service: str, scope: str, credential: Credential | None) -> Request:
    """Ask for a token; what the registry says of the scope is not passed on, because it could ask for more."""
    fields = {"service": service[:1_000]} if service else {}
    fields["scope"] = scope
    if credential is not None and credential.identity_token:
        form = {
            "grant_type": "refresh_token",
            "client_id": "image-gate",
            **fields,
            "refresh_token": credential.identity_token,
        }
        return Request(realm, form=form)
    joint = "&" if "?" in realm.target else "?"
    url = Url(realm.scheme, realm.host, realm.port, f"{realm.target}{joint}{urllib.parse.urlencode(fields)}")
    return Request(url, authorization=f"Basic {_pair(credential)}" if credential is not None else "")


def _read_token(answer: Answer) -> tuple[str, float]:
    """Read a token and how many seconds it is good for."""
    where = answer.url.authority[:200]
    try:
        body = strict_json.parse(answer.body(LIMITS.answer), "the token", limit=LIMITS.answer)
    except MalformedImage as error:
        raise Unavailable(f"the token server {where!r} answers with no token: {error.message}") from None
    found = body if isinstance(body, dict) else {}
    token = found.get("token") or found.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise Unavailable(f"the token server {where!r} answers with no token")
    seconds = found.get("expires_in")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
        seconds = _DEFAULT_SECONDS
    return token, float(seconds)
