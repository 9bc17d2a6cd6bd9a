"""Transparency logs: what Rekor promised (v1) and what it proves (v1 and v2) of an entry."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from gate.signatures import NEWER_ROOT, InclusionProof, LogEntry, LogKey, Refused, keys
from gate.signatures.proto_json import decoded

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_SIGNATURE_LINE = re.compile(r"\u2014 ([^ +\n]+) ([A-Za-z0-9+/=]+)")
_HINT = 4
"""Bytes of a key's identifier before a signature in a note (C2SP, signed-note.md)."""


def known(entry: LogEntry, logs: Sequence[LogKey]) -> bool:
    """Return whether an entry says that it is in one of the logs."""
    return any(log.log_id == entry.log_id for log in logs)


def log_at(entry: LogEntry, logs: Sequence[LogKey], times: Sequence[datetime]) -> LogKey:
    """Return the log that an entry says it is in, with a key that was valid at all times given; raises `Refused`.

    Without any time the key must still be valid.
    """
    candidates = [log for log in logs if log.log_id == entry.log_id]
    if not candidates:
        raise Refused(f"the entry is in an unknown log (key {entry.log_id.hex()[:16]}…)", hint=NEWER_ROOT)
    for log in candidates:
        if all(log.window.covers(time) for time in times or (None,)):
            return log
    raise Refused(
        f"the key of the log {candidates[0].name!r} was not valid at the time of signing",
        hint=NEWER_ROOT,
    )


def promised_time(entry: LogEntry, logs: Sequence[LogKey]) -> datetime:
    """Return when a log took an entry in, after checking its promise (a signed entry timestamp); raises `Refused`.

    The log signs these four values as canonical JSON (RFC 8785), which for them is this.
    """
    try:
        time = datetime.fromtimestamp(entry.integrated, UTC)
    except (ValueError, OverflowError, OSError):
        raise Refused(f"the log entry's time {entry.integrated} is none") from None
    log = log_at(entry, logs, [time])
    signed = json.dumps(
        {
            "body": base64.b64encode(entry.body).decode(),
            "integratedTime": entry.integrated,
            "logID": entry.log_id.hex(),
            "logIndex": entry.index,
        },
        sort_keys=True,
        separators=(",", ":"),
    )
    key = keys.load(log.spki, f"the key of the log {log.name!r}")
    keys.verify(key, entry.promise, signed.encode(), "the log's promise (signed entry timestamp)")
    return time


def verify_inclusion(entry: LogEntry, proof: InclusionProof, log: LogKey) -> None:
    """Raise `Refused` unless the proof leads from the entry to a root that the log has signed."""
    if _root(entry.body, proof) != proof.root:
        raise Refused("the inclusion proof does not lead from the entry to its root")
    _verify_checkpoint(proof, log)


def _root(body: bytes, proof: InclusionProof) -> bytes:
    """Compute the root of the tree from a leaf and its proof (RFC 9162, section 2.1.3.2)."""
    if not 0 <= proof.index < proof.size:
        raise Refused(f"the inclusion proof is for the entry {proof.index} of a tree of {proof.size}")
    position, last = proof.index, proof.size - 1
    root = hashlib.sha256(b"\x00" + body).digest()
    for sibling in proof.hashes:
        if last == 0:
            raise Refused("the inclusion proof is too long")
        if position & 1 or position == last:
            root = hashlib.sha256(b"\x01" + sibling + root).digest()
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            root = hashlib.sha256(b"\x01" + root + sibling).digest()
        position, last = position >> 1, last >> 1
    if last != 0:
        raise Refused("the inclusion proof is too short")
    return root


def _verify_checkpoint(proof: InclusionProof, log: LogKey) -> None:
    """Raise `Refused` unless the checkpoint states the proof's size and root, and the log has signed it.

    C2SP, tlog-checkpoint.md: origin, size and root each on a line, an empty line, then a line for each signature. Those of
    witnesses are left aside; one with our log's key that does not verify refuses the whole.
    """
    text, gap, signatures = proof.checkpoint.partition("\n\n")
    lines = text.split("\n")
    if not gap or len(lines) < 3 or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise Refused("the checkpoint is not a signed note of a log")
    if int(lines[1]) != proof.size or decoded(lines[2], "the checkpoint's root") != proof.root:
        raise Refused("the checkpoint is for another tree than the inclusion proof")
    found = False
    key = keys.load(log.spki, f"the key of the log {log.name!r}")
    for line in signatures.removesuffix("\n").split("\n"):
        match = _SIGNATURE_LINE.fullmatch(line)
        if match is None:
            raise Refused("the checkpoint has a line that is no signature")
        signature = decoded(match[2], "a signature of the checkpoint")
        if signature[:_HINT] == log.log_id[:_HINT]:
            keys.verify(key, signature[_HINT:], f"{text}\n".encode(), "the checkpoint's signature")
            found = True
    if not found:
        raise Refused(f"the checkpoint is not signed by the log {log.name!r}")
