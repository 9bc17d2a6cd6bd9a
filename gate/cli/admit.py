"""`image-gate admit`: let an image pass on its signed verdict alone, without reading it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from msgspec import Struct
from msgspec.structs import replace

from gate.cli import sources
from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit
from gate.cli.options import AGE, SECONDS, option
from gate.cli.output import write_stdout
from gate.deadline import Deadline
from gate.errors import InvalidInput, Unavailable, joined
from gate.evidence import PUBLIC_GOOD, Attestation, Attestations, RefusedSignature, TrustRequest
from gate.limits import LIMITS
from gate.oci.reference import Reference
from gate.printable import shown
from gate.rules._identity_patterns import IdentityPattern, Issuer
from gate.rules._signer import SignerEntry
from gate.rules._signers import described
from gate.signatures.admission import SKEW, Decision, Expected, decide
from gate.signatures.collect import Bundles, Searches, collected
from gate.signatures.discovery import Budget, Item
from gate.signatures.discovery_files import in_file, read_bundles
from gate.signatures.discovery_registry import OldVerdicts
from gate.signatures.subjects import Subjects, subjects_of
from gate.signatures.trusting import trusts_of
from gate.signatures.verdict_statement import resource_uri
from gate.sources import Access, Location
from gate.sources.locate import locate
from gate.sources.open import open_source

_REASONS = 10
"""Reasons that are shown for an image: anyone who may push can attach any number of statements."""
_REASON = 500


class Request(Struct, frozen=True):
    """What was asked for, one field per option."""

    reference: str
    verifier: str
    policy_digest: str
    max_age: float
    key: str | None
    identity: str | None
    issuer: str | None
    trusted_root: str | None
    bundle: tuple[str, ...]
    resource: str | None
    platform: str
    timeout: float
    sources: sources.SourceOptions


@click.command("admit", epilog=EXIT_CODES, short_help="Admit an image on its signed verdict.")
@click.argument("reference", metavar="REF")
@option(
    "verifier", metavar="URI", required=True, help="Who must have judged, as `attest --verifier` states it."
)
@option(
    "policy-digest",
    metavar="sha256:HEX",
    required=True,
    help="The policy that it must have been judged under.",
)
@click.option("--max-age", type=AGE, required=True, help="How old the verdict may be: 90m, 24h, 7d.")
@click.option("--key", metavar="FILE", help="Public key in PEM that must have signed.")
@click.option(
    "--identity", metavar="PATTERN", help="Or the identity that must have signed; * and ** as in policies."
)
@click.option("--issuer", metavar="URL", help="Who must have said so; with --identity.")
@click.option(
    "--trusted-root",
    metavar="FILE",
    help="trusted_root.json that vouches for identities, instead of the public Sigstore instance's; with --key, it must too.",
)
@click.option(
    "--bundle",
    metavar="FILE",
    multiple=True,
    help="Look in this file of bundles, .json or .jsonl, and nowhere else. With a digest in REF, no registry is asked.",
)
@click.option(
    "--resource",
    metavar="NAME",
    help="What the image was called when it was judged, where REF is a copy elsewhere.",
)
@option(
    "platform",
    metavar="all|OS/ARCH[/VARIANT]",
    default="all",
    help="Admit on every platform of an index, or on this one alone.",
)
@option("timeout", type=SECONDS, default="60s", help="Limit for the whole run.")
@sources.source_options
def COMMAND(**chosen: Any) -> Exit:  # noqa: N802 -- a constant: the command
    """Let an image pass on the verdict that `attest` signed: no layer is read, and nothing is scanned.

    The verdict must be of this image by digest and name, by this verifier, under this policy, signed by this key or
    identity, not too old, and a pass. The newest one decides. Of an index every platform needs its own.

    Exit code 1 says that there is no such verdict, 3 that it could not be looked up.
    """
    asked = sources.SourceOptions.taken_from(chosen)
    # A container engine does not know what is attached to an image.
    request = Request(sources=replace(asked, prefer=asked.prefer or "registry"), **chosen)
    location = locate(request.reference)
    expected = _expected(request, location)
    believed = Believed(request)
    code, lines = Exit.PASS, []
    for label, found in _found(request, location, believed):
        decision = decide(found.accepted[believed.request], expected)
        if found.missing:
            error = joined(list(found.missing))
            raise Unavailable(f"{label}: {error.message}", hint=error.hint)
        if decision.summary is None:
            code = Exit.FAIL
            lines += _refused(label, decision, found.refused[believed.request])
        else:
            lines.append(_admitted(label, decision, expected))
    write_stdout("".join(f"{line}\n" for line in lines))
    return code


class Believed:
    """Whose signatures count: one key, or one identity and its issuer."""

    def __init__(self, request: Request) -> None:
        """Read the key and the roots; raises `InvalidInput`."""
        identity = request.identity is not None or request.issuer is not None
        if identity == (request.key is not None) or (request.identity is None) != (request.issuer is None):
            raise InvalidInput(
                "say who must have signed: --key FILE, or --identity PATTERN with --issuer URL",
                hint="an identity without its issuer is anybody's",
            )
        roots = () if request.trusted_root is None else (request.trusted_root,)
        keys = () if request.key is None else (request.key,)
        files = {name: _read(name) for name in (*roots, *keys)}
        if identity:
            roots = roots or (PUBLIC_GOOD,)
        self.request = TrustRequest(keys, roots, roots_for_keys=bool(roots))
        self.trusts = trusts_of(self.request, files)
        self._signer = None
        if request.identity is not None and request.issuer is not None:
            self._signer = SignerEntry(
                identity=IdentityPattern.parse(request.identity), issuer=Issuer.parse(request.issuer)
            )

    def signed(self, subjects: Subjects, items: Iterator[Item]) -> Attestations:
        """Verify what was found; what others signed is refused."""
        found = collected(subjects, items, {self.request: self.trusts})[1]
        accepted, refused = [], list(found.refused[self.request])
        for attestation in found.accepted[self.request]:
            reason = self._stranger(attestation)
            if reason:
                refused.append(RefusedSignature(attestation.manifest, attestation.place, reason))
            else:
                accepted.append(attestation)
        return replace(
            found, accepted={self.request: tuple(accepted)}, refused={self.request: tuple(refused)}
        )

    def _stranger(self, attestation: Attestation) -> str:
        """Say why a signer, whose signature holds, is not the one; empty for the one."""
        identity = attestation.signer.identity
        if self._signer is None or identity is None:
            return "" if self._signer is None and identity is None else "another kind of signer was expected"
        return self._signer.mismatch(identity)


def _expected(request: Request, location: Location) -> Expected:
    """Return what the summary must say."""
    if not re.fullmatch("sha256:[0-9a-f]{64}", request.policy_digest, re.ASCII):
        raise InvalidInput(
            f"--policy-digest {request.policy_digest!r} is not sha256: and 64 hexadecimal digits",
            hint="image-gate policy validate prints it",
        )
    resource = location.name if request.resource is None else Reference.parse(request.resource)
    if resource is None:
        raise InvalidInput(
            f"{location.text} has no name, and a verdict is for one",
            hint="say with --resource what it was called",
        )
    age = timedelta(seconds=request.max_age)
    return Expected(request.verifier, resource_uri(resource), request.policy_digest, age, datetime.now(UTC))


def _found(request: Request, location: Location, believed: Believed) -> list[tuple[str, Attestations]]:
    """Return each image of a reference, as it is called for people, with what the right signer said of it."""
    files = [Bundles(*read_bundles(path)) for path in request.bundle]
    if files and location.name is not None and location.name.digest is not None:
        digest = location.name.digest
        return [(str(digest), believed.signed(Subjects((digest,)), _in_files(files)))]
    wanted = None
    if request.platform != "all":
        from gate.pipeline import platform_of  # here, because it imports most of the program

        wanted = platform_of(request.platform)
    settings = sources.settings(request.sources, [location], sources.configuration(request.sources))
    found = []
    old = OldVerdicts(datetime.now(UTC) - timedelta(seconds=request.max_age) - SKEW)
    with (
        Access(settings, Deadline(request.timeout)) as access,
        open_source(location, wanted, access) as opened,
    ):
        for label, error in opened.failed.items():
            raise Unavailable(f"{label}: {error.message}", hint=error.hint)
        if not opened.images:
            raise Unavailable(f"{location.text} has no image for {request.platform}")
        for image in opened.images:
            subjects = subjects_of(image, opened, None, access)
            subjects = Subjects(subjects.digests[:1], subjects.repositories)  # a verdict is of one platform
            items = _in_files(files) if files else Searches((), access, old).items(subjects, opened)
            label = f"{subjects.digests[0]} ({image.platform})"
            found.append((label, believed.signed(subjects, items)))
    return found


def _in_files(files: list[Bundles]) -> Iterator[Item]:
    """Yield what the named files hold."""
    budget = Budget()
    for one in files:
        yield from in_file(one.name, one.data, budget)


def _admitted(label: str, decision: Decision, expected: Expected) -> str:
    """Say on what an image was admitted."""
    assert decision.summary is not None
    return (
        f"admitted {label}: passed at {decision.verified:%Y-%m-%d %H:%M:%S} UTC, says {shown(expected.verifier)}"
        f" ({shown(described(decision.summary), _REASON)})"
    )


def _refused(label: str, decision: Decision, refused: tuple[RefusedSignature, ...]) -> list[str]:
    """Say why an image is not admitted."""
    reasons = [*decision.reasons, *(f"{one.manifest}: {one.reason}" for one in refused)]
    lines = [f"refused {label}: no verdict admits it"]
    lines += [f"  - {shown(reason, _REASON)}" for reason in reasons[:_REASONS]]
    if len(reasons) > _REASONS:
        lines.append(f"  - and {len(reasons) - _REASONS} more")
    if not reasons:
        lines.append("  - nothing is attached to it that a verifier signed; image-gate attest does that")
    return lines


def _read(path: str) -> bytes:
    """Read a file of keys or roots; raises `InvalidInput`."""
    try:
        with open(path, "rb") as file:
            return file.read(LIMITS.document + 1)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None
