"""What the registry of a test holds, how it behaves, what goes wrong with it, and what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from samples.images.builder import Blob, Index
from samples.images.layers import digest_of

CALLS = ("ping", "token", "index", "manifest", "config", "layer", "referrers", "tags")
"""What a registry is asked; `layer` is every blob that is no configuration, `index` every manifest that is an index.
Beside these there is `write`, whatever is written."""

KINDS = (
    "401", "403", "404", "429", "500", "502", "503", "reset", "slow", "slow-head", "cut-1", "cut-50", "cut-99", "bit-flip",
    "wrong-digest", "wrong-type", "portal", "redirect-loop", "endless", "endless-head", "encoded",
)  # fmt: skip
"""What can go wrong with a call.

`slow` is a byte a second, `cut-50` half of the body, `wrong-digest` other content under the digest that was asked for,
`wrong-type` the right body under another media type, `portal` a web page with status 200, `encoded` a gigabyte of
zeros under `Content-Encoding: gzip`.
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: at which call, how, for how many of the first calls (0: always), at which server (any)."""

    call: str
    kind: str
    first: int = 0
    retry_after: str = ""
    server: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came in: `server` is `registry`, `token` or `storage`."""

    server: str
    host: str
    call: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: str = ""

    @property
    def authorization(self) -> str:
        """The credentials that came along; empty where there were none."""
        return self.headers.get("authorization", "")


class Subject(Protocol):
    """Whatever has a manifest and blobs: an image, an index."""

    @property
    def manifest(self) -> Blob:
        """The manifest or index."""

    def blobs(self) -> tuple[bytes, ...]:
        """The contents of every blob."""


@dataclass(slots=True)
class Behaviour:
    """How the registry behaves beside its faults.

    `auth` is `none`, `basic` or `bearer`; with `anonymous` a bearer token is given without credentials too.
    `token_elsewhere` and `blobs_elsewhere` open servers on ports of their own. `realm` replaces the address of the token
    server in challenges, `challenge` the whole header. `referrers` says whether the referrers API is there, `ranges` whether
    ranges of blobs are `served`, `ignored` or `refused`. `upload` replaces the address that uploads are sent to, and
    `says_subject` whether the answer to a manifest tells that its subject was noted; with `spells_digests` a tag that spells a
    digest is taken for it, as GitLab's registry does.
    """

    auth: str = "none"
    anonymous: bool = False
    username: str = "robot"
    password: str = "the-password"
    identity_token: str = ""
    token_elsewhere: bool = False
    blobs_elsewhere: bool = False
    realm: str = ""
    challenge: str = ""
    expires_in: int | None = 300
    referrers: bool = True
    filters: bool = True
    page: int = 0
    ranges: str = "served"
    last_modified: str = "Tue, 24 Nov 2026 10:00:00 GMT"
    forged_digest: str = ""
    upload: str = ""
    says_subject: bool = True
    spells_digests: bool = False
    redirect: Mapping[str, str] = field(default_factory=dict)
    """By call: the `Location` of a 307, whatever it says."""


@dataclass(slots=True)
class Repository:
    """What one repository holds."""

    manifests: dict[str, Blob] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    configs: set[str] = field(default_factory=set)
    referrers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class Registry:
    """The registry of a test: what it holds, how it behaves, and what it was asked."""

    def __init__(self, faults: Iterable[Fault] = (), behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.repositories: dict[str, Repository] = {}
        self.calls: list[Call] = []
        self.faults = list(faults)
        self.sent: dict[str, int] = {}
        """Bytes of bodies sent, by call."""
        self.connections = 0
        """How many connections were made, to all servers."""
        self.errors: list[BaseException] = []
        """What went wrong in the simulator itself."""
        self.hosts: dict[str, str] = {}
        """`host:port` by server."""
        self.scheme = "http"
        self.tokens: dict[str, str] = {}
        self._hit: dict[Fault, int] = {}
        self.lock = threading.Lock()

    @property
    def host(self) -> str:
        """Address and port of the registry itself, as they stand in a reference."""
        return self.hosts["registry"]

    def add(self, name: str, subject: Subject) -> None:
        """Hold an image or index under `repository:tag`, or under its digest alone with `repository`."""
        repository, _, tag = name.partition(":")
        manifests = [image.manifest for image in subject.images] if isinstance(subject, Index) else []
        self.put(repository, subject.manifest, subject.blobs(), tag=tag)
        for manifest in manifests:
            self.put(repository, manifest, ())

    def put(self, repository: str, manifest: Blob, blobs: Iterable[bytes], tag: str = "") -> None:
        """Hold any manifest and blobs; a manifest with a `subject` becomes a referrer of it."""
        held = self.repositories.setdefault(repository, Repository())
        held.manifests[manifest.digest] = manifest
        held.blobs |= {digest_of(data): data for data in blobs}
        if tag:
            held.tags[tag] = manifest.digest
        with suppress(ValueError, AttributeError, TypeError, KeyError):
            body = json.loads(manifest.data)
            if "config" in body:
                held.configs.add(body["config"]["digest"])
            if "subject" in body:
                kind = body.get("artifactType") or body["config"]["mediaType"]
                entry = manifest.descriptor(artifactType=kind, annotations=body.get("annotations", {}))
                held.referrers.setdefault(body["subject"]["digest"], []).append(entry)

    def count(self, call: str, server: str = "") -> int:
        """How often a call was made, on one server or on all."""
        return sum(made.call == call and server in ("", made.server) for made in self.calls)

    def credentials(self, server: str) -> set[str]:
        """Every `Authorization` that a server was sent."""
        return {made.authorization for made in self.calls if made.server == server and made.authorization}

    def fault(self, call: str, server: str) -> Fault | None:
        """Take the fault that is due at a call to a server."""
        with self.lock:
            for fault in self.faults:
                if fault.call != call or fault.server not in ("", server):
                    continue
                if fault.first and self._hit.get(fault, 0) >= fault.first:
                    continue
                self._hit[fault] = self._hit.get(fault, 0) + 1
                return fault
        return None

    def hit(self, call: str) -> int:
        """How often a fault at a call came to pass."""
        return sum(count for fault, count in self._hit.items() if fault.call == call)

    def revoke(self) -> None:
        """Make every token that was given invalid."""
        self.tokens.clear()
