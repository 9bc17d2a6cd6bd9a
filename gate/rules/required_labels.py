"""The image says whose it is, where it comes from and which version it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from gate.errors import InvalidInput
from gate.oci.manifest import ImageConfig
from gate.options import Options, Text, describe
from gate.rule import Finding, Rule, Severity

_PLACEHOLDERS = frozenset(
    {"", "unknown", "none", "null", "n/a", "na", "todo", "tbd", "-", "undefined", "changeme"}
)
"""Values that stand where someone had to write something."""

_SHOWN = 3
"""Names of a requirement that a message lists."""


class Label(Options):
    """One requirement: some label has to be there."""

    any: Annotated[
        tuple[Text, ...],
        describe(
            "Names, of which one is enough. A name that starts and ends with a slash is a regular expression for the"
            " whole name: `/.*\\.(owner|team)/`.",
            min_length=1,
        ),
    ]
    pattern: Annotated[Text | None, describe("Regular expression that the whole value has to match.")] = None
    meaning: Annotated[Text | None, describe("What the label is for, as the finding should call it.")] = None


OWNER = Label(
    any=(
        "org.opencontainers.image.authors",
        "org.opencontainers.image.vendor",
        "maintainer",
        "/(.*[._/-])?(owner|owners|team|maintainers?)/",
    ),
    meaning="owner or team",
)
SOURCE = Label(
    any=("org.opencontainers.image.source", "org.opencontainers.image.url", "org.label-schema.vcs-url"),
    meaning="source",
)
VERSION = Label(
    any=("org.opencontainers.image.version", "org.opencontainers.image.revision", "org.label-schema.version"),
    meaning="version",
)


class RequiredLabelsOptions(Options):
    """Options of `required-labels`."""

    labels: Annotated[
        tuple[Label, ...],
        describe(
            "What has to be there; without this: an owner or team, the source, and the version.", min_length=1
        ),
    ] = (OWNER, SOURCE, VERSION)


def check(config: ImageConfig, options: RequiredLabelsOptions) -> Iterator[Finding]:
    """Yield one finding per requirement that no label meets."""
    for label in options.labels:
        named = {
            name: value
            for name, value in config.labels.items()
            if any(_matches(name, any_) for any_ in label.any)
        }
        given = {name: value for name, value in named.items() if value.strip().lower() not in _PLACEHOLDERS}
        what = label.meaning or label.any[0]
        if not given:
            state = f"{next(iter(sorted(named)))} is empty or a placeholder" if named else "none"
            yield Finding(f"no label for {what} ({_listed(label)}): {state}", id=what)
        elif label.pattern is not None and not any(_fits(value, label.pattern) for value in given.values()):
            name, value = min(given.items())
            yield Finding(f"label {name} is {value[:80]!r}, which does not match {label.pattern}", id=what)


def _matches(name: str, wanted: str) -> bool:
    """Whether a label's name is the one wanted, case aside, for label names are not case-sensitive in use."""
    if len(wanted) > 2 and wanted.startswith("/") and wanted.endswith("/"):
        return _compiled(wanted[1:-1]).fullmatch(name[:1_000]) is not None
    return name.lower() == wanted.lower()


def _fits(value: str, pattern: str) -> bool:
    """Whether a value matches; values longer than labels are do not, so that no pattern runs on a document."""
    return len(value) <= 4_096 and _compiled(pattern).fullmatch(value) is not None


def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of the policy."""
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise InvalidInput(
            f"required-labels: {pattern!r} is not a regular expression: {error}",
            hint="correct it in the policy",
        ) from None


def _listed(label: Label) -> str:
    """The names of a requirement, as far as they fit in a message."""
    return " or ".join(label.any[:_SHOWN]) + (" or the like" if len(label.any) > _SHOWN else "")


RULE = Rule(
    id="required-labels",
    title="The image is labelled with owner, source and version",
    rationale="When an image has to be fixed at night, someone must be able to tell whose it is and what it was built from.",
    remediation=(
        "Add labels in the Dockerfile or at build time: LABEL org.opencontainers.image.source=… and"
        " docker build --label org.opencontainers.image.version=…."
    ),
    severity=Severity.LOW,
    check=check,
)
