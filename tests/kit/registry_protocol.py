"""The registry's side of the distribution protocol: the answer to a call, whole or broken."""

from __future__ import annotations

import base64
import gzip
import json
import re
import secrets
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from samples.images.builder import INDEX, Blob, encode
from samples.images.layers import digest_of
from tests.kit.registry_content import Call, Fault, Registry, Repository

INDEX_TYPES = frozenset({INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"})
_ERRORS = {401: "UNAUTHORIZED", 403: "DENIED", 404: "MANIFEST_UNKNOWN", 429: "TOOMANYREQUESTS"}
WRITES = frozenset({"POST", "PUT"})
PATH = re.compile(r"/v2/(?P<name>.+?)/(?P<what>manifests|blobs|referrers|tags)/(?P<rest>[^/]+/?)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


RESET = Answer(0)


def _json(status: int, value: object, **headers: str) -> Answer:
    """An answer in JSON."""
    return Answer(status, encode(value), {"Content-Type": "application/json", **headers})


def _error(status: int, message: str = "as the test wants it", **headers: str) -> Answer:
    """An error as the specification shapes it."""
    return _json(
        status, {"errors": [{"code": _ERRORS.get(status, "UNKNOWN"), "message": message}]}, **headers
    )


class Answers:
    """The registry's side of the protocol."""

    def __init__(self, registry: Registry, server: str) -> None:
        self._registry = registry
        self._behaviour = registry.behaviour
        self._server = server

    def to(self, made: Call) -> Answer:
        """Answer one call."""
        if made.call == "token":
            return self._token(made)
        if made.call == "other" and "other" not in self._behaviour.redirect:
            return _error(404)
        if self._server != "storage":
            refused = self._refusal(made)
            if refused is not None:
                return refused
        if made.call in self._behaviour.redirect:
            return Answer(307, b"", {"Location": self._behaviour.redirect[made.call]})
        if made.call == "ping":
            return _json(200, {}, **{"Docker-Distribution-Api-Version": "registry/2.0"})
        match = PATH.fullmatch(urllib.parse.urlsplit(made.target).path)
        assert match is not None
        held = self._registry.repositories.get(match["name"])
        if held is None:
            return _error(404)
        if made.method in WRITES:
            return self._write(made, match["name"], match["what"], urllib.parse.unquote(match["rest"]))
        answers = {
            "manifests": self._manifest,
            "blobs": self._blob,
            "referrers": self._referrers,
            "tags": self._tags,
        }
        return answers[match["what"]](made, held, urllib.parse.unquote(match["rest"]))

    def _refusal(self, made: Call) -> Answer | None:
        """Ask for credentials where they are missing or wrong."""
        behaviour = self._behaviour
        if behaviour.auth == "none":
            return None
        scheme, _, value = made.authorization.partition(" ")
        if behaviour.auth == "basic":
            if scheme == "Basic" and value == self._basic():
                return None
            challenge = 'Basic realm="the registry"'
        else:
            match = PATH.fullmatch(urllib.parse.urlsplit(made.target).path)
            actions = "pull,push" if made.call == "write" else "pull"
            scope = f"repository:{match['name']}:{actions}" if match else ""
            if scheme == "Bearer" and (not scope or self._registry.tokens.get(value) == scope):
                return None
            realm = behaviour.realm or f"{self._registry.scheme}://{self._registry.hosts['token']}/token"
            challenge = f'Bearer realm="{realm}",service="{self._registry.host}"'
            challenge += f',scope="{scope}"' if scope else ""
        return _error(401, **{"WWW-Authenticate": behaviour.challenge or challenge})

    def _basic(self) -> str:
        """The value of the right Basic credentials."""
        pair = f"{self._behaviour.username}:{self._behaviour.password}"
        return base64.b64encode(pair.encode()).decode()

    def _token(self, made: Call) -> Answer:
        """Give a token for a scope: by Basic credentials, by an identity token in a POST, or to anybody."""
        behaviour = self._behaviour
        if made.method == "POST":
            form = urllib.parse.parse_qs(made.body)
            known = form.get("refresh_token") == [behaviour.identity_token] and bool(behaviour.identity_token)
            allowed, name = known and form.get("grant_type") == ["refresh_token"], "access_token"
        else:
            form = urllib.parse.parse_qs(urllib.parse.urlsplit(made.target).query)
            given = made.authorization
            allowed, name = given == f"Basic {self._basic()}" if given else behaviour.anonymous, "token"
        if not allowed:
            return _error(401)
        token = secrets.token_urlsafe(24)
        self._registry.tokens[token] = form.get("scope", [""])[0]
        lifetime = {} if behaviour.expires_in is None else {"expires_in": behaviour.expires_in}
        return _json(200, {name: token, **lifetime})

    def _write(self, made: Call, name: str, what: str, rest: str) -> Answer:
        """Begin an upload, end it, or take a manifest."""
        content = made.body.encode("latin-1")
        if made.method == "POST":
            where = self._behaviour.upload or f"/v2/{name}/blobs/{secrets.token_hex(4)}?state=kept"
            return Answer(202, b"", {"Location": where})
        if what == "blobs":
            (digest,) = urllib.parse.parse_qs(urllib.parse.urlsplit(made.target).query)["digest"]
            if digest != digest_of(content):
                return _error(400)
            self._registry.repositories[name].blobs[digest] = content
            return Answer(201, b"", {"Location": f"/v2/{name}/blobs/{digest}"})
        manifest = Blob(made.headers["content-type"], content)
        tag = "" if rest.startswith("sha256:") else rest
        if not tag and rest != manifest.digest:
            return _error(400)
        self._registry.put(name, manifest, (), tag=tag)
        subject = json.loads(content).get("subject")
        told = subject is not None and self._behaviour.referrers and self._behaviour.says_subject
        return Answer(201, b"", {"OCI-Subject": subject["digest"]} if told else {})

    def _manifest(self, _made: Call, held: Repository, reference: str) -> Answer:
        """Serve a manifest by tag or digest."""
        found = held.manifests.get(held.tags.get(reference, reference))
        if self._behaviour.spells_digests and reference.startswith("sha256-"):
            found = held.manifests.get(reference.replace("-", ":"), found)
        if found is None:
            return _error(404)
        return Answer(200, found.data, {
            "Content-Type": found.media_type, "Docker-Content-Digest": self._behaviour.forged_digest or found.digest,
            "Last-Modified": self._behaviour.last_modified,
        })  # fmt: skip

    def _blob(self, made: Call, held: Repository, digest: str) -> Answer:
        """Serve a blob or a part of it, or send the client to the storage."""
        data = held.blobs.get(digest)
        if data is None:
            return _error(404)
        if self._behaviour.blobs_elsewhere and self._server == "registry":
            address = (
                f"{self._registry.scheme}://{self._registry.hosts['storage']}{made.target}?signature=secret"
            )
            return Answer(307, b"", {"Location": address})
        headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", made.headers.get("range", ""))
        if asked is None or self._behaviour.ranges == "ignored":
            return Answer(200, data, headers)
        start, end = int(asked[1]), min(int(asked[2]) + 1, len(data))
        if start >= end or self._behaviour.ranges == "refused":
            return _error(416, **{"Content-Range": f"bytes */{len(data)}"})
        return Answer(
            206, data[start:end], {**headers, "Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
        )

    def _referrers(self, made: Call, held: Repository, digest: str) -> Answer:
        """List what refers to a manifest."""
        if not self._behaviour.referrers:
            return _error(404)
        wanted = urllib.parse.parse_qs(urllib.parse.urlsplit(made.target).query).get("artifactType", [""])[0]
        found = held.referrers.get(digest, [])
        headers = {"Content-Type": INDEX}
        if wanted and self._behaviour.filters:
            found = [entry for entry in found if entry["artifactType"] == wanted]
            headers["OCI-Filters-Applied"] = "artifactType"
        shown, link = self._page(made, found)
        body = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": shown})
        return Answer(200, body, headers | link)

    def _tags(self, made: Call, held: Repository, _rest: str) -> Answer:
        """List tags."""
        shown, link = self._page(made, sorted(held.tags))
        return _json(200, {"name": "repository", "tags": shown}, **link)

    def _page(self, made: Call, items: list[Any]) -> tuple[list[Any], dict[str, str]]:
        """Cut out the page that was asked for, and link to the next."""
        size = self._behaviour.page
        if not size:
            return items, {}
        parts = urllib.parse.urlsplit(made.target)
        query = urllib.parse.parse_qs(parts.query)
        start = int(query.get("start", ["0"])[0])
        link = {}
        if start + size < len(items):
            kept = {name: values[0] for name, values in query.items()} | {"start": str(start + size)}
            link = {"Link": f'<{parts.path}?{urllib.parse.urlencode(kept)}>; rel="next"'}
        return items[start : start + size], link


def broken(made: Call, answer: Answer, fault: Fault) -> Answer:
    """Break an answer; what has to do with how it is sent is done while sending."""
    kind, body, headers = fault.kind, answer.body, dict(answer.headers)
    if kind.isdecimal():
        more = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        return _error(int(kind), **more)
    if kind == "reset":
        return RESET
    if kind == "bit-flip":
        middle = len(body) // 2
        body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body
    elif kind == "wrong-digest":
        body = body.rstrip() + b" " if headers.get("Content-Type", "").endswith("json") else body[::-1]
    elif kind == "wrong-type":
        other = "application/vnd.oci.image.manifest.v1+json" if made.call == "index" else INDEX
        headers["Content-Type"] = (
            "text/html" if made.call in ("token", "tags", "ping", "referrers") else other
        )
    elif kind == "portal":
        return Answer(200, b"<html><title>Sign in</title></html>", {"Content-Type": "text/html"})
    elif kind == "redirect-loop":
        path, _, query = made.target.partition("?")
        number = int(re.sub(r"\D", "", query) or 0) + 1
        return Answer(307, b"", {"Location": f"{path}?again={number}"})
    elif kind == "encoded":
        headers["Content-Encoding"] = "gzip"
        body = _bomb()
    return Answer(answer.status, body, headers)


_BOMBS: list[bytes] = []


def _bomb() -> bytes:
    """Return a gigabyte of zeros as gzip."""
    if not _BOMBS:
        _BOMBS.append(gzip.compress(bytes(16 * 1024 * 1024)) * 64)
    return _BOMBS[0]
