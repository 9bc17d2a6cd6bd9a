"""SLSA provenance, versions 0.2 and 1: the same facts in two shapes, and the sources that builders state in several places."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from gate.rules._predicates import ALIASES, Pointer

V0_2, V1 = ALIASES["slsaprovenance02"], ALIASES["slsaprovenance1"]
_GIT = re.compile(
    r"(?:git\+)?(?P<address>[a-z]+://[^#?\s]+?)(?:\.git)?(?:@(?P<ref>refs/[^\s:]+)|#(?P<fragment>[^\s:]+)(?::.*)?)?",
    re.ASCII,
)
"""The address of a repository, with the ref as in-toto writes it (`git+https://…@refs/heads/main`) or BuildKit (`…#refs/…`)."""
_PARTS = ("repository", "uri")


class Source(Struct, frozen=True):
    """Where something was built from: the repository's address, and the full ref where one is stated."""

    repository: str
    ref: str = ""


class Provenance(Struct, frozen=True):
    """What provenance states, whatever its version; empty texts are not stated."""

    builder: str
    build_type: str
    sources: tuple[Source, ...]
    parameters: Mapping[str, object]


def provenance_of(predicate_type: str, predicate: Mapping[str, object]) -> Provenance:
    """Read the predicate of provenance.

    Version 0.2 has the source in `invocation.configSource`. Version 1 leaves its place to the type of build: `workflow` of
    GitHub Actions, `source` of GitLab and slsa-github-generator, `configSource` of BuildKit, `buildConfigSource` of Google
    Cloud Build. Dependencies and materials are no sources: anything can be one.
    """
    if predicate_type == V0_2:
        invocation = _mapping(predicate, "invocation")
        parameters, stated = _mapping(invocation, "parameters"), [invocation.get("configSource")]
        builder, build_type = _text(predicate, "/builder/id"), _text(predicate, "/buildType")
    else:
        parameters = _mapping(_mapping(predicate, "buildDefinition"), "externalParameters")
        stated = [
            parameters.get(name) for name in ("workflow", "source", "configSource", "buildConfigSource")
        ]
        builder, build_type = (
            _text(predicate, "/runDetails/builder/id"),
            _text(predicate, "/buildDefinition/buildType"),
        )
    return Provenance(
        builder, build_type, tuple(source for item in stated for source in _sources(item)), parameters
    )


def _sources(stated: object) -> Iterator[Source]:
    """Read one statement of a source: an address, or an object that holds one and perhaps the ref."""
    ref = ""
    if isinstance(stated, Mapping):
        ref = str(stated.get("ref", ""))
        stated = next((stated[name] for name in _PARTS if name in stated), None)
    match = _GIT.fullmatch(stated) if isinstance(stated, str) and len(stated) < 2_000 else None
    if match is not None:
        yield Source(match["address"], match["ref"] or match["fragment"] or ref)


def _mapping(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return an object in a document; empty where there is none."""
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def _text(document: Mapping[str, object], place: str) -> str:
    """Return a text in a document; empty where there is none."""
    found = Pointer(place).of(document)
    return found if isinstance(found, str) else ""
