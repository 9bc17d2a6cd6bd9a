"""`image-gate attest`: judge an image, sign the verdict, and attach it where deployments find it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import click
import msgspec

from gate.cli import check, output, sources
from gate.cli.commands import EXIT_CODES
from gate.cli.exits import Exit, complain
from gate.cli.options import cache_place, option
from gate.cli.progress import progress
from gate.deadline import Deadline
from gate.errors import InvalidInput, Unavailable
from gate.limits import LIMITS
from gate.oci.reference import Reference
from gate.reporters import reporter
from gate.signatures.verdict_statement import SUMMARY, statements_of

if TYPE_CHECKING:
    from gate.oci.descriptor import Digest
    from gate.scanners import ScannerReport
    from gate.signatures.sign import Sign
    from gate.signatures.verdict_statement import VerdictStatement
    from gate.verdict import Report

    Said = Mapping[str, ScannerReport | Unavailable]

_NOT_HERE = {
    "references": (),
    "images": None,
    "as_of": None,
    "output": (),
    "against": None,
    "reuse_verdict": None,
}
"""What `check` takes and this does not: one image is judged, as of now and by scans of its own, for else verdicts would renew
each other without end; and what is written is what was signed."""
_SHARED = [param for param in check.COMMAND.params if param.name not in _NOT_HERE]


@click.command("attest", epilog=EXIT_CODES, short_help="Judge an image and sign the verdict.")
@click.argument("reference", metavar="REF")
@option("verifier", metavar="URI", required=True, help="Who judges: the URI that `admit --verifier` is told.")
@option(
    "key",
    metavar="FILE|-",
    help="Private key in PEM to sign with; its password is IMAGE_GATE_KEY_PASSWORD. Without it the job's identity signs.",
)
@option(
    "trust-config",
    metavar="FILE",
    help="ClientTrustConfig of a Sigstore instance for the job's identity, instead of the public one.",
)
@click.option(  # without a variable: IMAGE_GATE_OUTPUT is for the reports of `check`
    "--output",
    "bundles",
    metavar="FILE",
    help="Write the bundles to this file, one on each line, instead of attaching them to the image.",
)
def COMMAND(  # noqa: N802 -- a constant: the command
    reference: str,
    verifier: str,
    key: str | None,
    trust_config: str | None,
    bundles: str | None,
    **chosen: Any,
) -> Exit:
    """Judge an image as `check` does, and sign the verdict of each platform.

    \b
    For each platform two in-toto statements are signed, as Sigstore bundles:
      https://slsa.dev/verification_summary/v1   who judged, under which policy, when: PASSED or FAILED
      urn:image-gate:verdict:v1                  what each rule said, with which scanners and databases

    They are attached to the image in its registry, as referrers, or written to a file. A failing verdict is signed as
    FAILED. Nothing is signed where anything is unknown. Only what this run itself judged is signed, never a report that
    someone wrote down; the exit code is that of the verdict.
    """  # noqa: D301 -- click wants the backspace
    _check_verifier(verifier)
    asked = sources.SourceOptions.taken_from(chosen)
    # A container engine does not know the digest under which registries hold an image.
    asked = msgspec.structs.replace(asked, prefer=asked.prefer or "registry")
    request = check.Request(**{**_NOT_HERE, "references": (reference,), "sources": asked, **chosen})
    if bundles is not None:
        output.prepare([output.Output("json", bundles)])
    signing = _signing(key, trust_config, asked)
    run, report, scans = _judged(request, to_registry=bundles is None)
    statements = statements_of(report, verifier, scans)
    with signing() as sign:
        signed = [(statement, sign(statement.content)) for statement in statements]
    if bundles is not None:
        output.write_file(bundles, "".join(f"{bundle.decode()}\n" for _, bundle in signed))
    else:
        _attach(signed, report.verdicts[0].subject.names[0], run)
    if not request.quiet:
        for statement in statements:
            if statement.predicate_type == SUMMARY:
                complain(f"signed the verdict of {statement.subject} ({statement.platform})")
    return output.EXITS[report.status]


def _check_verifier(verifier: str) -> None:
    """Refuse what is no URI: a verification summary must name one."""
    if ":" not in verifier or not verifier.isascii() or not verifier.isprintable() or " " in verifier:
        raise InvalidInput(
            f"--verifier {verifier!r} is no URI", hint="such as https://ci.example.com/image-gate"
        )


def _judged(
    request: check.Request, *, to_registry: bool
) -> tuple[check.Prepared, Report, Mapping[Digest, str]]:
    """Judge the image as `check` does, and report; returns what scanners said as well, where the policy lets others use it."""
    options = output.render_options(
        verbose=request.verbose, quiet=request.quiet, dockerfile=request.dockerfile
    )
    with cache_place(request.cache_dir, keep=not request.no_cache) as cache:
        run = check.prepared(request, cache)
        (location,) = run.locations
        if to_registry and location.name is None:
            raise InvalidInput(
                f"{location.text} is in no registry that the verdict could be attached in",
                hint="write it to a file with --output, or attest the image where it was pushed to",
            )
        run, said = _listening(run)
        with progress(quiet=request.quiet, verbose=request.verbose) as tell:
            report = run.judge(tell)
    output.write_stdout(reporter(request.format).render(report, options))
    return run, report, _packed(said)


def _listening(run: check.Prepared) -> tuple[check.Prepared, Mapping[Digest, Said]]:
    """Have a run tell what scanners said of each image, where the policy says whose verdicts may spare a scan."""
    said: dict[Digest, Said] = {}
    scanners = run.settings.scanners
    if scanners is None or run.policy.verdict_reuse is None:
        return run, said
    scanners = msgspec.structs.replace(scanners, told=said.__setitem__)
    settings = msgspec.structs.replace(run.settings, scanners=scanners)
    return msgspec.structs.replace(run, settings=settings), said


def _packed(said: Mapping[Digest, Said]) -> Mapping[Digest, str]:
    """Return what scanners said as verdicts hold it, of each image of which all of them said something."""
    if not said:
        return {}
    from gate.reuse import packed
    from gate.scanners import ScannerReport

    found = {}
    for digest, reports in said.items():
        complete = {name: one for name, one in reports.items() if isinstance(one, ScannerReport)}
        if len(complete) == len(reports):
            found[digest] = packed(complete)
    return found


def _signing(
    key: str | None, trust_config: str | None, asked: sources.SourceOptions
) -> Callable[[], AbstractContextManager[Sign]]:
    """Return what gives the signer when all is judged; what is wrong with it is found before, as far as that can be."""
    if key is None:
        from gate.signatures.keyless import require_identity, with_identity

        config = None if trust_config is None else _read(trust_config, "--trust-config")
        require_identity()
        return lambda: with_identity(config)
    if trust_config is not None:
        raise InvalidInput("--key and --trust-config exclude each other", hint="choose who signs")
    if key == "-" and asked.password_stdin:
        raise InvalidInput("--key - and --password-stdin both read standard input", hint="use docker login")
    from gate.signatures.sign import with_key

    sign = with_key(_read(key, "--key"), os.environ.get("IMAGE_GATE_KEY_PASSWORD", ""), f"--key {key}")
    return lambda: nullcontext(sign)


def _read(path: str, option_name: str) -> bytes:
    """Read a file, or standard input."""
    try:
        if path == "-":
            return sys.stdin.buffer.read(LIMITS.document)
        with open(path, "rb") as file:
            return file.read(LIMITS.document)
    except OSError as error:
        raise InvalidInput(f"{option_name} {path} cannot be read: {error.strerror}") from None


def _attach(signed: Sequence[tuple[VerdictStatement, bytes]], name: Reference, run: check.Prepared) -> None:
    """Attach every bundle to the manifest that it is about: beside it, or where the configuration keeps signatures."""
    from gate.registry import HostSettings
    from gate.registry.client import RegistryClient
    from gate.registry.push import RegistryWriter
    from gate.signatures.attach import attach

    registries, deadline = run.settings.sources.registry, Deadline(run.settings.timeout)
    reader = RegistryClient(registries, deadline)
    try:
        subjects = {
            digest: reader.manifest(msgspec.structs.replace(name, digest=digest)).descriptor
            for digest in {statement.subject for statement, _ in signed}
        }
    finally:
        reader.close()
    elsewhere = registries.hosts.get(name.registry, HostSettings()).signature_repository
    place = Reference.parse(elsewhere) if elsewhere else name
    with RegistryWriter(registries, deadline) as writer:
        for statement, bundle in signed:
            attach(writer, place, subjects[statement.subject], bundle, statement.predicate_type)


COMMAND.params += _SHARED
