"""allowed-registries: images come from registries that someone chose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from gate.errors import InvalidInput, Unavailable
from gate.evidence import Subject
from gate.oci.image import Origin
from gate.oci.reference import Pattern, Reference
from gate.options import Options, describe
from gate.rule import Finding, Rule, Severity

_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"


class RegistryPattern(str):
    """The text of a pattern over image names that is known to parse."""

    __slots__ = ()
    SYNTAX = "a registry such as registry.example.com, perhaps with a path: docker.io/library, registry.example.com/shop/*"

    @classmethod
    def parse(cls, value: str) -> RegistryPattern:
        """Parse a pattern; raises `InvalidInput`."""
        return cls(Pattern.parse(value))


class Host(str):
    """A registry's host and port, as names have it."""

    __slots__ = ()
    SYNTAX = "a registry's host and perhaps port, such as mirror.example.com:5000"

    @classmethod
    def parse(cls, value: str) -> Host:
        """Parse a host, which for a mirror may be a single word; raises `InvalidInput`."""
        if re.fullmatch(_WORD, value):
            return cls(value.lower())
        pattern = Pattern.parse(value)
        if pattern.segments or pattern.registry.startswith("*."):
            raise InvalidInput(f"{value[:300]!r} is not a host", hint="write it without a path or wildcard")
        return cls(pattern.registry)


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
    mirrors: Annotated[
        tuple[Host, ...],
        describe(
            "Hosts of mirrors that may say what a tag of an accepted registry names, beside registries that are accepted "
            "as a whole. What a digest fixes may come from any mirror."
        ),
    ] = ()


def check(subject: Subject, origin: Origin, options: AllowedRegistriesOptions) -> Iterator[Finding]:
    """Require every name the image goes by to lie in an accepted registry: which one is used later is not ours to guess."""
    if not subject.names:
        raise Unavailable(
            "the file carries no image name, so no registry", hint="say with --as NAME what it will be called"
        )
    for name in subject.names:
        yield from check_name(name, options)
    yield from _mirrored(origin, options)


def check_name(name: Reference, options: AllowedRegistriesOptions) -> Iterator[Finding]:
    """Require one name to lie in an accepted registry."""
    if not any(pattern.matches(name) for pattern in _patterns(options)):
        accepted = ", ".join(options.registries)
        yield Finding(
            f"{name} is not from an accepted registry; accepted: {accepted}",
            id=name.name,
            details={"name": str(name), "registry": name.registry},
        )


def _patterns(options: AllowedRegistriesOptions) -> list[Pattern]:
    """Return the patterns of accepted names."""
    return [Pattern.parse(text) for text in options.registries]


def _mirrored(origin: Origin, options: AllowedRegistriesOptions) -> Iterator[Finding]:
    """Say where a mirror that nobody accepted decided what a tag names; a digest decides by itself."""
    name = origin.name
    if name is None or name.digest is not None or not origin.served_by:
        return
    host = Host.parse(origin.served_by)
    whole = [pattern for pattern in _patterns(options) if not pattern.segments]
    accepted = any(pattern.matches(Reference(host, "any")) for pattern in whole)
    if host not in (name.registry, *options.mirrors) and not accepted:
        yield Finding(
            f"what {name} names was said by the mirror {host}, which is not accepted to say so",
            id=name.name,
            remediation="Name the image by its digest, which any mirror can serve, or list the mirror under `mirrors`.",
            details={"mirror": str(host), "name": str(name), "registry": name.registry},
        )


RULE = Rule(
    id="allowed-registries",
    title="The image comes from an accepted registry",
    rationale=(
        "Whoever controls a registry controls what its names mean. Names are compared by parsed host and path segments, "
        "with docker.io implied as Docker does, so registry.example.com.evil.test or an omitted host pass nothing by. The name "
        "counts, also where a configured mirror serves the image: bytes that a digest fixes are the same from anywhere. "
        "What a tag names, though, is decided by whoever answers, so such a mirror must be accepted."
    ),
    remediation="Pull the image into an accepted registry and use it from there, or add its registry to the policy.",
    severity=Severity.HIGH,
    check=check,
    check_name=check_name,
)
