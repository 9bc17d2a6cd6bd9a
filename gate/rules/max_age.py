"""max-age: an image is rebuilt now and then, because what is old lacks the fixes made since."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

from gate.errors import Unavailable
from gate.evidence import Subject
from gate.oci.filesystem import Filesystem
from gate.oci.image import Origin
from gate.oci.manifest import ImageConfig
from gate.options import Options, describe
from gate.packages.inventory import Inventory
from gate.rule import Finding, Remark, Rule, Severity

FIRST_IMAGE = datetime(2013, 3, 20, tzinfo=UTC)
"""Docker's first release. An earlier date is a placeholder: year 1 (Go's zero time), 1970 (ko, Bazel), 1980 (Buildpacks)."""
CLOCK_SKEW = timedelta(minutes=10)
"""How far ahead another machine's clock may honestly be; beyond that a date in the future is no date."""

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class MaxAgeOptions(Options):
    """What `max-age` can be told."""

    days: Annotated[int, describe("Oldest accepted age in days.", ge=1, le=3650)] = 90
    registry_date: Annotated[
        bool,
        describe(
            "Whether the date at which the registry says it got the image counts where nothing in the image has a "
            "believable one. The image may be older."
        ),
    ] = True


def check(  # noqa: PLR0913 -- the signature names the evidence
    subject: Subject,
    config: ImageConfig,
    filesystem: Filesystem,
    inventory: Inventory,
    origin: Origin,
    options: MaxAgeOptions,
) -> Iterator[Finding | Remark]:
    """Compare the image's age at the time of the check with the accepted one."""
    now = subject.checked_at
    stated = _time(config.created)
    built, evidence = _believed(stated, now), "the creation time in its configuration"
    if built is None:
        doubt = _doubt(config.created, stated, now)
        built, evidence = _other_evidence(config, filesystem, inventory, now)
        if built is None and options.registry_date:
            built = _believed(
                origin.modified, now
            )  # a claim of the registry, and of the pushing: the last resort
            evidence = f"the date at which {origin.served_by} says it got the image, which may be older"
        if built is None:
            raise Unavailable(
                f"how old the image is cannot be told: {doubt}, and its history, packages and files have no believable date",
                hint="let the build set a creation time (SOURCE_DATE_EPOCH), or set `on-unknown` for max-age",
            )
        evidence = f"{evidence}, because {doubt}"
        yield Remark(f"the age is judged by {evidence}")
    age = max(now - built, timedelta(0))
    if age > timedelta(days=options.days):
        yield Finding(
            f"built {age.days} days ago, on {built.date()}, by {evidence}; {options.days} days are accepted",
            details={
                "age_days": age.days,
                "built": built.isoformat(),
                "limit_days": options.days,
                "evidence": evidence,
            },
        )


def _time(text: str) -> datetime | None:
    """Read a time as the specification writes it (RFC 3339); None for anything else, leap seconds included, as in Go."""
    try:
        return datetime.fromisoformat(text.upper()) if _RFC_3339.fullmatch(text) else None
    except ValueError:
        return None


def _believed(found: datetime | None, now: datetime) -> datetime | None:
    """Return `found` in UTC if an image can have been built then."""
    return found.astimezone(UTC) if found and FIRST_IMAGE <= found <= now + CLOCK_SKEW else None


def _doubt(created: str, found: datetime | None, now: datetime) -> str:
    """Say why the creation time is not believed."""
    if not created:
        return "its configuration states no creation time"
    if found is None:
        return f"its creation time {created[:40]!r} is not a time"
    return f"its creation time {created[:40]!r} " + (
        "lies in the future" if found > now else "is a placeholder"
    )


def _other_evidence(
    config: ImageConfig, filesystem: Filesystem, inventory: Inventory, now: datetime
) -> tuple[datetime | None, str]:
    """Return the newest believable date in history, packages and files, and what it is: no image is older than its parts."""
    candidates = [
        (_believed(_time(step.created), now), "the newest step of its history") for step in config.history
    ]
    candidates += [
        (_moment(seconds, now), f"its newest package, {package.name}")
        for package in inventory.packages
        for seconds in (package.install_time, package.build_time)
    ]
    latest = int(
        (now + CLOCK_SKEW).timestamp()
    )  # one file of the future must not hide the dates of all others
    candidates.append((_moment(filesystem.newest_mtime(latest), now), "its newest file"))
    believed = [(when, evidence) for when, evidence in candidates if when is not None]
    return max(believed, key=lambda candidate: candidate[0], default=(None, ""))


def _moment(seconds: int | None, now: datetime) -> datetime | None:
    """Turn seconds since 1970 into a believable date; a number too large for any date is none."""
    if seconds is None or not 0 < seconds <= (now + CLOCK_SKEW).timestamp():
        return None
    return _believed(datetime.fromtimestamp(seconds, UTC), now)


RULE = Rule(
    id="max-age",
    title="The image was built not too long ago",
    rationale=(
        "An image does not change, but what is known of it does: month by month more of its packages have known "
        "vulnerabilities. A team that rebuilds on a schedule gets fixes without having to notice each of them. Reproducible "
        "builds state no date: then the newest believable one in history, packages and files counts, and last the day on "
        "which the registry got the image. The report says which it was."
    ),
    remediation="Rebuild the image on a current base, and schedule the build so that it stays current.",
    severity=Severity.MEDIUM,
    check=check,
)
