"""Every platform is judged, undecided, or named; a required one that is missing is no pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import Unavailable
from gate.oci.descriptor import Descriptor, Digest, Platform
from gate.oci.image import Image, Opened, Origin
from gate.platforms import LEFT_OUT, Selection, select
from gate.policy.schema import PlatformName, PlatformRequirements, PlatformText
from gate.sources.resolve import OTHER_PLATFORM
from gate.verdict import Report, Status


def digest(number: int) -> Digest:
    return Digest("sha256", f"{number:08x}" * 8)


def image(platform: str, number: int = 0) -> Image:
    """An image for a platform; nothing else of it is looked at."""
    parts = Platform(*platform.split("/")) if platform else Platform("", "")
    descriptor = Descriptor("x", digest(number), 1)
    return Image(descriptor, None, None, (), parts, b"", b"")  # type: ignore[arg-type]


def selected(
    platforms: Sequence[str],
    required: Sequence[str] = (),
    leave_out: Sequence[str] = (),
    **opened: Any,
) -> Selection:
    """What is selected of an index with these platforms."""
    images = tuple(image(platform, number) for number, platform in enumerate(platforms))
    requirements = PlatformRequirements(
        required=tuple(map(PlatformName.parse, required)), leave_out=tuple(map(PlatformText.parse, leave_out))
    )
    return select("x", Opened(digest(99), images, **opened), requirements, "all")


def judged(selection: Selection) -> list[str]:
    return [str(found.platform) for found in selection.images]


def said(selection: Selection) -> dict[str, tuple[Status, str]]:
    return {undecided.platform: (undecided.status, undecided.reason) for undecided in selection.undecided}


def test_all_platforms_are_judged() -> None:
    found = selected(["linux/amd64", "linux/arm64", "linux/arm64", ""])
    assert judged(found) == ["linux/amd64", "linux/arm64", "linux/arm64", ""]
    assert (found.undecided, found.left_out, found.partial) == ((), {}, False)


def test_attestations_do_not_make_a_report_partial() -> None:
    found = selected(["linux/amd64"], left_out={"sha256:1": "an attestation"})
    assert (found.left_out, found.partial) == ({"sha256:1": "an attestation"}, False)
    assert selected(["linux/amd64"], left_out={"linux/arm64": OTHER_PLATFORM}).partial


def test_a_windows_image_is_named_and_unknown_unless_left_out() -> None:
    found = selected(["linux/amd64", "Windows/amd64", "windows/amd64"])
    assert judged(found) == ["linux/amd64"]
    assert [(one.platform, one.status) for one in found.undecided] == [
        ("Windows/amd64", Status.UNKNOWN),
        ("windows/amd64", Status.UNKNOWN),
    ]
    assert "leave-out: [windows/*]" in found.undecided[0].hint
    found = selected(["linux/amd64", "windows/amd64", "windows/amd64"], leave_out=["windows/*"])
    assert (judged(found), found.undecided, found.partial) == (["linux/amd64"], (), True)
    assert found.left_out == {"windows/amd64": LEFT_OUT, f"windows/amd64 ({digest(2).short})": LEFT_OUT}


def test_what_fails_is_undecided_unless_left_out() -> None:
    failed = {
        "linux/s390x": Unavailable("gone", hint="fetch it"),
        f"linux/s390x ({digest(1).short})": Unavailable("gone too"),
    }
    found = selected(["linux/amd64"], failed=failed)
    assert said(found) == {name: (Status.UNKNOWN, error.message) for name, error in failed.items()}
    assert found.undecided[0].hint == "fetch it"
    found = selected(["linux/amd64"], leave_out=["*/s390x"], failed=failed)
    assert (found.undecided, found.left_out, found.partial) == ((), dict.fromkeys(failed, LEFT_OUT), True)


@pytest.mark.parametrize(
    "label", [str(digest(1)), "linux/amd64", "linux/windows", "x windows/amd64", "linux/windows/amd64"]
)
def test_only_what_states_a_platform_is_left_out_by_it(label: str) -> None:
    found = selected(["linux/arm64"], leave_out=["windows/*"], failed={label: Unavailable("gone")})
    assert list(said(found)) == [label]


def test_nothing_to_judge_is_not_a_pass() -> None:
    found = selected([])
    assert said(found) == {"all": (Status.UNKNOWN, "x has no image to judge; it has nothing")}
    found = selected(["windows/amd64"], leave_out=["windows/*"])
    assert "it has windows/amd64 (left out by the policy)" in said(found)["all"][1]
    found = selected([], left_out={"linux/arm64": OTHER_PLATFORM})
    assert "it has linux/arm64 (not the platform that was asked for)" in said(found)["all"][1]


def test_required_platforms_that_are_there() -> None:
    assert selected(["linux/amd64", "linux/arm64/v8"], ["linux/amd64", "linux/arm64"]).undecided == ()
    assert selected(["linux/arm/v6"], ["linux/arm"]).undecided == ()


def test_a_required_platform_that_is_missing_is_a_failure() -> None:
    found = selected(
        ["linux/amd64"],
        ["linux/amd64", "linux/arm64", "linux/arm/v7"],
        left_out={"sha256:1": "an attestation"},
    )
    assert said(found) == {
        "linux/arm64": (
            Status.FAIL,
            "the policy requires linux/arm64, which is not there; there is linux/amd64",
        ),
        "linux/arm/v7": (
            Status.FAIL,
            "the policy requires linux/arm/v7, which is not there; there is linux/amd64",
        ),
    }
    assert judged(found) == ["linux/amd64"]
    assert Report((), found.undecided).status is Status.FAIL
    assert said(selected([""], ["linux/amd64"]))["linux/amd64"][0] is Status.FAIL


def test_a_required_platform_that_was_left_out_is_unknown() -> None:
    found = selected(
        ["linux/amd64"], ["linux/arm64", "linux/s390x"], left_out={"linux/arm64": OTHER_PLATFORM}
    )
    assert said(found)["linux/arm64"] == (
        Status.UNKNOWN, "the policy requires linux/arm64, and it was left out by --platform",
    )  # fmt: skip
    assert said(found)["linux/s390x"][0] is Status.FAIL


def test_a_required_platform_that_failed_is_said_once() -> None:
    found = selected(["linux/amd64"], ["linux/arm64"], failed={"linux/arm64": Unavailable("gone")})
    assert said(found) == {"linux/arm64": (Status.UNKNOWN, "gone")}
    assert len(found.undecided) == 1


def test_what_an_entry_without_a_platform_is_for_is_not_known() -> None:
    found = selected(["linux/amd64"], ["linux/arm64"], failed={str(digest(1)): Unavailable("gone")})
    assert said(found)["linux/arm64"] == (
        Status.UNKNOWN,
        "the policy requires linux/arm64, and only linux/amd64 could be seen",
    )


def test_an_engine_holds_one_platform_and_says_nothing_of_the_others() -> None:
    for source, status in (("docker-daemon", Status.UNKNOWN), ("docker", Status.FAIL), ("oci", Status.FAIL)):
        found = selected(["linux/amd64"], ["linux/arm64"], origin=Origin(source))
        assert said(found)["linux/arm64"][0] is status


NAMES = st.sampled_from(
    ["linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7", "windows/amd64", "linux/386"]
)
LABELS = st.dictionaries(NAMES, st.just(Unavailable("gone")), max_size=3)
ASIDE = st.dictionaries(NAMES, st.sampled_from([OTHER_PLATFORM, "an attestation"]), max_size=3)
PATTERNS = st.sampled_from(["windows/*", "linux/arm", "linux/arm/v6", "*/386"])


@given(st.lists(NAMES, max_size=4), st.sets(NAMES, max_size=3), st.sets(PATTERNS, max_size=2), LABELS, ASIDE)
def test_nothing_is_lost(
    platforms: list[str],
    required: set[str],
    leave_out: set[str],
    failed: Mapping[str, Unavailable],
    aside: Mapping[str, str],
) -> None:
    aside = {name: reason for name, reason in aside.items() if name not in failed}
    found = selected(platforms, sorted(required), sorted(leave_out), failed=failed, left_out=aside)
    counted = len(found.images) + len(found.left_out) - len(aside)
    windows = [one for one in found.undecided if one.hint.startswith("leave this platform out")]
    gone = [one for one in found.undecided if one.reason == "gone"]
    assert counted + len(windows) + len(gone) == len(platforms) + len(failed)
    named = (
        {one.platform for one in found.undecided}
        | {str(one.platform) for one in found.images}
        | set(found.left_out)
    )
    assert required <= named | {"linux/arm"}
    assert found.images or found.undecided
