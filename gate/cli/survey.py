"""Everything that is found as signatures of an image, for the commands that show it and that make a policy of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click
import msgspec

from gate.cli import sources
from gate.cli.options import SECONDS, option
from gate.deadline import Deadline
from gate.errors import InvalidInput, Unavailable
from gate.evidence import (
    PUBLIC_GOOD,
    Attestation,
    Attestations,
    RefusedSignature,
    Signature,
    Signatures,
    TrustRequest,
)
from gate.limits import LIMITS
from gate.oci.reference import Reference
from gate.rules._signers import described
from gate.sources.locate import locate
from gate.sources.open import open_source

F = TypeVar("F", bound=Callable[..., Any])


class SurveyOptions(msgspec.Struct, frozen=True):
    """What was asked for, one field per option."""

    key: tuple[str, ...]
    trusted_root: tuple[str, ...]
    bundle: tuple[str, ...]
    name: str | None
    timeout: float

    @classmethod
    def taken_from(cls, chosen: dict[str, Any]) -> SurveyOptions:
        """Take our options out of what a command was called with."""
        return cls(**{name: chosen.pop(name) for name in cls.__struct_fields__})


class Survey(msgspec.Struct, frozen=True):
    """What was found for all platforms of an image, each thing once: verified, refused, and the places without an answer."""

    digests: tuple[str, ...]
    signatures: tuple[Signature, ...]
    attestations: tuple[Attestation, ...]
    refused: tuple[RefusedSignature, ...]
    missing: tuple[Unavailable, ...]
    keys: Mapping[str, frozenset[str]]


def survey_options(command: F) -> F:
    """Declare the options on a command."""
    file = click.Path(dir_okay=False)
    declared = (
        click.option(
            "--key", type=file, multiple=True, help="Public key (PEM) to verify with. Can be repeated."
        ),
        click.option(
            "--trusted-root",
            type=file,
            multiple=True,
            help="File trusted_root.json that vouches for identities, instead of public-good, the public Sigstore instance. Can be repeated.",
        ),
        option(
            "bundle",
            type=file,
            multiple=True,
            help="Signatures and attestations in a file (.json, .jsonl), beside those in registries. Can be repeated.",
        ),
        click.option(
            "--as",
            "name",
            metavar="NAME",
            help="The image name whose registry is asked for the signatures of a file.",
        ),
        option(
            "timeout", type=SECONDS, default=f"{LIMITS.run_seconds / 60:g}m", help="Limit for the whole run."
        ),
    )
    for declare in reversed(declared):
        command = declare(command)
    return sources.source_options(command)


def survey(reference: str, chosen: dict[str, Any]) -> Survey:
    """Find and verify the signatures of every image that a reference names; raises where one cannot be opened."""
    from gate.signatures.trusting import trusts_of
    from gate.vouching import Vouching

    told = SurveyOptions.taken_from(chosen)
    options = sources.SourceOptions.taken_from(chosen)
    location = locate(reference)
    request = TrustRequest(told.key, told.trusted_root or (PUBLIC_GOOD,))
    files = {name: _read(name) for name in (*told.key, *told.trusted_root) if name != PUBLIC_GOOD}
    trusted = {request: trusts_of(request, files)}
    settings = sources.settings(options, [location], sources.configuration(options))
    stated = Reference.parse(told.name) if told.name else None
    with (
        sources.access(settings, Deadline(told.timeout)) as access,
        open_source(location, None, access) as opened,
    ):
        for error in opened.failed.values():
            raise error
        vouching = Vouching(access, told.bundle, stated)
        return _merged([vouching.found(image, opened, trusted) for image in opened.images], request)


def _merged(found: Iterable[tuple[Signatures, Attestations]], request: TrustRequest) -> Survey:
    """Put together what was found for each platform: what is of the index was found for each of them."""
    from gate.signatures.collect import ABOUT_ANOTHER

    digests: dict[str, None] = {}
    verified: dict[tuple[str, ...], Signature] = {}
    refused: dict[tuple[str, str], RefusedSignature] = {}
    missing: dict[str, Unavailable] = {}
    keys: dict[str, frozenset[str]] = {}
    for signatures, attestations in found:
        digests |= dict.fromkeys(str(digest) for digest in signatures.digests)
        for one in (*signatures.accepted[request], *attestations.accepted[request]):
            kind = one.predicate_type if isinstance(one, Attestation) else ""
            verified[one.place, kind, str(one.about), described(one)] = one
        refused |= {(one.place, one.reason): one for one in attestations.refused[request]}
        missing |= {error.message: error for error in signatures.missing}
        keys |= signatures.keys
    places = {place for place, *_ in verified}  # what is of one platform is refused for the others
    return Survey(
        digests=tuple(digests),
        signatures=tuple(one for one in verified.values() if not isinstance(one, Attestation)),
        attestations=tuple(one for one in verified.values() if isinstance(one, Attestation)),
        refused=tuple(
            one
            for one in refused.values()
            if one.place not in places or not one.reason.startswith(ABOUT_ANOTHER)
        ),
        missing=tuple(missing.values()),
        keys=keys,
    )


def _read(path: str) -> bytes:
    """Read a file of keys or roots that the caller named."""
    try:
        with open(path, "rb") as file:
            return file.read(LIMITS.document + 1)
    except OSError as error:
        raise InvalidInput(f"{os.fspath(path)} cannot be read: {error.strerror}") from None
