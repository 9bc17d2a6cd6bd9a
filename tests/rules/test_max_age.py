from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gate.errors import Unavailable
from gate.evidence import Subject
from gate.oci.descriptor import Digest, Platform
from gate.oci.filesystem import Filesystem
from gate.oci.image import Origin
from gate.oci.reference import Reference
from gate.rule import Finding, Remark
from gate.rules.max_age import CLOCK_SKEW, RULE, MaxAgeOptions, check
from samples.images.entries import file
from tests.kit import trees

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
RECENT = "2026-05-01T00:00:00Z"
OLD = "2025-05-01T00:00:00Z"
EPOCH = "1970-01-01T00:00:00Z"
BARE = trees.filesystem({})
A_FILE = Origin("oci")
APK = "C:Q1\nP:musl\nV:1.2.5-r0\nA:x86_64\nt:{seconds}\n\n"


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def subject() -> Subject:
    digest = Digest("sha256", "a" * 64)
    return Subject("image", "oci", digest, digest, Platform("linux", "amd64"), (), NOW)


def run(
    tree: Filesystem = BARE,
    days: int = 90,
    origin: Origin = A_FILE,
    registry_date: bool = True,
    **fields: Any,
) -> list[Finding | Remark]:
    options = MaxAgeOptions(days=days, registry_date=registry_date)
    return list(check(subject(), trees.config(**fields), tree, trees.inventory(tree), origin, options))


def pushed(date: str) -> Origin:
    """An image that its registry says it got then."""
    name = Reference.parse("registry.example.com/shop/api:1.4")
    return Origin("docker", name, "registry.example.com", datetime.fromisoformat(date))


def steps(*dates: str) -> list[dict[str, str]]:
    return [{"created": date} if date else {} for date in dates]


def dated(text: str) -> Filesystem:
    return trees.filesystem({"app/data": file(b"x").dated(seconds(text))})


@pytest.mark.parametrize(
    "created",
    [
        RECENT,
        "2026-05-01T00:00:00.123456789Z",
        "2026-05-01T00:00:00.1Z",
        "2026-05-01t00:00:00z",
        "2026-05-01T23:30:00+14:00",
        "2026-03-03T12:00:00Z",
        "2026-06-01T12:00:00Z",
        "2026-06-01T12:10:00Z",
    ],
)
def test_a_fresh_image_passes(created: str) -> None:
    assert run(created=created) == []


def test_the_age_is_compared_to_the_second() -> None:
    limit = NOW - timedelta(days=90)
    assert run(created=limit.isoformat()) == []
    assert trees.messages(run(created=(limit - timedelta(seconds=1)).isoformat()))


def test_an_old_image_fails_and_the_message_says_how_it_is_known() -> None:
    (finding,) = run(created=OLD)
    assert isinstance(finding, Finding)
    assert finding.message == (
        "built 396 days ago, on 2025-05-01, by the creation time in its configuration; 90 days are accepted"
    )
    assert finding.details["age_days"] == 396
    assert finding.details["built"] == "2025-05-01T00:00:00+00:00"


def test_the_limit_is_an_option() -> None:
    assert run(created=OLD, days=397) == []
    assert trees.messages(run(created=RECENT, days=7))


NO_TIMES = [
    ("", "its configuration states no creation time"),
    ("0001-01-01T00:00:00Z", "its creation time '0001-01-01T00:00:00Z' is a placeholder"),
    (EPOCH, "is a placeholder"),
    ("1980-01-01T00:00:01Z", "is a placeholder"),
    ("2013-03-19T23:59:59Z", "is a placeholder"),
    ("2199-01-01T00:00:00Z", "lies in the future"),
    ("2026-06-01T12:10:01Z", "lies in the future"),
    ("2026-12-01T00:00:00Z", "lies in the future"),
    ("9999-12-31T23:59:59-23:59", "lies in the future"),
    ("0001-01-01T00:00:00+23:59", "is a placeholder"),
    ("10000-01-01T00:00:00Z", "is not a time"),
    ("2026-05-01T23:59:60Z", "is not a time"),
    ("2026-05-01T24:00:00Z", "is not a time"),
    ("2026-02-30T00:00:00Z", "is not a time"),
    ("2026-13-01T00:00:00Z", "is not a time"),
    ("2026-05-01", "is not a time"),
    ("2026-05-01 00:00:00Z", "is not a time"),
    ("2026-05-01T00:00:00", "is not a time"),
    ("2026-05-01T00:00:00+0200", "is not a time"),
    ("2026-05-01T00:00:00,5Z", "is not a time"),
    ("2026-05-01T00:00:00Z ", "is not a time"),
    ("20260501T000000Z", "is not a time"),
    ("1777593600", "is not a time"),
    ("yesterday\x1b[31m", "is not a time"),
    ("２０２６-05-01T00:00:00Z", "is not a time"),
]  # fmt: skip


