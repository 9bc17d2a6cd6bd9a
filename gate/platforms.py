"""Which images of a reference are judged, and what is said of its other platforms. Pure: no image is read here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from gate.oci.descriptor import Platform
from gate.oci.image import Image, Opened
from gate.oci.platform_pattern import PlatformPattern
from gate.policy.schema import PlatformRequirements
from gate.sources import ENGINE
from gate.sources.resolve import OTHER_PLATFORM
from gate.verdict import Status, Undecided

LEFT_OUT = "left out by the policy"
_NO_RULE = "no rule can judge Windows images"
_LEAVE_OUT = "leave this platform out: platforms: {leave-out: [windows/*]} in the policy, or judge another one with --platform"


class Selection(Struct, frozen=True):
    """What of a reference is judged, and what is not.

    `undecided` keeps the report from passing. `left_out` is not judged on purpose; `partial` says that platforms which
    could be run are among it, not only attestations and other artifacts.
    """

    images: tuple[Image, ...]
    undecided: tuple[Undecided, ...]
    left_out: Mapping[str, str]
    partial: bool


def select(reference: str, opened: Opened, requirements: PlatformRequirements, chosen: str) -> Selection:
    """Sort what a reference led to into what is judged and what is not; `chosen` is what `--platform` says.

    Nothing is lost: every image and every failure is judged, undecided, or named as left out.
    """
    unwanted = [name.pattern for name in requirements.leave_out]
    left_out = dict(opened.left_out)
    undecided: list[Undecided] = []
    for label, error in opened.failed.items():
        if _any(unwanted, _stated(label)):
            left_out[label] = LEFT_OUT
        else:
            undecided.append(Undecided(reference, label, error.message, error.hint))
    images: list[Image] = []
    for image in opened.images:
        if _any(unwanted, image.platform):
            left_out[_label(image, left_out)] = LEFT_OUT
        elif image.platform.os.lower() == "windows":
            undecided.append(Undecided(reference, str(image.platform), _NO_RULE, _LEAVE_OUT))
        else:
            images.append(image)
    undecided += _missing(reference, opened, requirements)
    if not images and not undecided:
        undecided.append(Undecided(reference, chosen, _nothing(reference, left_out)))
    partial = any(reason in (OTHER_PLATFORM, LEFT_OUT) for reason in left_out.values())
    return Selection(tuple(images), tuple(undecided), left_out, partial)


def _missing(reference: str, opened: Opened, requirements: PlatformRequirements) -> list[Undecided]:
    """Return the required platforms that were not judged: a failure where they are not there, else unknown.

    What failed to open, and what no rule can judge, is undecided already. That a container engine holds one platform says
    nothing of the others, and neither does an index with an entry of which it is not known what it is for.
    """
    there = [image.platform for image in opened.images]
    failed = [_stated(label) for label in opened.failed]
    aside = [_stated(label) for label, reason in opened.left_out.items() if reason == OTHER_PLATFORM]
    certain = None not in failed and (opened.origin is None or opened.origin.source != ENGINE)
    found: list[Undecided] = []
    for name in requirements.required:
        if any(_any([name.pattern], platform) for platform in (*there, *failed)):
            continue
        if any(_any([name.pattern], platform) for platform in aside):
            reason, status = "and it was left out by --platform", Status.UNKNOWN
            hint = "judge all platforms in one run: without --platform"
        elif certain:
            reason, status = f"which is not there; there is {_listed(there + aside)}", Status.FAIL
            hint = f"build the image for {name} too, or drop that from the policy's platforms"
        else:
            reason, status = f"and only {_listed(there + aside)} could be seen", Status.UNKNOWN
            hint = "judge the image in its registry, which has all its platforms: docker://NAME"
        found.append(Undecided(reference, name, f"the policy requires {name}, {reason}", hint, status))
    return found


def _nothing(reference: str, left_out: Mapping[str, str]) -> str:
    """Say that nothing was judged, which is not a pass, and what there is."""
    found = ", ".join(f"{label} ({reason})" for label, reason in left_out.items()) or "nothing"
    return f"{reference} has no image to judge; it has {found}"


def _any(patterns: Iterable[PlatformPattern], platform: Platform | None) -> bool:
    """Whether a platform is of one of the patterns; an unknown one is of none."""
    return platform is not None and any(pattern.matches(platform) for pattern in patterns)


def _stated(label: str) -> Platform | None:
    """Return the platform that a label of the walk through an index names, None where it is a digest."""
    parts = label.partition(" ")[0].split("/")
    return Platform(*parts) if len(parts) in (2, 3) else None


def _label(image: Image, taken: Mapping[str, str]) -> str:
    """Name an image that is left out, each by another name: Windows images have several of one platform."""
    platform = str(image.platform) or "no platform"
    names = (platform, f"{platform} ({image.digest.short})", f"{platform} ({image.digest})")
    return next((name for name in names if name not in taken), names[-1])


def _listed(platforms: Iterable[Platform | None]) -> str:
    """List platforms."""
    return ", ".join(sorted({str(platform) for platform in platforms if platform is not None})[:20]) or "none"
