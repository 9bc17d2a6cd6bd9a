"""pinned-tag: an image is named by a version or a digest, not by a tag that moves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from gate.errors import Unavailable
from gate.evidence import Subject
from gate.oci.reference import Reference
from gate.options import Options, Text, describe
from gate.rule import Finding, Rule, Severity

IMPLIED_TAG = "latest"
"""What a name without tag and digest means to every engine."""


class PinnedTagOptions(Options):
    """What `pinned-tag` can be told."""

    moving: Annotated[tuple[Text, ...], describe("Tags that are known to move.", min_length=1)] = (
        IMPLIED_TAG,
    )
    require_digest: Annotated[
        bool, describe("Whether only a digest counts, because any tag can be moved.")
    ] = False


def check(subject: Subject, options: PinnedTagOptions) -> Iterator[Finding]:
    """Require of every name the image goes by that it says which image."""
    if not subject.names:
        raise Unavailable(
            "the file carries no image name, so no tag", hint="say with --as NAME what it will be called"
        )
    for name in subject.names:
        yield from check_name(name, options)


def check_name(name: Reference, options: PinnedTagOptions) -> Iterator[Finding]:
    """Require of one name that it says which image."""
    problem = _problem(name, options)
    if problem:
        yield Finding(problem, id=name.name, details={"name": str(name)})


def _problem(name: Reference, options: PinnedTagOptions) -> str:
    """Say what is wrong with a name, `""` if nothing is; a digest fixes the content whatever the tag says."""
    if name.digest is not None:
        return ""
    if options.require_digest:
        return f"{name} has no digest"
    if not name.tag:
        return f"{name} has no tag, which means {IMPLIED_TAG}" if IMPLIED_TAG in options.moving else ""
    return f"{name} uses the moving tag {name.tag}" if name.tag in options.moving else ""


RULE = Rule(
    id="pinned-tag",
    title="The image's name says which version it is",
    rationale=(
        "A tag such as latest names another image tomorrow: what was checked is then not what runs, and nobody can say "
        "afterwards which one it was."
    ),
    remediation="Use a version tag, or better the digest (NAME:TAG@sha256:…), which the report states.",
    severity=Severity.LOW,
    check=check,
    check_name=check_name,
)
