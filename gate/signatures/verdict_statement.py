"""In-toto statements of a verdict: SLSA's verification summary, which any tool can rely on, and our own details.

The summary is what a deployment admits an image on (slsa.dev/spec/v1.1/verification_summary). Ours says beside it what each
rule found and with which scanners and databases; its published schema is gate/schemas/verdict.json.

An image of which something is unknown has no statement: what a summary can say is passed or failed, and it is neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct

from gate import __version__
from gate.errors import InvalidInput, Unavailable
from gate.oci.descriptor import Digest
from gate.oci.reference import Reference
from gate.options import describe, json_schema
from gate.printable import shown
from gate.rule import Action
from gate.verdict import Outcome, Report, RuleResult, Status, Verdict

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
SUMMARY = "https://slsa.dev/verification_summary/v1"
DETAILS = "urn:image-gate:verdict:v1"
PASSED, FAILED = "PASSED", "FAILED"

_RESULTS = {Status.PASS: PASSED, Status.FAIL: FAILED}
_LEVELS = {PASSED: ["SLSA_BUILD_LEVEL_UNEVALUATED"], FAILED: ["FAILED"]}
"""What SLSA level was verified: none was looked at, and of a failure the specification wants to read that it is one."""
_LONGEST = 1_000
"""Characters of a text: a statement is for programs, and the report has all of it."""


class RuleDetails(Struct, frozen=True):
    """What one selected rule said."""

    rule: Annotated[str, describe("The rule's id.")]
    outcome: Outcome
    action: Annotated[Action, describe("What an outcome other than pass does.")]
    severity: str
    findings: Annotated[int, describe("How many findings it had.")]
    excepted: Annotated[int, describe("How many more an exception or the baseline of the policy covers.")]
    reason: Annotated[str, describe("Why the outcome is unknown; else empty.")]


class DatabaseDetails(Struct, frozen=True):
    """A scanner's database."""

    schema: str
    built: Annotated[str, describe("When its publisher made it.")]
    digest: str


class ScannerDetails(Struct, frozen=True):
    """A scanner that looked at the image."""

    name: str
    version: str
    sha256: Annotated[str, describe("Digest of its program.")]
    database: DatabaseDetails


class PolicyDetails(Struct, frozen=True):
    """The policy that the image was judged under."""

    name: str
    digest: Annotated[
        str, describe("`sha256:` over the policy, the profile it extends, and the files it names.")
    ]


class VerdictDetails(Struct, frozen=True):
    """What image-gate found in one image: the predicate `urn:image-gate:verdict:v1`."""

    status: Annotated[Literal["pass", "fail"], describe("Only pass opens the gate.")]
    version: Annotated[str, describe("The version of image-gate.")]
    judged: Annotated[str, describe("When it was judged, in UTC.")]
    reference: Annotated[str, describe("The reference as it was given, without credentials.")]
    platform: str
    policy: PolicyDetails
    rules: Annotated[list[RuleDetails], describe("Exactly one per selected rule.")]
    scanners: list[ScannerDetails]
    verifier: Annotated[str, describe("Who judged: the URI of `attest --verifier`.")] = ""
    scans: Annotated[
        str,
        describe(
            "What scanners said, for `check --reuse-verdict`: base64 of gzip of JSON, whose form is that of one version of "
            "image-gate. Empty where the policy lets nobody use it."
        ),
    ] = ""


class VerdictStatement(Struct, frozen=True):
    """What is to be signed: the statement as bytes, and of which image it is and what it states."""

    subject: Digest
    platform: str
    predicate_type: str
    content: bytes


def verdict_schema() -> dict[str, Any]:
    """Return the JSON schema of our own predicate."""
    (reference,), definitions = json_schema(VerdictDetails)
    root = definitions.pop(reference["$ref"].rpartition("/")[2])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        "title": f"image-gate verdict, the in-toto predicate {DETAILS}",
        "$defs": dict(sorted(definitions.items())),
    }


def resource_uri(name: Reference) -> str:
    """Return the package URL of a repository, which a summary names: no tag, because the digest says which image."""
    from packageurl import PackageURL

    last = name.repository.rpartition("/")[2]
    return PackageURL("oci", name=last, qualifiers={"repository_url": name.name}).to_string()


