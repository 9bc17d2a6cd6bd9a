"""Tell from a reference's words, and from what lies at a path, which source opens it.

What is written as a path is one, and what can be an image name is a name: a file in the working directory, which the
change under test may have planted there, never takes the place of the image that was asked for. Where both readings
exist, the reference is refused, and the message says how to write either.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from gate.errors import InvalidInput
from gate.oci.reference import SYNTAX, Reference
from gate.printable import redacted
from gate.sources import ENGINE, REGISTRY, Location

NAME = "name"
"""The source of a plain name."""

_FILES = ("oci", "oci-archive", "docker-archive")
_OTHER_TOOLS = {"dir": "oci:", "oci-dir": "oci:", "ostree": "oci:", "containers-storage": "docker-daemon:"}
"""Words that other tools put before a reference, and ours; none is the name of a known image."""
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2")
"""Endings of files. Docker's grammar allows them in names, but nobody who types one means a repository."""
_PATH_STARTS = ("/", "./", "../")
_DIGEST_CHOICE = re.compile(r"(?P<path>.+)@(?P<digest>[a-z0-9+._-]+:[A-Za-z0-9]+)", re.DOTALL)
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}|[0-9a-f]{12,63}", re.ASCII)
"""An engine's image id, in full or from the twelve digits on that engines print."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SYNTAX = (
    "write an image name, docker://NAME, docker-daemon:NAME, oci:DIR[:TAG], oci-archive:FILE[:TAG], "
    "docker-archive:FILE[:NAME], or a path with ./ before it"
)


def locate(text: str) -> Location:
    """Parse a reference without opening anything but the path it names; raises `InvalidInput`."""
    if not text or _CONTROL.search(text):
        raise InvalidInput(f"the reference {_quoted(text)} is empty or has control characters", hint=_SYNTAX)
    source, colon, rest = text.partition(":")
    if colon and source in _FILES:
        path, choice = _split(rest, text)
        return Location(text, source, path, choice)
    if colon and source == REGISTRY and rest.startswith("//"):
        return _named(text, REGISTRY, rest[2:])
    if colon and source == ENGINE:
        return Location(text, ENGINE, rest) if _ID.fullmatch(rest) else _named(text, ENGINE, rest)
    if text.startswith(_PATH_STARTS) or text.endswith(("/", *_ARCHIVES)) or text in (".", ".."):
        return _at_path(text)
    return _name_or_path(text)


def locate_name(text: str) -> Location:
    """Parse what can only be an image name, as manifests hold them; no file is looked for. Raises `InvalidInput`."""
    return _named(text, NAME, text)


def locate_all(references: Iterable[str | Location]) -> tuple[Location, ...]:
    """Parse every reference, in their order, each image once, however often and in whatever form it is named."""
    found: dict[tuple[str, str, str], Location] = {}
    for reference in references:
        location = locate(reference) if isinstance(reference, str) else reference
        what = os.path.realpath(location.path) if location.source not in (NAME, REGISTRY, ENGINE) else ""
        key = location.source, what or str(location.name or location.path), location.choice
        found.setdefault(key, location)
    return tuple(found.values())


def _at_path(text: str) -> Location:
    """Return the layout or archive at a path."""
    if os.path.isdir(text):
        return Location(text, "oci", text)
    if os.path.exists(text):
        return Location(text, "archive", text)
    raise InvalidInput(
        f"there is nothing at {_quoted(text)}",
        hint=f"it is read as a path; {_SYNTAX}",
    )


def _name_or_path(text: str) -> Location:
    """Read what is not written as a path: a name, unless it cannot be one and there is a file of that name."""
    try:
        location = _named(text, NAME, text)
    except InvalidInput:
        if os.path.exists(text) and ":" not in text and "@" not in text:
            return _at_path(text)  # with a colon it may be a name whose tag a script left empty
        raise
    if _may_be_an_image(text):
        raise InvalidInput(
            f"{_quoted(text)} is an image name, and there is a file or layout of that name here",
            hint=f"write ./{text} for the file, or docker://{text} or docker-daemon:{text} for the image",
        )
    return location


def _may_be_an_image(path: str) -> bool:
    """Whether something lies at a path that could be opened as an image; a folder of sources could not."""
    if os.path.isdir(path):
        return any(os.path.lexists(os.path.join(path, name)) for name in ("oci-layout", "index.json"))
    return os.path.lexists(path)


def _named(text: str, source: str, path: str) -> Location:
    """Return the location of an image name."""
    try:
        _refuse_other_words(text, source, path)
        written = Reference.parse(path)
    except InvalidInput as error:
        raise InvalidInput(error.message, hint=_meant(text, error.hint)) from None
    name = written.with_implied_tag()
    return Location(text, source, path, name=name, implied=name != written)


def _refuse_other_words(text: str, source: str, path: str) -> None:
    """Refuse names that are none: ids, and slips that the grammar happens to allow (`docker-deamon:alpine`)."""
    word, colon, rest = path.partition(":")
    if colon and word in ("sha256", "sha512"):
        meant = f"docker-daemon:{path}" if _ID.fullmatch(path) else "docker-daemon:ID with all its digits"
        raise InvalidInput(f"{_quoted(text)} is an image id or a digest, not a name", hint=f"write {meant}")
    if source != NAME or not colon:
        return
    if word in _OTHER_TOOLS:
        raise InvalidInput(
            f"{_quoted(text)}: there is no source {word!r}", hint=f"write {_OTHER_TOOLS[word]}{rest[:300]}"
        )
    if "-" in word:
        import difflib  # here, because few names have both

        near = difflib.get_close_matches(word, (*_FILES, ENGINE), n=1, cutoff=0.85)
        if near:
            raise InvalidInput(
                f"{_quoted(text)}: there is no source {word!r}",
                hint=f"did you mean {near[0]}:{rest[:300]}? An image of that name is docker://{path[:300]}",
            )


def _quoted(text: str) -> str:
    """Quote a reference without the credentials that it may hold, cut to what a message can hold."""
    return repr(redacted(text)[:300])


def _meant(text: str, hint: str) -> str:
    """Say what was probably meant by a text that is no name; `hint` is what its grammar says."""
    word, _, rest = text.partition(":")
    name = redacted(rest).lstrip("/")[:300]
    if "$" in text or "{{" in text:
        return "a variable in it was not replaced; check the script or template that it comes from"
    if word in ("http", "https") and name:
        return f"write docker://{name}"
    if word.lower() in ("docker", "registry", "docker-daemon", "podman") and hint == SYNTAX:
        return "the image in a registry is docker://NAME, that of the engine docker-daemon:NAME or docker-daemon:ID"
    if text.startswith("-"):
        return f"no reference starts with a hyphen, and no option stands after --; {_SYNTAX}"
    return _SYNTAX if hint == SYNTAX else hint


def _split(rest: str, text: str) -> tuple[str, str]:
    """Split path and choice. Both may hold colons, as long as only one reading exists on disk."""
    colons = [position for position, character in enumerate(rest) if character == ":"]
    readings = [(rest[:position], rest[position + 1 :]) for position in colons]
    if "@" in rest and (found := re.fullmatch(_DIGEST_CHOICE, rest)):
        readings.insert(0, (found["path"], found["digest"]))
    readings.append((rest, ""))
    existing = [reading for reading in readings if os.path.exists(reading[0])]
    if len(existing) > 1:
        paths = " and ".join(repr(path) for path, _ in existing[:3])
        raise InvalidInput(
            f"{_quoted(text)} can be read in several ways: {paths} exist", hint="rename one of them"
        )
    if not existing:
        raise InvalidInput(f"{_quoted(text)}: there is nothing at {readings[0][0][:300]!r}", hint=_SYNTAX)
    path, choice = existing[0]
    if path != rest and not choice:
        raise InvalidInput(f"{_quoted(text)} ends where a tag, name or digest should stand", hint=_SYNTAX)
    return path, choice
