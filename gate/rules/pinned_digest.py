"""pinned-digest: an image is named by its digest, which says what is run and not only what it is called."""

from __future__ import annotations

from collections.abc import Iterator

from gate.errors import Unavailable
from gate.evidence import Subject
from gate.oci.reference import Reference
from gate.options import NoOptions
from gate.rule import Finding, Rule, Severity


def check(subject: Subject, options: NoOptions) -> Iterator[Finding]:
    """Require a digest in every name the image goes by."""
    if not subject.names:
        raise Unavailable(
            "the file carries no image name, so no digest", hint="say with --as NAME what it will be called"
        )
    for name in subject.names:
        yield from check_name(name, options)


def check_name(name: Reference, options: NoOptions) -> Iterator[Finding]:  # noqa: ARG001
    """Require a digest in one name."""
    if name.digest is None:
        yield Finding(
            f"{name} has no digest",
            id=name.name,
            remediation=f"Write {name}@DIGEST, with the digest that its registry gives it.",
            details={"name": str(name)},
        )


RULE = Rule(
    id="pinned-digest",
    title="The image's name carries a digest",
    rationale=(
        "A digest is the only name that always stands for the same bytes: every tag, also that of a release, can be moved "
        "by whoever may push. With a digest what was checked is what runs."
    ),
    remediation=(
        "Name the image as NAME:TAG@sha256:…; the digest stands in the report, and tools such as Renovate keep it current. "
        "Archives name images by tag alone: say with --as NAME@DIGEST what is meant."
    ),
    severity=Severity.MEDIUM,
    check=check,
    check_name=check_name,
)
