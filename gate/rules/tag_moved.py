"""tag-moved: the digest that an image is pinned to is still the one that its tag names."""

from __future__ import annotations

from collections.abc import Iterator

from gate.evidence import Subject, TagDigest
from gate.options import NoOptions
from gate.rule import Finding, Remark, Rule, Severity


def check(subject: Subject, tag: TagDigest, options: NoOptions) -> Iterator[Finding | Remark]:  # noqa: ARG001
    """Compare the digests that the image was asked for or pulled by with what its tag names now."""
    if tag.now is None or not tag.pinned:
        yield Remark(
            "the image was not asked for by tag and digest, nor pulled by an engine: nothing can have moved"
        )
        return
    if tag.now in tag.pinned:
        return
    named = {tag.now, *tag.members}
    if named.intersection(tag.pinned) or subject.digest in named:
        yield Remark(f"{tag.name} names an index, {tag.now}, and this image is in it")
        return
    pinned = ", ".join(map(str, tag.pinned))
    yield Finding(
        f"{tag.name} is pinned to {pinned}, and names {tag.now} now",
        id=str(tag.name),
        details={"now": str(tag.now), "pinned": [str(digest) for digest in tag.pinned], "tag": str(tag.name)},
    )


RULE = Rule(
    id="tag-moved",
    title="The tag still names the digest that the image is pinned to",
    rationale=(
        "Where a tag has moved away from its pinned digest there usually is a newer build with fixes that this image "
        "lacks; sometimes it means that a release was replaced. Both deserve a look, and the digest keeps running what "
        "was checked. An index counts as unmoved as long as this platform's image is the same. What was not named by tag "
        "and digest passes: it has nothing to be compared with."
    ),
    remediation="Look at what the tag names now, check it, and pin that digest; or keep the old one on purpose.",
    severity=Severity.LOW,
    check=check,
)
