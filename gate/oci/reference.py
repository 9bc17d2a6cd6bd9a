"""Names of images: parse them as Docker does, print them in full, match them against patterns.

Grammar: github.com/distribution/reference. A name is compared by its parsed host and path segments, never as text, so
`registry.example.com.evil.test` or `good.example@evil` cannot pass for `registry.example.com`.
"""

from __future__ import annotations

import re
from contextlib import suppress

from msgspec import Struct

from gate.errors import InvalidInput, MalformedImage, Unavailable
from gate.oci.descriptor import Digest
from gate.printable import redacted

DEFAULT_REGISTRY = "docker.io"
IMPLIED_TAG = "latest"
"""What every engine takes a name without tag and digest to mean."""

SYNTAX = "write it as registry/repository:tag@digest"

_DEFAULT_ALIASES = frozenset({"index.docker.io", "registry-1.docker.io"})

_HOST = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:]+\]|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
_SEGMENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_IMAGE_ID = re.compile(r"[a-f0-9]{64}", re.ASCII)
_LONGEST_NAME = 255


class Reference(Struct, frozen=True):
    """An image name: registry (host and port), repository, and tag and digest as far as they were written."""

    registry: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, value: str) -> Reference:
        """Parse a name such as `alpine`, `shop/api:1.4` or `registry.example.com:5000/shop/api@sha256:…`.

        `docker.io` and, for one segment, `library/` are implied. Raises `InvalidInput` for anything outside the grammar.
        """
        name, _, digest_text = value.partition("@")
        digest = _digest(digest_text, value) if "@" in value else None
        head, slash, last = name.rpartition("/")
        last, colon, tag = last.partition(":")
        if colon and not _TAG.fullmatch(tag):
            raise _invalid(value, f"{tag[:200]!r} is not a tag")
        segments = [*head.split("/"), last] if slash else [last]
        registry = DEFAULT_REGISTRY
        if not slash and _IMAGE_ID.fullmatch(last):
            raise _invalid(value, "64 hexadecimal digits are an image's id")
        if len(segments) > 1 and _is_host(segments[0]):
            registry = _registry(segments.pop(0), value)
        if registry == DEFAULT_REGISTRY and len(segments) == 1:
            segments.insert(0, "library")
        repository = "/".join(segments)
        if not all(_SEGMENT.fullmatch(segment) for segment in segments) or len(repository) > _LONGEST_NAME:
            raise _invalid(value, "a repository is lower-case words with single separators, split by slashes")
        return cls(registry, repository, tag, digest)

    @property
    def name(self) -> str:
        """Registry and repository, in full."""
        return f"{self.registry}/{self.repository}"

    def with_implied_tag(self) -> Reference:
        """Return the name with the tag that engines imply, where neither tag nor digest was written."""
        if self.tag or self.digest is not None:
            return self
        return Reference(self.registry, self.repository, IMPLIED_TAG)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


class Pattern(Struct, frozen=True):
    """A pattern over names, compared segment by segment: `*` is one segment, a final `**` is one or more.

    `registry.example.com` alone stands for everything in that registry, a longer pattern without wildcard for that
    repository and all below it, one with wildcards for nothing below. A leading `*.` matches subdomains of a host, never the host itself.
    """

    registry: str
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, value: str) -> Pattern:
        """Parse a pattern; raises `InvalidInput` where a part could never match."""
        host, *segments = value.split("/")
        wildcard, bare = ("*.", host[2:]) if host.startswith("*.") else ("", host)
        if not _is_host(bare) or (wildcard and "." not in bare):
            raise _invalid(
                value, "a pattern starts with a registry host, such as registry.example.com or docker.io"
            )
        registry = wildcard + _registry(bare, value)
        for position, segment in enumerate(segments):
            wild = segment == "*" or (segment == "**" and position == len(segments) - 1)
            if not wild and not _SEGMENT.fullmatch(segment):
                raise _invalid(
                    value, "wildcards stand for whole segments: `*` for one, a final `**` for all that follow"
                )
        return cls(registry, tuple(segments))

    def matches(self, reference: Reference) -> bool:
        """Whether `reference` lies in this pattern."""
        if self.registry.startswith("*."):
            if not reference.registry.endswith(self.registry[1:]):
                return False
        elif reference.registry != self.registry:
            return False
        found = reference.repository.split("/")
        wanted, more = self.segments, len(found) - len(self.segments)
        if wanted[-1:] == ("**",):
            wanted = wanted[:-1]
        elif "*" in wanted and more:
            return False
        return more >= 0 and all(want in ("*", have) for want, have in zip(wanted, found, strict=False))

    def __str__(self) -> str:
        return "/".join((self.registry, *self.segments))


