"""Files of recorded bases: what `image-gate base record` writes, and `base-image: {file: …}` reads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Literal

import msgspec

from gate.errors import ImageGateError, InvalidInput, MalformedImage
from gate.evidence import Base
from gate.limits import LIMITS
from gate.oci import strict_json
from gate.oci.descriptor import Digest, Platform
from gate.oci.reference import Reference
from gate.options import Mark, Node, Options, Text, decode, describe, encode, json_schema

SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"


class BaseEntry(Options, rename="lower"):
    """One base for one platform."""

    name: Annotated[Text, describe("Its name, with the tag under which it was recorded.")]
    digest: Annotated[Text, describe("What the name stood for: the digest of an index or of a manifest.")]
    manifest: Annotated[Text, describe("The digest of this platform's manifest.")]
    platform: Annotated[Text, describe("OS/ARCHITECTURE[/VARIANT].")]
    diff_ids: Annotated[
        tuple[Text, ...],
        describe("The diff IDs of its layers, lowest first.", min_length=1, max_length=LIMITS.layers),
    ]
    recorded: Annotated[date, describe("The day on which it was recorded, in UTC.")]


class BasesFile(Options, rename="lower"):
    """Bases, each as it was on the day when it was recorded."""

    schema: Annotated[Literal[1], describe("The version of this format.")]
    bases: Annotated[tuple[BaseEntry, ...], describe("The bases.", max_length=LIMITS.bases)]


def read_bases(data: bytes, file: str) -> tuple[Base, ...]:
    """Read a file of recorded bases, which `file` names in errors; raises `InvalidInput` for anything not as written."""
    try:
        plain = strict_json.parse(data, file)
    except MalformedImage as error:
        raise InvalidInput(error.message, hint="`image-gate base record` writes such files") from None
    node = Node.of(plain, Mark(file, 1, 1))
    node.mapping("the file")
    document = decode(node, BasesFile, "")
    return tuple(_base(entry, f"{file}: bases[{number}]") for number, entry in enumerate(document.bases))


def bases_text(bases: Iterable[Base], today: date) -> str:
    """Return the text of a file that records `bases`; those that were not recorded yet are as of `today`.

    What was recorded again with the same digest stands once, as of the first day. Raises `InvalidInput` for more bases
    than are read.
    """
    entries: dict[tuple[str, str, str], BaseEntry] = {}
    for base in bases:
        entry = _entry(base, today)
        before = entries.setdefault((entry.name, entry.digest, entry.platform), entry)
        if entry.recorded < before.recorded:
            entries[entry.name, entry.digest, entry.platform] = entry
    if len(entries) > LIMITS.bases:
        raise InvalidInput(
            f"{len(entries):,} bases; a file holds at most {LIMITS.bases:,}",
            hint="start a new one, without those that nothing is built on any more",
        )
    ordered = sorted(
        entries.values(), key=lambda entry: (entry.name, entry.recorded, entry.platform, entry.digest)
    )
    document = encode(BasesFile(schema=1, bases=tuple(ordered)))
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def bases_schema() -> dict[str, Any]:
    """Return the JSON schema of such files."""
    (reference,), definitions = json_schema(BasesFile)
    root = definitions.pop(reference["$ref"].rpartition("/")[2])
    return {
        "$schema": SCHEMA_URL,
        **root,
        "title": "image-gate bases",
        "$defs": dict(sorted(definitions.items())),
    }


def _entry(base: Base, today: date) -> BaseEntry:
    """Turn a base into what a file holds."""
    return BaseEntry(
        name=str(base.name),
        digest=str(base.digest),
        manifest=str(base.manifest),
        platform=str(base.platform),
        diff_ids=base.diff_ids,
        recorded=base.recorded or today,
    )


def _base(entry: BaseEntry, where: str) -> Base:
    """Check what stands in an entry, word by word."""
    try:
        name = Reference.parse(entry.name)
        os, _, machine = entry.platform.partition("/")
        architecture, _, variant = machine.partition("/")
        if name.digest is not None or not os or not architecture:
            raise InvalidInput(
                "the name has no digest of its own, and the platform is OS/ARCHITECTURE[/VARIANT]"
            )
        return Base(
            name=name,
            digest=Digest.parse(entry.digest),
            manifest=Digest.parse(entry.manifest, "manifest"),
            platform=Platform(os, architecture, variant),
            diff_ids=tuple(str(Digest.parse(diff_id, "diff ID")) for diff_id in entry.diff_ids),
            recorded=entry.recorded,
        )
    except ImageGateError as error:
        raise InvalidInput(
            f"{where}: {error.message}", hint="`image-gate base record` writes such files"
        ) from None
