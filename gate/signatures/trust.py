"""Roots of trust: what a Sigstore instance vouches with, read from its `trusted_root.json` (sigstore_trustroot.proto)."""

from __future__ import annotations

import hashlib
from importlib import resources

from gate.errors import InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.signatures import Authority, LogKey, Refused, TrustedRoot, Window
from gate.signatures.proto_json import Fields, parse

PUBLIC_GOOD = "the public Sigstore instance"
_SHIPPED = ("_store", "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev", "trusted_root.json")
"""Where the `sigstore` package keeps it: data, named after the repository that it is renewed from."""

_MEDIA_TYPES = frozenset(
    {
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "application/vnd.dev.sigstore.trustedroot.v0.2+json",
    }
)
_FIELDS = ("mediaType", "tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities")
_LOG_FIELDS = ("baseUrl", "hashAlgorithm", "publicKey", "logId", "checkpointKeyId", "operator")
_KEY_FIELDS = ("rawBytes", "keyDetails", "validFor")
_AUTHORITY_FIELDS = ("subject", "uri", "certChain", "validFor", "operator")
_LEAST_ID = 4
"""Bytes of a log's id: checkpoints name a key by its first four."""


def public_good() -> TrustedRoot:
    """Return the root of the public instance that the `sigstore` package brings; raises `Unavailable` where it is not there."""
    try:
        data = resources.files("sigstore").joinpath(*_SHIPPED).read_bytes()
    except (ModuleNotFoundError, OSError):
        raise Unavailable("the installed sigstore package brings no trusted root") from None
    return from_bytes(data, PUBLIC_GOOD)[0]


def from_bytes(data: bytes, name: str) -> tuple[TrustedRoot, ...]:
    """Read a trusted root, or several with each on a line of its own (as `gh attestation trusted-root` prints them).

    `name` is the file, for errors and reports. Raises `InvalidInput` for anything that is not a root as a whole: one read
    in part would demand less than its author meant.
    """
    lines = [line for line in data.split(b"\n") if line.strip()]
    each_whole = all(line.strip().startswith(b"{") and line.strip().endswith(b"}") for line in lines)
    documents = lines if each_whole else [data]
    if not 0 < len(documents) <= LIMITS.trusted_roots:
        raise InvalidInput(f"{name} holds {len(documents)} roots; 1 to {LIMITS.trusted_roots} are read")
    names = [name] if len(documents) == 1 else [f"{name}, root {n + 1}" for n in range(len(documents))]
    try:
        return tuple(_root(document, named) for document, named in zip(documents, names, strict=True))
    except Refused as error:
        raise InvalidInput(error.message, hint=error.hint) from None


def _root(document: bytes, name: str) -> TrustedRoot:
    """Read one root."""
    found = parse(document, _FIELDS, name, limit=LIMITS.document)
    if found.text("mediaType") not in _MEDIA_TYPES:
        raise Refused(f"{name} is no trusted root: its type is {found.text('mediaType')[:100]!r}")
    root = TrustedRoot(
        name,
        authorities=_authorities(found, "certificateAuthorities"),
        logs=_logs(found, "tlogs"),
        certificate_logs=_logs(found, "ctlogs"),
        timestamp_authorities=_authorities(found, "timestampAuthorities"),
        document=document,
    )
    if not (root.logs or root.timestamp_authorities):
        raise Refused(
            f"{name} has neither a log nor a timestamp authority, so no time of signing can be told"
        )
    return root


def _logs(found: Fields, name: str) -> tuple[LogKey, ...]:
    """Read the logs of one kind. A key of a kind that we do not know stays in, and is refused where it is used."""
    logs = []
    for log in found.objects(name, _LOG_FIELDS, LIMITS.authorities):
        key = log.object("publicKey", _KEY_FIELDS)
        spki, window = key.bytes("rawBytes"), _window(key)
        if window.start is None:
            raise Refused(f"{log.what} does not say since when its key is valid")
        log_id = log.object("logId", ("keyId",)).bytes("keyId") if "logId" in log else b""
        log_id = log_id or hashlib.sha256(spki).digest()
        if len(log_id) < _LEAST_ID:
            raise Refused(f"{log.what} has an id of {len(log_id)} bytes")
        logs.append(LogKey(log.text("baseUrl"), log_id, spki, window))
    return tuple(logs)


def _authorities(found: Fields, name: str) -> tuple[Authority, ...]:
    """Read the authorities of one kind."""
    authorities = []
    for authority in found.objects(name, _AUTHORITY_FIELDS, LIMITS.authorities):
        holder = authority.object("certChain", ("certificates",))
        chain = tuple(
            item.bytes("rawBytes")
            for item in holder.objects("certificates", ("rawBytes",), LIMITS.certificates)
        )
        if not chain or not all(chain):
            raise Refused(f"{authority.what} has an empty chain of certificates")
        authorities.append(Authority(authority.text("uri") or name, chain, _window(authority)))
    return tuple(authorities)


def _window(found: Fields) -> Window:
    """Read the time in which a key or an authority may sign."""
    if "validFor" not in found:
        return Window(None)
    period = found.object("validFor", ("start", "end"))
    return Window(period.time("start"), period.time("end"))
