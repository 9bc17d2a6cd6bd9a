"""What rules want to know that no image tells: what tags name now, and the layers of the bases that a policy lists.

Only names that the caller or the policy stated are asked of registries, never one that an image states. Every answer,
also that there is none, is kept for the run: ten thousand images on one base ask for it once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gate.errors import ImageGateError, InvalidInput, Unavailable, kept
from gate.evidence import Base, BaseClaim, BaseNow, Bases, BaseTags, TagDigest
from gate.limits import LIMITS
from gate.oci.descriptor import INDEX_TYPES, Digest, Platform
from gate.oci.image import Image, Origin
from gate.oci.manifest import Index
from gate.oci.reference import Reference
from gate.policy.policy import Policy
from gate.rules._built_on import IMPLIED_TAG, BasesOptions, named
from gate.sources import REGISTRY, Access, Location
from gate.sources.open import open_source

T = TypeVar("T")

_CLAIMS = ("org.opencontainers.image.base.name", "org.opencontainers.image.base.digest")
"""What an image can say of its base (OCI image specification, annotations.md)."""
_LONGEST_CLAIM = 300
"""Characters that are kept of a claim."""


class ListedBases(Struct, frozen=True):
    """The bases that a policy lists: names to ask registries for, and those that a file records."""

    names: tuple[Reference, ...] = ()
    recorded: tuple[Base, ...] = ()


def listed_bases(policy: Policy) -> ListedBases:
    """Return the bases that the options of a policy's selected rules list, each once."""
    options = [setting.options for setting in policy.settings if isinstance(setting.options, BasesOptions)]
    names = dict.fromkeys(Reference.parse(text) for one in options for text in one.bases)
    files = dict.fromkeys(one.file for one in options if one.file)
    recorded = dict.fromkeys(base for file in files for base in policy.recorded_bases[file])
    return ListedBases(tuple(names), tuple(recorded))


class Lookups:
    """The look-ups of one run; safe to use from several threads, which wait for each other."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._answers: dict[Hashable, object] = {}
        self._lock = threading.Lock()

    def collect(
        self, kinds: Collection[type], image: Image, origin: Origin, listed: ListedBases
    ) -> dict[type, object]:
        """Return what of `kinds` is collected here for one image: values, or the `Unavailable` that says why not."""
        found: dict[type, object] = {}
        with self._lock:
            if TagDigest in kinds:
                found[TagDigest] = kept(lambda: self._tag_digest(origin))
            if Bases in kinds or BaseTags in kinds:
                bases = kept(lambda: self._bases(image, listed))
                found[Bases] = bases
                found[BaseTags] = bases
                if isinstance(bases, Bases) and BaseTags in kinds:
                    found[BaseTags] = kept(lambda: self._base_tags(image, bases))
        return {kind: value for kind, value in found.items() if kind in kinds}

    def _tag_digest(self, origin: Origin) -> TagDigest:
        """Ask what the tag names now by which the image was asked for, if there is something to compare it with."""
        tag, pinned = _pinned(origin)
        if tag is None or not pinned:
            return TagDigest()
        now = self._now(tag)
        members = (
            () if now in pinned else self._once(("members", tag.name, now), lambda: self._members(tag, now))
        )
        return TagDigest(tag, pinned, now, members)

    def _bases(self, image: Image, listed: ListedBases) -> Bases:
        """Gather the listed bases for the image's platform, and what the image says itself."""
        found = list(listed.recorded)
        missing: dict[Reference, Unavailable] = {}
        for name in listed.names:
            try:
                found += self._base(name, image.platform)
            except Unavailable as error:
                missing[name] = error
        return Bases(tuple(found), missing, tuple(_claims(image)))

    def _base_tags(self, image: Image, bases: Bases) -> BaseTags:
        """Ask what the tags of the recognised base name now; where none is, those of a listed one that the image states."""
        under = bases.under([str(digest) for digest in image.config.diff_ids])
        if under:
            tags = {base.name for base in under}
        else:
            stated = {_tag_of(named(claim.name)) for claim in bases.claims if claim.name is not None}
            tags = stated & {base.name for base in bases.listed}
        now: dict[Reference, BaseNow | Unavailable] = {}
        for tag in sorted((tag for tag in tags if tag.tag), key=str):
            same = [base for base in bases.listed if base.name == tag]
            now[tag] = kept(lambda tag=tag, same=same: self._base_now(tag, same, image.platform))  # type: ignore[misc]
        return BaseTags(now)

    def _base_now(self, tag: Reference, known: list[Base], platform: Platform) -> BaseNow:
        """Return what the tag of a base names now; what is known already is not fetched."""
        now = self._now(tag)
        found = [
            base
            for base in known
            if now in (base.digest, base.manifest) and _machine(base.platform) == _machine(platform)
        ]
        if not found:
            found = list(self._base(replace(tag, digest=now), platform))
        return BaseNow(now, tuple(base.manifest for base in found), tuple(base.diff_ids for base in found))

    def _now(self, tag: Reference) -> Digest:
        """Return what a tag names now."""
        return self._once(("tag", tag), lambda: self._access.registry.tag_digest(tag))

    def _members(self, name: Reference, digest: Digest) -> tuple[Digest, ...]:
        """Return the manifests of an index; none of what is a manifest itself."""
        found = self._access.registry.manifest(Reference(name.registry, name.repository, "", digest))
        media_type = found.descriptor.media_type
        if media_type not in INDEX_TYPES:
            return ()
        return tuple(entry.digest for entry in Index.from_bytes(found.content, media_type).manifests)

    def _base(self, name: Reference, platform: Platform) -> tuple[Base, ...]:
        """Return a base for one platform; empty where it has no image for it."""
        wanted = replace(platform.normalised(), os_version="")
        bases = self._once(("base", name, wanted), lambda: self._open(name, wanted))
        if name.digest is None:
            for base in bases:
                self._answers.setdefault(("tag", base.name), base.digest)
        return bases

    def _open(self, name: Reference, platform: Platform) -> tuple[Base, ...]:
        """Open a base in its registry: manifests and configurations, no layers."""
        with open_source(
            Location(str(name), REGISTRY, str(name), name=name), platform, self._access
        ) as opened:
            for error in opened.failed.values():
                raise error
            return tuple(base_of(_tag_of(name), opened.digest, image) for image in opened.images)

    def _once(self, key: Hashable, ask: Callable[[], T]) -> T:
        """Return or raise what was answered before, or ask."""
        if key not in self._answers:
            if len(self._answers) >= LIMITS.lookups:
                raise Unavailable(
                    f"more than {LIMITS.lookups:,} questions to registries in one run, beside its images",
                    hint="check fewer images in one run",
                )
            self._answers[key] = kept(lambda: _answered(ask))
        answer = self._answers[key]
        if isinstance(answer, Unavailable):
            raise answer
        return answer  # type: ignore[return-value]  # what `ask` of this key returned


