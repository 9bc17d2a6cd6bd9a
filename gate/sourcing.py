"""Where a policy lets images come from, applied to what was asked for: it can only ever narrow it."""

from __future__ import annotations

from msgspec.structs import replace

from gate.errors import InvalidInput
from gate.policy.policy import Policy
from gate.sources import ENGINE, REGISTRY, Location, SourceSettings
from gate.sources.locate import NAME

_WORDS = {REGISTRY: "registry", ENGINE: "daemon"}
"""A source's word in policies; all others are files."""
_CALLED = {"registry": "a registry", "daemon": "the container engine", "file": "files"}


def permitted(settings: SourceSettings, policy: Policy) -> SourceSettings:
    """Return the settings within the policy; raises `InvalidInput` where the caller prefers what it excludes."""
    allowed = policy.sources.from_
    prefer = settings.prefer
    if prefer and _WORDS[prefer] not in allowed:
        raise InvalidInput(
            f"{policy.origin} takes images from {_listed(allowed)} alone",
            hint=f"leave out --from {_WORDS[prefer]}",
        )
    if not prefer and ("daemon" in allowed) != ("registry" in allowed):
        prefer = ENGINE if "daemon" in allowed else REGISTRY
    return replace(settings, prefer=prefer, fallback=settings.fallback and policy.sources.fallback)


def check_location(location: Location, policy: Policy) -> None:
    """Raise `InvalidInput` for a reference to where the policy takes no images from."""
    allowed = policy.sources.from_
    words = {"registry", "daemon"} if location.source == NAME else {_WORDS.get(location.source, "file")}
    if words.isdisjoint(allowed):
        raise InvalidInput(
            f"{location.text!r}: {policy.origin} takes images from {_listed(allowed)} alone",
            hint="name the image there, or have the policy allow more: sources: {from: [registry, daemon, file]}",
        )


def _listed(words: tuple[str, ...]) -> str:
    """List where images may come from."""
    return " and ".join(_CALLED[word] for word in dict.fromkeys(words))
