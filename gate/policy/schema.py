"""What a policy file may hold: its sections as types, and the JSON schema that is generated from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from gate.errors import InvalidInput
from gate.oci.platform_pattern import PlatformPattern
from gate.options import Options, Text, describe, json_schema
from gate.policy.versions import VersionRange
from gate.rule import Rule

SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"
PROFILES = ("baseline", "strict", "audit")
ScannerName = Literal["trivy", "grype"]
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_RELEASE = re.compile(r"(trivy|grype) [0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}", re.ASCII)


class ProgramDigest(str):
    """The text of a program's digest."""

    __slots__ = ()
    SYNTAX = "sha256: and 64 hexadecimal digits in lower case, as `image-gate scanners verify` prints it"

    @classmethod
    def parse(cls, value: str) -> ProgramDigest:
        """Check it; raises `InvalidInput`."""
        if not _DIGEST.fullmatch(value):
            raise InvalidInput(f"{value[:100]!r} is no digest", hint=f"write {cls.SYNTAX}")
        return cls(value)


class RefusedProgram(str):
    """The text of what must never run."""

    __slots__ = ()
    SYNTAX = "a scanner and its version, such as trivy 0.69.4, or a digest (sha256:…)"

    @classmethod
    def parse(cls, value: str) -> RefusedProgram:
        """Check it; raises `InvalidInput`."""
        if not _DIGEST.fullmatch(value) and not _RELEASE.fullmatch(value):
            raise InvalidInput(f"{value[:100]!r} names no program", hint=f"write {cls.SYNTAX}")
        return cls(value)


class DatabaseAges(Options):
    """How old each scanner's database, and each feed that a rule asks for, may be, in days."""

    trivy: Annotated[int, describe("Days; it is published every six hours.", ge=1, le=3650)] = 5
    grype: Annotated[int, describe("Days; it is published every day.", ge=1, le=3650)] = 5
    kev: Annotated[
        int,
        describe(
            "Days, for CISA's list of what is exploited; weeks can pass without an entry.", ge=1, le=3650
        ),
    ] = 21
    epss: Annotated[
        int, describe("Days, for FIRST's scores; they are published every day.", ge=1, le=3650)
    ] = 5


class ScannerSettings(Options):
    """Which scanners must have run, and on how fresh data."""

    required: Annotated[
        tuple[ScannerName, ...],
        describe(
            "Scanners that must have run where a rule needs their findings; without one of them it is unknown."
        ),
    ] = ("trivy", "grype")
    max_database_age_days: Annotated[
        DatabaseAges,
        describe("An older database counts as no database: what it does not list may be known by now."),
    ] = DatabaseAges()
    approved: Annotated[
        Literal["any", "listed"],
        describe(
            "Which programs may run: any that is not refused, or only those whose digest the shipped table or `programs` lists."
        ),
    ] = "any"
    programs: Annotated[
        tuple[ProgramDigest, ...],
        describe(
            "Digests that are approved beside the shipped table: of programs, or of archives to install them from."
        ),
    ] = ()
    refused: Annotated[
        tuple[RefusedProgram, ...],
        describe("What never runs, beside the releases that are known to be compromised."),
    ] = ()


class PlatformText(str):
    """The text of a pattern over platforms that is known to parse."""

    __slots__ = ()
    SYNTAX = "OS/ARCHITECTURE[/VARIANT], with * for any word: windows/*, linux/arm/v7"

    @classmethod
    def parse(cls, value: str) -> PlatformText:
        """Parse a pattern; raises `InvalidInput`."""
        PlatformPattern.parse(value)
        return cls(value)

    @property
    def pattern(self) -> PlatformPattern:
        """The pattern."""
        return PlatformPattern.parse(self)


class PlatformName(PlatformText):
    """The text of one platform."""

    __slots__ = ()
    SYNTAX = "OS/ARCHITECTURE[/VARIANT], such as linux/arm64"

    @classmethod
    def parse(cls, value: str) -> PlatformName:
        """Parse a platform; raises `InvalidInput` for a pattern, of which it could not be said what is missing."""
        if PlatformPattern.parse(value).wild:
            raise InvalidInput(f"{value[:100]!r} stands for several platforms", hint="name each of them")
        return cls(value)