def base_of(name: Reference, digest: Digest, image: Image) -> Base:
    """Return an image as a base: its layers by their diff IDs."""
    diff_ids = tuple(str(diff_id) for diff_id in image.config.diff_ids)
    return Base(name, digest, image.digest, image.platform, diff_ids)


def _pinned(origin: Origin) -> tuple[Reference | None, tuple[Digest, ...]]:
    """Return the tag by which an image was asked for, and the digests that it is expected to name."""
    name = origin.name
    if name is None:
        return None, ()
    if name.digest is not None:
        return (_tag_of(name) if name.tag else None), (name.digest,)
    if origin.engine is None:
        return None, ()
    pulled = (one.digest for one in origin.engine.repo_digests if one.name == name.name)
    return replace(name, tag=name.tag or IMPLIED_TAG), tuple(
        digest for digest in pulled if digest is not None
    )


def _claims(image: Image) -> list[BaseClaim]:
    """Return what annotations of the manifest and labels of the configuration say of the base, each different one."""
    found: dict[tuple[str, str], BaseClaim] = {}
    for place, fields in (("an annotation", image.manifest.annotations), ("a label", image.config.labels)):
        text, digest = (fields.get(key, "")[:_LONGEST_CLAIM] for key in _CLAIMS)
        if text:
            found.setdefault((text, digest), BaseClaim(text, _name(text), _digest(digest), place))
    return list(found.values())


def _name(text: str) -> Reference | None:
    """Read a name that an image states; None where it is none."""
    try:
        return Reference.parse(text)
    except ImageGateError:
        return None


def _digest(text: str) -> Digest | None:
    """Read a digest that an image states; None where it is none."""
    try:
        return Digest.parse(text)
    except ImageGateError:
        return None


def _machine(platform: Platform) -> tuple[str, str]:
    """Return the operating system and processor of a platform, spelt one way."""
    found = platform.normalised()
    return found.os, found.architecture


def _tag_of(name: Reference) -> Reference:
    """Return a name without its digest."""
    return replace(name, digest=None)


def _answered(ask: Callable[[], T]) -> T:
    """Return an answer; a setting with which a registry cannot be asked is no bug, and says nothing about the image."""
    try:
        return ask()
    except InvalidInput as error:
        raise Unavailable(error.message, hint=error.hint) from error
