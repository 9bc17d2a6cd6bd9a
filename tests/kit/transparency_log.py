"""Transparency logs in memory: a Merkle tree, and what Rekor v1 and v2 say of its entries."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def canonical(value: Any) -> bytes:
    """Return JSON as logs sign it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Log:
    """A log of either version; version 1 promises entries at a time, version 2 knows no times."""

    def __init__(self, origin: str, version: int = 1) -> None:
        self.origin, self.version = origin, version
        self.key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
        if version == 1:
            self.key = ec.generate_private_key(ec.SECP256R1())
            self.log_id = hashlib.sha256(self.spki).digest()
        else:
            self.key = ed25519.Ed25519PrivateKey.generate()
            self.log_id = hashlib.sha256(f"{origin}\n\x01".encode() + self.spki[-32:]).digest()
        self._leaves: list[bytes] = []

    @property
    def spki(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(data, ec.ECDSA(hashes.SHA256()))
        return self.key.sign(data)

    def add(self, body: dict[str, Any], when: datetime) -> dict[str, Any]:
        """Take an entry in and return it as bundles carry it."""
        raw = canonical(body)
        self._leaves.append(hashlib.sha256(b"\x00" + raw).digest())
        index, size = len(self._leaves) - 1, len(self._leaves)
        root = tree_root(self._leaves)
        entry: dict[str, Any] = {
            "logIndex": str(index),
            "logId": {"keyId": b64(self.log_id)},
            "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
            "canonicalizedBody": b64(raw),
            "inclusionProof": {
                "logIndex": str(index),
                "treeSize": str(size),
                "rootHash": b64(root),
                "hashes": [b64(item) for item in path_of(index, self._leaves)],
                "checkpoint": {"envelope": self.checkpoint(size, root)},
            },
        }
        if self.version == 1:
            entry["integratedTime"] = str(int(when.timestamp()))
            entry["inclusionPromise"] = {"signedEntryTimestamp": b64(self.promise(entry))}
        return entry

    def checkpoint(self, size: int, root: bytes) -> str:
        """Return a signed note about the tree; version 1 has the number of a shard in it, and cosign tells it by that."""
        shard = " - 1" if self.version == 1 else ""
        text = f"{self.origin}{shard}\n{size}\n{b64(root)}\n"
        return f"{text}\n\u2014 {self.origin} {b64(self.log_id[:4] + self.sign(text.encode()))}\n"

    def promise(self, entry: dict[str, Any]) -> bytes:
        """Return the signed entry timestamp of an entry as it stands."""
        return self.sign(
            canonical(
                {
                    "body": entry["canonicalizedBody"],
                    "integratedTime": int(entry["integratedTime"]),
                    "logID": self.log_id.hex(),
                    "logIndex": int(entry["logIndex"]),
                }
            )
        )


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of leaves (RFC 9162, section 2.1.1)."""
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return hashlib.sha256(b"\x01" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()


def path_of(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the hashes that lead from a leaf to the root (RFC 9162, section 2.1.3.1)."""
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*path_of(index, leaves[:split]), tree_root(leaves[split:])]
    return [*path_of(index - split, leaves[split:]), tree_root(leaves[:split])]


def _split(size: int) -> int:
    """Return the largest power of two below a size."""
    return 1 << ((size - 1).bit_length() - 1)