def statements_of(
    report: Report, verifier: str, scans: Mapping[Digest, str] | None = None
) -> tuple[VerdictStatement, ...]:
    """Return two statements for each image of a report, of the verdict that this run reached.

    `verifier` is the URI under which those who admit know who judges, `scans` what scanners said, packed, by the manifest's
    digest. Raises `Unavailable` where a part of what was asked for could not be judged, or is missing: then a summary of
    the other parts would say more than the report does.
    """
    if report.undecided or not report.verdicts or report.as_of is not None:
        reasons = "; ".join(
            f"{other.platform or other.reference}: {other.reason}" for other in report.undecided
        )
        raise Unavailable(f"there is no verdict to sign: {reasons or 'nothing was judged as of now'}")
    policy = report.run["policy"]
    assert isinstance(policy, Mapping)
    found: list[VerdictStatement] = []
    for verdict in report.verdicts:
        result = _RESULTS.get(verdict.status)
        if result is None:
            raise Unavailable(
                f"the verdict of {verdict.subject.platform} is unknown, and only pass and fail can be signed",
                hint="see in the report what could not be told",
            )
        summary = _summary(verdict, policy, verifier, result)
        details = _details(verdict, policy, verifier, (scans or {}).get(verdict.subject.digest, ""))
        found += [
            _statement(verdict, SUMMARY, summary),
            _statement(verdict, DETAILS, details),
        ]
    return tuple(found)


def _summary(verdict: Verdict, policy: Mapping[str, Any], verifier: str, result: str) -> dict[str, Any]:
    """Return the predicate of SLSA's verification summary."""
    return {
        "verifier": {"id": verifier, "version": {"image-gate": __version__}},
        "timeVerified": _time(verdict.subject.checked_at),
        "resourceUri": resource_uri(_name_of(verdict)),
        "policy": {
            "uri": f"urn:image-gate:policy:{_quoted(str(policy['name']))}",
            "digest": {"sha256": str(policy["digest"]).removeprefix("sha256:")},
        },
        "verificationResult": result,
        "verifiedLevels": _LEVELS[result],
    }


def _details(verdict: Verdict, policy: Mapping[str, Any], verifier: str, scans: str) -> VerdictDetails:
    """Return our own predicate."""
    scanners = verdict.evidence.get("scanners")
    ran = scanners if isinstance(scanners, Mapping) else {}
    return VerdictDetails(
        status="pass" if verdict.status is Status.PASS else "fail",
        version=__version__,
        judged=_time(verdict.subject.checked_at),
        reference=shown(verdict.subject.reference, _LONGEST),
        platform=str(verdict.subject.platform),
        policy=PolicyDetails(shown(str(policy["name"]), _LONGEST), str(policy["digest"])),
        rules=[_rule(result) for result in verdict.results],
        scanners=[_scanner(name, ran[name]) for name in sorted(ran) if "database" in ran[name]],
        verifier=verifier,
        scans=scans,
    )


def _rule(result: RuleResult) -> RuleDetails:
    """Return what one rule said."""
    return RuleDetails(
        rule=result.rule,
        outcome=result.outcome,
        action=result.action,
        severity=str(result.severity),
        findings=len(result.findings),
        excepted=len(result.excepted),
        reason=shown(result.reason, _LONGEST),
    )


def _scanner(name: str, facts: Mapping[str, Any]) -> ScannerDetails:
    """Return which scanner ran, on which data (gate/facts.py)."""
    database = facts["database"]
    return ScannerDetails(
        name=name,
        version=shown(facts["version"], _LONGEST),
        sha256=facts["sha256"],
        database=DatabaseDetails(
            schema=shown(database["schema"], _LONGEST), built=database["built"], digest=database["digest"]
        ),
    )


def _statement(verdict: Verdict, predicate_type: str, predicate: object) -> VerdictStatement:
    """Put a predicate into a statement about the image that was judged."""
    subject = verdict.subject
    if subject.digest == subject.config_digest or subject.digest.algorithm != "sha256":
        raise InvalidInput(
            f"{subject.reference} has no manifest with a sha256, which is what others know an image by",
            hint="attest the image in its registry, or in an OCI layout",
        )
    content = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": _name_of(verdict).name, "digest": {"sha256": subject.digest.encoded}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    encoded = msgspec.json.encode(content)
    return VerdictStatement(subject.digest, str(subject.platform), predicate_type, encoded)


def _name_of(verdict: Verdict) -> Reference:
    """Return what the image is called: policies judge by names, so a verdict is of an image under its name."""
    names = {name.name: name for name in verdict.subject.names}
    if len(names) != 1:
        raise InvalidInput(
            f"{verdict.subject.reference} has {'several names' if names else 'no name'}, and a verdict is for one",
            hint="say with --as what the image is called",
        )
    return next(iter(names.values()))


def _time(moment: datetime) -> str:
    """Return a time as RFC 3339 writes it, in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _quoted(text: str) -> str:
    """Return a text as it may stand in a URN."""
    from urllib.parse import quote

    return quote(text, safe="")
