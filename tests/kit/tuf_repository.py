"""A TUF repository of one target, signed with keys of its own, as a Sigstore instance publishes its trusted root."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

_ROLES = ("root", "timestamp", "snapshot", "targets")


class TufRepository:
    """Its `files` by path, as a web server gives them; `root` is the metadata that a client starts from."""

    def __init__(self, targets: Mapping[str, bytes], expires: timedelta = timedelta(days=1)) -> None:
        self._signer = CryptoSigner.generate_ecdsa()
        self._expires = datetime.now(UTC).replace(microsecond=0) + expires
        self.files: dict[str, bytes] = {}
        root = Root(expires=self._expires, consistent_snapshot=True)
        for role in _ROLES:
            root.add_key(self._signer.public_key, role)
        self.root = self._put("/1.root.json", root)
        listed = Targets(expires=self._expires)
        for name, data in targets.items():
            found = TargetFile.from_data(name, data, ["sha256"])
            listed.targets[name] = found
            self.files[f"/targets/{found.hashes['sha256']}.{name}"] = data
        self._put("/1.targets.json", listed)
        self._put("/1.snapshot.json", Snapshot(expires=self._expires, meta={"targets.json": MetaFile(1)}))
        self._put("/timestamp.json", Timestamp(expires=self._expires, snapshot_meta=MetaFile(1)))

    def _put(self, path: str, signed: Any) -> bytes:
        """Sign metadata and publish it."""
        metadata: Metadata[Any] = Metadata(signed)
        metadata.sign(self._signer)
        self.files[path] = metadata.to_bytes()
        return self.files[path]