def _is_host(segment: str) -> bool:
    """Whether Docker reads a first segment as a registry: it has a dot, a port or upper case, or is `localhost`."""
    return "." in segment or ":" in segment or segment == "localhost" or segment != segment.lower()


def parse_host(text: str) -> str:
    """Normalise `host[:port]`, of whatever kind of server; raises `InvalidInput`."""
    host, port = _host(text, text)
    return f"{host.lower()}{port}"


def _registry(segment: str, value: str) -> str:
    """Normalise host and port; port 443 is kept, because registries on other ports are other registries."""
    host, port = _host(segment, value)
    if port:
        return f"{host.lower()}{port}"
    if not _is_host(host.lower()):
        return host  # only its case makes `FOO/bar` a registry; `foo/bar` is a repository of Docker Hub
    return DEFAULT_REGISTRY if host.lower() in _DEFAULT_ALIASES else host.lower()


def _host(segment: str, value: str) -> tuple[str, str]:
    """Split host and port, the port with its colon or empty; `value` is what an error quotes."""
    match = _HOST.fullmatch(segment)
    if match is None or (match["port"] and not 0 < int(match["port"]) < 65_536):
        raise _invalid(value, f"{segment[:200]!r} is not a registry host")
    host = match["host"]
    if host.startswith("["):
        host = _ipv6(host, value)
    return host, f":{int(match['port'])}" if match["port"] else ""


def _digest(value: str, whole: str) -> Digest:
    """Parse the digest that a caller typed."""
    try:
        return Digest.parse(value)
    except (MalformedImage, Unavailable) as error:
        raise _invalid(whole, error.message) from None


def _ipv6(host: str, value: str) -> str:
    """Write an IPv6 literal in its one shortest form: `[::1]` and `[0:0:0:0:0:0:0:1]` are one registry."""
    import ipaddress  # here, because hardly any name has one

    try:
        return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
    except ValueError:
        raise _invalid(value, f"{host[:200]!r} is not an IPv6 address") from None


def _invalid(value: str, why: str) -> InvalidInput:
    """Build the one error of this module."""
    return InvalidInput(f"{redacted(value)[:300]!r} is not an image name: {redacted(why)}", hint=_hint(value))


def _hint(value: str) -> str:
    """Say what to do about what was probably meant."""
    foreign = next((character for character in value if not character.isascii()), "")
    host, slash, _ = value.partition("/")
    if foreign:
        return f"{_described(foreign)}{_in_ascii(host) if slash else ''}"
    if "@" in value and not value.rpartition("@")[2].startswith(("sha256:", "sha512:")):
        return "a user name and a password do not belong in it: use `docker login`, or --username"
    head, slash, last = value.rpartition("/")
    last, colon, tag = last.partition(":")
    lowered = f"{head.lower()}{slash}{last.lower()}{colon}{tag}"
    if lowered != value:
        with suppress(InvalidInput):
            Reference.parse(lowered)
            return f"did you mean {redacted(lowered)[:200]!r}?"
    return SYNTAX


def _described(character: str) -> str:
    """Name a character that may look like another one."""
    import unicodedata  # here, because only mistakes need it

    name = unicodedata.name(character, "a character without a name")
    return f"it holds U+{ord(character):04X} ({name}), which is no letter of a name"


def _in_ascii(host: str) -> str:
    """Say how a host is written in ASCII, where it can be: for a look-alike that shows how different it is."""
    name, colon, port = host.partition(":")
    try:
        written = name[:253].encode("idna").decode()
    except UnicodeError:
        return ""
    return f"; the host {(written + colon + port)[:300]!r} is what it stands for"
