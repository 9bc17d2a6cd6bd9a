"""What `rpm -qa` says of the databases in `rpm_databases/`."""

from __future__ import annotations

from gate.packages import Entries
from tests.packages.databases import WRITTEN_BY_RPM


def listed(name: str) -> list[str]:
    """Return the lines of a list, with the epoch 0 left out as our versions leave it out."""
    return sorted((WRITTEN_BY_RPM / name).read_text().replace(" 0:", " ").splitlines())


def as_rpm_lists(entries: Entries) -> list[str]:
    """Write entries as the lists have them."""
    return sorted(
        f"{package.name} {package.version} {package.architecture or '(none)'} "
        f"{_source(package.name, package.source_name, package.source_version)} "
        f"{package.build_time} {package.install_time}"
        for package in (*entries.packages, *entries.inactive)
    )


def _source(name: str, source_name: str, source_version: str) -> str:
    return "(none)" if name == "gpg-pubkey" else f"{source_name}-{source_version}.src.rpm"
