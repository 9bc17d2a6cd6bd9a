"""Trivy's vulnerability database: what it is and what it holds, read by ourselves.

Trivy says nothing where its database is empty, old, or holds nothing for a release; it just finds nothing.
"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from gate.cache.scans import ScanStore
from gate.errors import Unavailable
from gate.evidence import Database
from gate.scanners import bolt, report
from gate.scanners.program import FileIdentity, sha256_of

SCHEMA = 2
_METADATA_LIMIT = 64 * 1024
_RENEW = "run again without --offline, or fetch it with: trivy image --download-db-only --cache-dir DIR"
_NO_ADVISORIES = frozenset({"vulnerability", "data-source"})

_ECOSYSTEMS = {
    "cargo": "cargo", "composer": "composer", "gem": "rubygems", "golang": "go", "maven": "maven", "npm": "npm",
    "nuget": "nuget", "pypi": "pip",
}  # fmt: skip
"""Bucket prefixes by purl type (trivy-db, `pkg/ecosystem`)."""
_RELEASES = {
    "alma": "alma {major}",
    "alpine": "alpine {minor}",
    "amazon": "amazon linux {major}",
    "azurelinux": "Azure Linux {minor}",
    "bottlerocket": "bottlerocket",
    "cbl-mariner": "CBL-Mariner {minor}",
    "centos": "Red Hat",
    "chainguard": "chainguard",
    "debian": "debian {major}",
    "echo": "echo",
    "minimos": "minimos",
    "opensuse-leap": "openSUSE Leap {full}",
    "opensuse-tumbleweed": "openSUSE Tumbleweed",
    "oracle": "Oracle Linux {major}",
    "photon": "Photon OS {full}",
    "redhat": "Red Hat",
    "rocky": "rocky {major}",
    "slem": "SUSE Linux Enterprise Micro {full}",
    "sles": "SUSE Linux Enterprise {full}",
    "ubuntu": "ubuntu {full}",
    "wolfi": "wolfi",
}
"""Bucket of a release by Trivy's name of the family (trivy-db, `pkg/vulnsrc/bucket`; trivy, `pkg/detector/ospkg`)."""
_FAMILY = re.compile(r"(.*?)(?: [0-9][^ ]*| edge)?")


class _Metadata(report.Part, frozen=True, rename="pascal"):
    version: int
    updated_at: str


class TrivyDatabase(Struct, frozen=True):
    """A database that was looked into, and the names of its buckets that hold something."""

    database: Database
    buckets: frozenset[str]

    @classmethod
    def read(cls, cache: Path, memory: ScanStore | None = None) -> TrivyDatabase:
        """Look into the database below Trivy's cache folder; raises `Unavailable` for one that is not usable.

        `memory` spares hashing a file that did not change since it was hashed.
        """
        folder = cache / "db"
        file, metadata_file = folder / "trivy.db", folder / "metadata.json"
        try:
            identity = FileIdentity.of(file)
            metadata_file.stat()
        except OSError as error:
            raise Unavailable(
                f"Trivy has no vulnerability database in {folder}: {error.strerror}", hint=_RENEW
            ) from None
        metadata = report.read(
            metadata_file, _Metadata, "metadata of Trivy's database", limit=_METADATA_LIMIT
        )
        if metadata.version != SCHEMA:
            raise Unavailable(
                f"Trivy's database has schema {metadata.version}; {SCHEMA} is what can be used", hint=_RENEW
            )
        try:
            buckets = bolt.bucket_names(file)
            digest = sha256_of(file, identity, memory)
        except (bolt.DamagedFile, OSError) as error:
            raise Unavailable(f"Trivy's database {file} cannot be read: {error}", hint=_RENEW) from None
        if "vulnerability" not in buckets or not buckets - _NO_ADVISORIES:
            raise Unavailable("Trivy's database holds no advisories, so it can find nothing", hint=_RENEW)
        return cls(
            Database(
                schema=str(metadata.version),
                built=report.moment(metadata.updated_at, "the date of Trivy's database"),
                digest=digest,
                providers=tuple(sorted({_provider(name) for name in buckets - _NO_ADVISORIES})),
            ),
            buckets,
        )

    def covers_release(self, family: str, version: str) -> bool:
        """Say whether it holds advisories for a release, given as Trivy names it."""
        pattern = _RELEASES.get(family)
        if pattern is None:
            return False
        full = version.split()[0] if version.split() else ""
        if family == "alpine" and "_alpha" in full:
            full = "edge"
        elif family == "amazon" and full.partition(".")[0] not in ("2", "2022", "2023"):
            full = "1"
        parts = full.split(".")
        return pattern.format(major=parts[0], minor=".".join(parts[:2]), full=full) in self.buckets

    def covers_type(self, package_type: str) -> bool:
        """Say whether it holds advisories for a language's packages; True for those that no database covers."""
        prefix = _ECOSYSTEMS.get(package_type)
        return prefix is None or any(name.startswith(f"{prefix}::") for name in self.buckets)


def _provider(bucket: str) -> str:
    """Return what a bucket's advisories are of: a distribution without its release, or a language."""
    name = bucket.partition("::")[0]
    match = _FAMILY.fullmatch(name)
    return match[1] if match else name