@pytest.mark.parametrize(("created", "doubt"), NO_TIMES)
def test_what_is_no_time_of_a_build_is_never_fresh(created: str, doubt: str) -> None:
    with pytest.raises(Unavailable) as caught:
        run(created=created)
    assert doubt in caught.value.message
    assert "\x1b" not in caught.value.message
    assert "SOURCE_DATE_EPOCH" in caught.value.hint


@pytest.mark.parametrize(("created", "doubt"), NO_TIMES)
def test_the_best_other_evidence_is_used_and_named(created: str, doubt: str) -> None:
    old = run(created=created, history=steps(OLD, EPOCH, ""))
    (message,) = trees.messages(old)
    assert message.startswith(
        "built 396 days ago, on 2025-05-01, by the newest step of its history, because "
    )
    assert doubt in message
    fresh = run(created=created, history=steps(OLD, RECENT))
    assert trees.messages(fresh) == []
    (remark,) = trees.remarks(fresh)
    assert remark.startswith("the age is judged by the newest step of its history, because ")


def test_the_newest_believable_date_of_all_parts_counts() -> None:
    apk = file(APK.format(seconds=seconds(RECENT))).dated(seconds(EPOCH))
    packages = trees.filesystem({"lib/apk/db/installed": apk})
    assert trees.messages(run(packages, created=EPOCH, history=steps(OLD))) == []
    (remark,) = trees.remarks(run(packages, created=EPOCH, history=steps(OLD)))
    assert "its newest package, musl" in remark
    (remark,) = trees.remarks(run(dated(RECENT), created=EPOCH, history=steps(OLD)))
    assert "its newest file" in remark
    (message,) = trees.messages(run(dated(OLD), created=EPOCH))
    assert message.startswith(
        "built 396 days ago, on 2025-05-01, by its newest file, because its creation time"
    )


def test_a_file_of_the_future_does_not_hide_the_dates_of_the_others() -> None:
    odd = file(b"x").dated(seconds("2150-01-01T00:00:00+00:00"))
    tree = trees.filesystem({"app/data": file(b"x").dated(seconds(OLD)), "app/odd": odd})
    (message,) = trees.messages(run(tree, created=EPOCH))
    assert "on 2025-05-01, by its newest file" in message


@pytest.mark.parametrize("odd", [EPOCH, "2199-01-01T00:00:00Z", "2026-06-02T00:00:00Z"])
def test_other_evidence_is_believed_no_more_than_the_creation_time(odd: str) -> None:
    apk = file(APK.format(seconds=seconds(odd))).dated(seconds(odd))
    for tree in (BARE, dated(odd), trees.filesystem({"lib/apk/db/installed": apk})):
        with pytest.raises(Unavailable, match="how old the image is cannot be told"):
            run(tree, created=EPOCH, history=steps(odd, "", "garbage"))


def test_a_believable_creation_time_needs_no_other_evidence() -> None:
    assert run(dated(OLD), created=RECENT, history=steps(OLD)) == []
    assert trees.messages(run(dated(RECENT), created=OLD, history=steps(RECENT)))


@pytest.mark.parametrize(("created", "doubt"), NO_TIMES)
def test_at_last_the_registrys_date_counts_and_is_called_that(created: str, doubt: str) -> None:
    (remark,) = run(created=created, origin=pushed(RECENT), history=steps(EPOCH))
    assert isinstance(remark, Remark)
    assert remark.message.startswith(
        "the age is judged by the date at which registry.example.com says it got the image, which may be older, because "
    )
    assert doubt in remark.message
    (message,) = trees.messages(run(created=created, origin=pushed(OLD)))
    assert message.startswith("built 396 days ago, on 2025-05-01, by the date at which registry.example.com ")


def test_the_registrys_date_counts_only_where_nothing_else_does() -> None:
    assert trees.messages(run(created=OLD, origin=pushed(RECENT)))
    assert run(created=RECENT, origin=pushed(OLD)) == []
    assert trees.messages(run(dated(OLD), created=EPOCH, origin=pushed(RECENT)))
    assert trees.messages(run(dated(RECENT), created=EPOCH, origin=pushed(OLD))) == []


@pytest.mark.parametrize("odd", ["1970-01-01T00:00:00+00:00", "2199-01-01T00:00:00+00:00"])
def test_the_registrys_date_is_believed_no_more_than_others(odd: str) -> None:
    with pytest.raises(Unavailable, match="how old the image is cannot be told"):
        run(created=EPOCH, origin=pushed(odd))


def test_a_policy_can_refuse_the_registrys_date() -> None:
    with pytest.raises(Unavailable, match="how old the image is cannot be told"):
        run(created=EPOCH, origin=pushed(RECENT), registry_date=False)


def test_an_age_just_ahead_of_this_clock_is_no_negative_one() -> None:
    assert run(created=(NOW + CLOCK_SKEW).isoformat(), days=1) == []


def test_the_rule_tells_what_to_do() -> None:
    assert RULE.id == "max-age"
    assert "Rebuild" in RULE.remediation
