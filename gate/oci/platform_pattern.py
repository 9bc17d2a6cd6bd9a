"""Patterns over platforms: `linux/arm64`, `windows/*`, `linux/arm/v7`."""

from __future__ import annotations

import re

from msgspec import Struct

from gate.errors import InvalidInput
from gate.oci.descriptor import Platform

_PATTERN = re.compile(r"(?:\*|[A-Za-z0-9_.-]+)(?:/(?:\*|[A-Za-z0-9_.-]+)){1,2}", re.ASCII)
_ANY = "*"


class PlatformPattern(Struct, frozen=True):
    """A pattern over platforms, part by part: `*` is any word, and without a variant it matches every one.

    Names are compared as engines compare them: `linux/aarch64` is `linux/arm64`, and `linux/arm` in an image `linux/arm/v7`.
    `variant` is None where the pattern states none.
    """

    os: str
    architecture: str
    variant: str | None = None

    @classmethod
    def parse(cls, text: str) -> PlatformPattern:
        """Parse `OS/ARCHITECTURE[/VARIANT]`; raises `InvalidInput`."""
        if not _PATTERN.fullmatch(text):
            raise InvalidInput(
                f"{text[:100]!r} is not a platform",
                hint="write OS/ARCHITECTURE such as linux/arm64 or windows/*",
            )
        system, architecture, *variant = text.split("/")
        found = Platform(system, architecture, *variant).normalised()
        return cls(found.os, found.architecture, found.variant if variant else None)

    @property
    def wild(self) -> bool:
        """Whether the pattern stands for more than one platform, variants apart."""
        return _ANY in (self.os, self.architecture, self.variant)

    def matches(self, platform: Platform) -> bool:
        """Whether a platform is one of the pattern's."""
        found = platform.normalised()
        wanted = (self.os, self.architecture, _ANY if self.variant is None else self.variant)
        return all(
            want in (_ANY, have)
            for want, have in zip(wanted, (found.os, found.architecture, found.variant), strict=True)
        )