class PlatformRequirements(Options):
    """Which platforms of an image must be there, and which are not judged."""

    required: Annotated[
        tuple[PlatformName, ...],
        describe(
            "Platforms that every image must have: one that lacks them fails, one of which they were not judged is unknown."
        ),
    ] = ()
    leave_out: Annotated[
        tuple[PlatformText, ...],
        describe("Platforms that are not judged; the report names them and says that it is partial."),
    ] = ()


class SourceRequirements(Options):
    """Where images may be taken from."""

    from_: Annotated[
        tuple[Literal["registry", "daemon", "file"], ...],
        describe(
            "Where images may come from: a registry, the container engine (daemon), or layouts and archives (file).",
            min_length=1,
        ),
    ] = field(default=("registry", "daemon", "file"), name="from")
    fallback: Annotated[
        bool,
        describe(
            "Whether a plain name that the container engine does not have may be looked for in its registry."
        ),
    ] = True


class RuleControl(Options):
    """What every rule's entry may state beside the rule's own options."""

    action: Annotated[
        Literal["deny", "warn", "off"],
        describe("What a broken rule does: close the gate, be reported, or not run."),
    ] = "deny"
    on_unknown: Annotated[
        Literal["deny", "warn"] | UnsetType,
        describe("What it does when it cannot be decided; the same as `action` unless stated."),
    ] = UNSET
    severity: Annotated[
        Literal["critical", "high", "medium", "low", "negligible"] | UnsetType,
        describe("How bad a finding is; the rule's own severity unless stated."),
    ] = UNSET


CONTROL_KEYS = frozenset(RuleControl.__struct_encode_fields__)


class ScopeEntry(Options):
    """One scope: what differs for some images."""

    match: Annotated[Text, describe("A pattern over image names: registry.example.com/tools/**.")]
    rules: Annotated[dict[str, Any], describe("Entries that refine those above, key by key.", min_length=1)]


class ExceptionEntry(Options):
    """One accepted deviation from one rule: narrow, reasoned, and for a time."""

    rule: Annotated[Text, describe("The rule that is excepted.")]
    id: Annotated[
        Text | UnsetType,
        describe("The finding's id, exactly, such as a CVE; aliases that the scanners know match too."),
    ] = UNSET
    package: Annotated[
        Text | UnsetType, describe("A package by name or by purl; a purl with a version means that one.")
    ] = UNSET
    versions: Annotated[
        VersionRange | UnsetType,
        describe(
            "Versions of `package` that are meant, in the order of its ecosystem: >=1.2 <1.4; what has no clear place there is not."
        ),
    ] = UNSET
    path: Annotated[
        Text | UnsetType,
        describe("A path in the image; `*` and `?` stay within one segment, `**` is any number of segments."),
    ] = UNSET
    layer: Annotated[Text | UnsetType, describe("The diff ID of a layer.")] = UNSET
    images: Annotated[
        Text | Annotated[tuple[Text, ...], Meta(min_length=1)] | UnsetType,
        describe(
            "Patterns over image names, digests (sha256:…), or both (pattern@sha256:…); any of them suffices."
        ),
    ] = UNSET
    until: Annotated[date, describe("The last day on which it applies, in UTC.")]
    reason: Annotated[Text, describe("Why this is acceptable.")]
    owner: Annotated[Text | UnsetType, describe("Who answers for it.")] = UNSET
    link: Annotated[Text | UnsetType, describe("Where it was decided.")] = UNSET


class BaselineEntry(Options):
    """The findings that were known on a day, and how long they are accepted for that."""

    file: Annotated[
        Text,
        describe("The file that `image-gate baseline create` wrote, from the policy's folder on."),
    ]
    until: Annotated[date, describe("The last day on which it applies, in UTC.")]


class VexEntry(Options):
    """Which VEX documents count: statements that products are not affected by vulnerabilities, and why."""

    files: Annotated[
        tuple[Text, ...],
        describe(
            "OpenVEX, CycloneDX or CSAF documents, from the policy's folder on; the policy's digest covers them.",
            max_length=100,
        ),
    ] = ()
    attested: Annotated[
        dict[str, Any] | UnsetType,
        describe(
            "Whose VEX attestations of an image count, by the options that rules about signatures have; they are looked for where "
            "signatures are, for the rule `vulnerabilities`."
        ),
    ] = UNSET
    command_line: Annotated[
        bool,
        describe(
            "Whether a run may bring further documents with `--vex`: whoever starts it can then take findings away."
        ),
    ] = False


