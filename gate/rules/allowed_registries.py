"""allowed-registries: images come from registries that someone chose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from gate.errors import Unavailable
from gate.evidence import Subject
from gate.oci.reference import Pattern
from gate.options import Options, describe
from gate.rule import Finding, Rule, Severity


class RegistryPattern(str):
    """The text of a pattern over image names that is known to parse."""

    __slots__ = ()
    SYNTAX = "a registry such as registry.example.com, perhaps with a path: docker.io/library, registry.example.com/shop/*"

    @classmethod
    def parse(cls, value: str) -> RegistryPattern:
        """Parse a pattern; raises `InvalidInput`."""
        return cls(Pattern.parse(value))


class AllowedRegistriesOptions(Options):
    """What `allowed-registries` can be told."""

    registries: Annotated[
        tuple[RegistryPattern, ...],
        describe(
            "Patterns of accepted names: a registry (registry.example.com, docker.io), a path in it "
            "(docker.io/library, registry.example.com/shop/*), or its subdomains (*.example.com).",
            min_length=1,
        ),
    ]


def check(subject: Subject, options: AllowedRegistriesOptions) -> Iterator[Finding]:
    """Require every name the image goes by to lie in an accepted registry: which one is used later is not ours to guess."""
    if not subject.names:
        raise Unavailable(
            "the file carries no image name, so no registry", hint="say with --as NAME what it will be called"
        )
    patterns = [Pattern.parse(text) for text in options.registries]
    for name in subject.names:
        if not any(pattern.matches(name) for pattern in patterns):
            accepted = ", ".join(options.registries)
            yield Finding(
                f"{name} is not from an accepted registry; accepted: {accepted}",
                id=name.name,
                details={"name": str(name), "registry": name.registry},
            )


RULE = Rule(
    id="allowed-registries",
    title="The image comes from an accepted registry",
    rationale=(
        "Whoever controls a registry controls what its names mean. Names are compared by parsed host and path segments, "
        "with docker.io implied as Docker does, so registry.example.com.evil.test or an omitted host pass nothing by."
    ),
    remediation="Pull the image into an accepted registry and use it from there, or add its registry to the policy.",
    severity=Severity.HIGH,
    check=check,
)
