"""last-patched: the packages of the distribution are not all old, whatever the image's own date says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

from gate.errors import Unavailable
from gate.evidence import Subject
from gate.oci.filesystem import Filesystem
from gate.options import Options, describe
from gate.packages.inventory import Inventory
from gate.rule import Finding, Remark, Rule, Severity
from gate.rules.max_age import CLOCK_SKEW, FIRST_IMAGE

_DATED = re.compile(
    r"var/lib/dpkg/(?:info|status\.d)/(?P<sums>[^/:]+)(?::[^/]+)?\.md5sums"
    r"|usr/share/doc/(?P<documents>[^/]+)/(?:changelog(?:\.Debian)?\.gz|copyright)"
)
"""Files of a Debian package that are never newer than its last change, to which builds set the time of what they make.

The sums are made by each build, so they tell the day even where documents are removed, or all but `copyright` left out
as in slim images: that one keeps the time at which a person last edited it.
"""
_FOLDERS = ("var/lib/dpkg/", "usr/share/doc/")
_ENDS = (".md5sums", "/changelog.Debian.gz", "/changelog.gz", "/copyright")


class LastPatchedOptions(Options):
    """What `last-patched` can be told."""

    days: Annotated[int, describe("Oldest accepted age of the newest package, in days.", ge=1, le=3650)] = 90


def check(
    subject: Subject, inventory: Inventory, filesystem: Filesystem, options: LastPatchedOptions
) -> Iterator[Finding | Remark]:
    """Compare the age of the newest package with the accepted one; an image without packages has nothing to patch."""
    packages = inventory.complete().packages
    if not packages:
        return
    now = subject.checked_at
    dates = [
        (moment, name, evidence)
        for seconds, name, evidence in _dates(inventory, filesystem)
        if (moment := _believed(seconds, now)) is not None
    ]
    if not dates:
        raise Unavailable(
            f"none of the {len(packages)} packages has a believable date",
            hint="of Debian packages, keep /var/lib/dpkg/info/*.md5sums with their times in the image",
        )
    newest, name, evidence = max(dates)  # by date, then by name
    age = now - newest
    if age > timedelta(days=options.days):
        yield Finding(
            f"the newest package, {name}, is of {newest.date()}, {age.days} days ago, by {evidence}; "
            f"{options.days} days are accepted",
            details={"age_days": age.days, "evidence": evidence, "limit_days": options.days, "package": name},
        )


def _dates(inventory: Inventory, filesystem: Filesystem) -> Iterator[tuple[int, str, str]]:
    """Yield dates in seconds since 1970, the package, and what the date is.

    When a package was built tells when its last fix was made; when it was installed only counts where that is not known.
    """
    undated = set()
    installed = []
    for package in inventory.packages:
        if package.build_time is not None:
            yield package.build_time, package.name, "its build time"
        elif package.type == "deb":
            undated.add(package.name)
        if package.build_time is None and package.install_time is not None:
            installed.append((package.install_time, package.name, "the time it was installed"))
    found = False
    for path in filesystem.paths(_FOLDERS, _ENDS) if undated else ():
        match = _DATED.fullmatch(path)
        name = (match["sums"] or match["documents"]) if match else ""
        entry = filesystem.get(f"/{path}") if name in undated else None
        if entry is not None:
            found = True
            yield entry.mtime, name, f"the time of {entry.path}"
    if not found:
        yield from installed


def _believed(seconds: int, now: datetime) -> datetime | None:
    """Turn seconds since 1970 into a date that a package can have been made at."""
    if not FIRST_IMAGE.timestamp() <= seconds <= (now + CLOCK_SKEW).timestamp():
        return None
    return datetime.fromtimestamp(seconds, UTC)


RULE = Rule(
    id="last-patched",
    title="The packages of the distribution were patched not too long ago",
    rationale=(
        "An image that was built yesterday on a base of last year is a year old where it counts. The newest package "
        "tells when fixes last arrived."
    ),
    remediation="Rebuild on a current base image, or upgrade the packages while building.",
    severity=Severity.MEDIUM,
    check=check,
)