class PolicyFile(Options):
    """A policy file: its sections, each of which is read by itself."""

    schema: Annotated[Literal[1], describe("The version of this format.")]
    extends: Annotated[
        Literal["baseline", "strict", "audit"] | UnsetType,
        describe("A built-in profile whose entries come first; those of this file replace them key by key."),
    ] = UNSET
    scanners: Annotated[dict[str, Any], describe("Which scanners must have run, and on how fresh data.")] = (
        field(default_factory=dict)
    )
    sources: Annotated[dict[str, Any], describe("Where images may be taken from.")] = field(
        default_factory=dict
    )
    platforms: Annotated[
        dict[str, Any], describe("Which platforms of an image must be there, and which are not judged.")
    ] = field(default_factory=dict)
    rules: Annotated[
        dict[str, Any], describe("The rules that run: exactly these, after those of `extends`.")
    ] = field(default_factory=dict)
    scopes: Annotated[
        tuple[dict[str, Any], ...],
        describe("What differs for images by name; later scopes refine earlier ones."),
    ] = ()
    exceptions: Annotated[tuple[dict[str, Any], ...], describe("Accepted deviations, each for a time.")] = ()
    exceptions_files: Annotated[
        tuple[Text, ...],
        describe(
            "Files with further exceptions, from the policy's folder on; the policy's digest covers them.",
            max_length=100,
        ),
    ] = ()
    baseline: Annotated[
        BaselineEntry | UnsetType,
        describe("Known findings: they stay in the report, and only new ones count."),
    ] = UNSET
    vex: Annotated[
        VexEntry,
        describe("VEX documents that count: what they take away stays in the report, with the reason."),
    ] = VexEntry()
    reuse_verdicts: Annotated[
        dict[str, Any] | UnsetType,
        describe(
            "Whose signed verdicts may spare a scan (`check --reuse-verdict`), by the options that rules about signatures have."
        ),
    ] = UNSET
    sudden_fall: Annotated[
        Literal["deny", "warn"],
        describe(
            "What it does when `--against` shows that a rule's many findings are all gone: nothing but be said, or close the gate."
        ),
    ] = "warn"
    exceptions_notice_days: Annotated[
        int,
        describe("Reports name exceptions that end within so many days.", ge=0, le=366),
    ] = 14


def policy_schema(rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Return the JSON schema of policy files, with every option of `rules`; editors complete and check with it."""
    from gate.policy.verdict_reuse import VerdictReuse  # here: policies seldom say who attests anything
    from gate.rules._signers import SignersOptions

    names = sorted(rules)
    parts = (SignersOptions, VerdictReuse, ScannerSettings, SourceRequirements, PlatformRequirements)
    kinds = (PolicyFile, ScopeEntry, ExceptionEntry, RuleControl, *parts)
    references, definitions = json_schema(*kinds, *(rules[name].options for name in names))
    schemas = [definitions[reference["$ref"].rpartition("/")[2]] for reference in references]
    (file, scope, exception, control, signers, reuse, *sections), options = (
        schemas[: len(kinds)],
        schemas[len(kinds) :],
    )
    entries = {
        name: {
            "description": rules[name].title,
            "type": "object",
            "properties": {key: {"$ref": f"#/$defs/{key}"} for key in control["properties"]}
            | own["properties"],
            "additionalProperties": False,
        }
        for name, own in zip(names, options, strict=True)
    }
    for reference in references:
        definitions.pop(reference["$ref"].rpartition("/")[2], None)
    definitions |= control["properties"]
    definitions["rules"] = {"type": "object", "properties": entries, "additionalProperties": False}
    chosen = {"$ref": "#/$defs/rules"}
    scope["properties"]["rules"] |= chosen
    exception["properties"]["rule"]["enum"] = names
    keys = file["properties"]
    attested = definitions["VexEntry"]["properties"]["attested"]
    definitions["VexEntry"]["properties"]["attested"] = {**signers, "description": attested["description"]}
    for name, section in zip(
        ("reuse-verdicts", "scanners", "sources", "platforms"), (reuse, *sections), strict=True
    ):
        keys[name] = {**section, "description": keys[name]["description"]}
    keys["rules"] |= chosen
    keys["scopes"]["items"] = scope
    keys["exceptions"]["items"] = exception
    return {
        "$schema": SCHEMA_URL,
        **file,
        "title": "image-gate policy",
        "anyOf": [{"required": ["extends"]}, {"required": ["rules"]}],
        "$defs": dict(sorted(definitions.items())),
    }
