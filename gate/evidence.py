"""Evidence and its kinds: what is known of an image, and what could not be established.

One difference carries the design: a kind that is *empty* was looked at and there is nothing; a kind that is an
`Unavailable` was not established, and a rule that needs it is unknown without ever being called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Literal, TypeVar

from msgspec import Struct

from gate.errors import Fault, Unavailable
from gate.oci.descriptor import Digest, Platform
from gate.oci.filesystem import Filesystem
from gate.oci.image import Origin
from gate.oci.manifest import ImageConfig
from gate.oci.reference import Reference
from gate.packages.inventory import Inventory

Kind = TypeVar("Kind")


class Subject(Struct, frozen=True):
    """What is judged: the reference as written, what it resolved to, and when.

    `digest` is the manifest's digest; for an archive without manifests it is the configuration's. `names` are the image
    names that the source or the caller (`--as`) gives; empty for a file that carries none. `checked_at` has a zone.
    `resolved` is what the reference stood for, where that is known: `digest`, or that of the index which lists it.
    """

    reference: str
    source: str
    digest: Digest
    config_digest: Digest
    platform: Platform
    names: tuple[Reference, ...]
    checked_at: datetime
    resolved: Digest | None = None

    @property
    def day(self) -> date:
        """The day of the check in UTC, by which everything that is dated is judged, wherever the gate runs."""
        return self.checked_at.astimezone(UTC).date()


class Secret(Struct, frozen=True):
    """A credential that was seen: what kind, where, and a form of it that is safe to print.

    `path` starts with a slash; it is empty for one in the configuration, where `field` names the place (`Env`, …).
    `deleted` says that a later layer removes or replaces the file, which does not remove the secret.
    """

    kind: str
    layer_index: int | None
    path: str
    field: str
    redacted: str
    deleted: bool = False


class Secrets(Struct, frozen=True):
    """What the search for credentials found, and what it did not look into."""

    found: tuple[Secret, ...]
    not_searched: tuple[str, ...] = ()


class Database(Struct, frozen=True):
    """A scanner's vulnerability database: `built` is when its publisher made it; `digest` identifies the bytes."""

    schema: str
    built: datetime
    digest: str = ""
    providers: tuple[str, ...] = ()


class ScannedPackage(Struct, frozen=True):
    """A package that a scanner reported having seen; `path` starts with a slash, or is empty where it gave none."""

    type: str
    name: str
    version: str
    purl: str
    path: str = ""


class ScanRun(Struct, frozen=True):
    """One scanner's run: what ran, on which data, and what it could see.

    `binary_digest` is the sha256 of the program; `approval` says who approved it, empty where nobody did. `image_id` is the
    configuration digest the scanner says it scanned.
    `os_family` and `os_version` are empty where it recognised none; `end_of_life` is its opinion where it has one.
    `uncovered` names what it saw and its database holds no advisories for: the release (`debian 9`), or purl types.
    `confinement` names what it was kept from (`gate.scanners.confinement`), as far as the system allowed it.
    `reused` is when it ran, where that was in an earlier run on the same grounds; None where it ran in this one.
    """

    scanner: str
    version: str
    binary: str
    binary_digest: str
    database: Database
    image_id: str
    os_family: str
    os_version: str
    end_of_life: bool | None
    packages: tuple[ScannedPackage, ...]
    warnings: tuple[str, ...]
    seconds: float
    uncovered: tuple[str, ...] = ()
    confinement: tuple[str, ...] = ()
    reused: datetime | None = None
    approval: str = ""


class ScanRuns(Struct, frozen=True):
    """Each scanner that was asked for, by name: its run, or why there is none.

    `problems` are sentences, by scanner, that say why its finding nothing would not count: what it could not have seen.
    """

    runs: Mapping[str, ScanRun | Unavailable]
    problems: Mapping[str, tuple[str, ...]] = {}


class Opinion(Struct, frozen=True):
    """What one scanner says of one vulnerability in one package.

    `severity` is a lower-case word (`critical` … `negligible`, `unknown`); `severities` are all it passed on, by source,
    and so are `scores` and `vectors` (CVSS). `fix_state` is `fixed`, `not-fixed`, `wont-fix` or `unknown`. `published` and
    `fix_published` are as the scanner writes them: a date that may have a time after it, or empty.
    """

    scanner: str
    id: str
    aliases: tuple[str, ...]
    severity: str
    severity_source: str
    severities: Mapping[str, str]
    scores: Mapping[str, float]
    fixed_versions: tuple[str, ...]
    fix_state: str
    published: str = ""
    url: str = ""
    title: str = ""
    known_exploited: bool | None = None
    epss: float | None = None
    vectors: Mapping[str, str] = {}
    fix_published: str = ""

    @property
    def facts(self) -> dict[str, object]:
        """All of it but the title, as JSON values: what reports show of an opinion."""
        return {
            "epss": self.epss,
            "fix_published": self.fix_published,
            "fix_state": self.fix_state,
            "fixed": list(self.fixed_versions),
            "id": self.id,
            "known_exploited": self.known_exploited,
            "published": self.published,
            "scanner": self.scanner,
            "scores": dict(sorted(self.scores.items())),
            "severities": dict(sorted(self.severities.items())),
            "severity": self.severity,
            "severity_source": self.severity_source,
            "url": self.url,
            "vectors": dict(sorted(self.vectors.items())),
        }


class Vulnerability(Struct, frozen=True):
    """One vulnerability in one package, with every scanner's opinion of it.

    `id` is the CVE where there is one. `layer` is the diff ID; `path` starts with a slash or is empty. `purls` are those
    of the package as scanners wrote them, with qualifiers. `named_by` are scanners that found it under another id: as one
    of several in an advisory of a distribution (ELSA, ALAS), or the several where this is the advisory.
    """

    id: str
    aliases: tuple[str, ...]
    package_type: str
    package_name: str
    package_version: str
    purl: str
    opinions: tuple[Opinion, ...]
    layer: str = ""
    path: str = ""
    purls: tuple[str, ...] = ()
    named_by: tuple[str, ...] = ()

    @property
    def found_by(self) -> tuple[str, ...]:
        """The scanners that reported it, sorted."""
        return tuple(sorted({opinion.scanner for opinion in self.opinions}))

    @property
    def known_to(self) -> tuple[str, ...]:
        """The scanners that reported it, under whatever id, sorted."""
        return tuple(sorted({*self.found_by, *self.named_by}))


class Feed(Struct, frozen=True):
    """What a published list says of the vulnerabilities that were found, beside what scanners say.

    `database` tells which list it is, `source` where it was fetched from, empty where that is not known. `known` are the CVEs
    that it lists as exploited (KEV), `scores` probabilities from 0 to 1 by CVE (EPSS). `warnings` say why it could not be renewed.
    """

    database: Database
    source: str = ""
    known: frozenset[str] = frozenset()
    scores: Mapping[str, float] = {}
    warnings: tuple[str, ...] = ()


class Vulnerabilities(Struct, frozen=True):
    """The joined findings of all scanners that ran, sorted by package and id.

    `feeds` are those that a rule asks for, by name (`kev`, `epss`), or why one cannot be used.
    """

    found: tuple[Vulnerability, ...]
    feeds: Mapping[str, Feed | Unavailable] = {}


class TagDigest(Struct, frozen=True):
    """What the tag by which an image was asked for names in its registry now.

    `pinned` are the digests to compare with: the one that the image was asked for with, or those under which its engine
    pulled it. Without a tag or without any of them nothing was asked, and `now` is None. `members` are the manifests of
    the index that the tag names.
    """

    name: Reference | None = None
    pinned: tuple[Digest, ...] = ()
    now: Digest | None = None
    members: tuple[Digest, ...] = ()


class Base(Struct, frozen=True):
    """An image for one platform on which others are built.

    `name` has the tag, if there is one, and no digest; `digest` is what the name stood for, an index's or a manifest's.
    `diff_ids` are its layers, as `Filesystem.diff_ids` has them. `recorded` is the day on which it was, where it was.
    """

    name: Reference
    digest: Digest
    manifest: Digest
    platform: Platform
    diff_ids: tuple[str, ...]
    recorded: date | None = None


class BaseClaim(Struct, frozen=True):
    """What an image says of its base, which anyone can write: as written, and as far as it can be read."""

    text: str
    name: Reference | None
    digest: Digest | None
    place: str


class Bases(Struct, frozen=True):
    """The bases that the policy lists, and what is known of an image's own.

    `missing` says why a listed base is not among them. `packages` are type, name and version of what the package
    databases of the recognised base list; None where there is none or they cannot be told.
    """

    listed: tuple[Base, ...]
    missing: Mapping[Reference, Unavailable] = {}
    claims: tuple[BaseClaim, ...] = ()
    packages: frozenset[tuple[str, str, str]] | None = None

    def under(self, diff_ids: Sequence[str]) -> tuple[Base, ...]:
        """Return the listed bases whose layers an image has at its bottom: the longest, under each of its names."""
        layers = tuple(diff_ids)
        found = [
            base for base in self.listed if base.diff_ids and layers[: len(base.diff_ids)] == base.diff_ids
        ]
        longest = max((len(base.diff_ids) for base in found), default=0)
        return tuple(base for base in found if len(base.diff_ids) == longest)


class BaseNow(Struct, frozen=True):
    """What the tag of a base names now: its digest, and for one platform its manifests and each one's diff IDs."""

    digest: Digest
    manifests: tuple[Digest, ...] = ()
    layers: tuple[tuple[str, ...], ...] = ()


class BaseTags(Struct, frozen=True):
    """What the tags of an image's base name now, by name with tag; asked of those alone that the policy lists."""

    now: Mapping[Reference, BaseNow | Unavailable]


class Identity(Struct, frozen=True):
    """Whom a certificate names: a subject, and the issuer who says so; neither means anything without the other.

    `claims` are what the issuer said beside it, by the readable names of Fulcio's extensions (`source-repository-uri`,
    `build-trigger`, …).
    """

    subject: str
    subject_kind: Literal["uri", "email", "other"]
    issuer: str
    claims: Mapping[str, str] = {}


class Signer(Struct, frozen=True):
    """Who signed, after verification: a key by its fingerprint (`sha256:…`, else empty), or an identity.

    `root` names the trusted root that vouched, empty where only a key did. `log` and `log_index` are the entry in a
    transparency log. `signed_at` is the earliest time at which a log or a timestamp authority saw the signature, None where
    none did; `timestamped` says that an authority did (RFC 3161).
    """

    key: str = ""
    identity: Identity | None = None
    root: str = ""
    log: str = ""
    log_index: int | None = None
    signed_at: datetime | None = None
    timestamped: bool = False


PUBLIC_GOOD = "public-good"
"""What policies call the root of the public Sigstore instance, which the `sigstore` package brings."""


class TrustRequest(Struct, frozen=True):
    """What a rule wants signatures to be verified with.

    `keys` and `roots` are the names of files as the policy writes them, `PUBLIC_GOOD` the root that is shipped. The roots
    are for certificates; `roots_for_keys` says that what keys signed must be in their logs as well. `without` are demands
    that the policy gives up.
    """

    keys: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    roots_for_keys: bool = False
    without: tuple[Literal["log", "sct", "timestamp"], ...] = ()


class Signature(Struct, frozen=True):
    """A signature that holds and is about the image.

    `manifest` is the digest of the manifest that it lies in, or the file's name; `place` says in words where that is.
    `about` is the digest that was signed, the index's by which the image was reached if `of_index`, else its manifest's.
    `claims` are what was signed beside it (annotations of cosign).
    """

    signer: Signer
    manifest: str
    place: str
    about: Digest
    of_index: bool = False
    claims: Mapping[str, str] = {}


class Attestation(Signature, frozen=True):
    """A signed statement about the image: what kind it is and what it says, both from the payload whose signature holds."""

    predicate_type: str = ""
    predicate: Mapping[str, object] = {}


class RefusedSignature(Struct, frozen=True):
    """What was found where signatures are, and why it is none that counts.

    `attested` says that it holds and is about the image, but is an attestation and no signature.
    """

    manifest: str
    place: str
    reason: str
    attested: bool = False


class Signatures(Struct, frozen=True):
    """The signatures of an image, by what they were verified with. An attestation is none.

    `digests` are what was asked about: the image's manifest, then the index by which it was reached, if there was one.
    `missing` says which places gave no answer; there may be further signatures there. `keys` are the fingerprints of the
    keys in each file that was trusted.
    """

    digests: tuple[Digest, ...]
    accepted: Mapping[TrustRequest, tuple[Signature, ...]] = {}
    refused: Mapping[TrustRequest, tuple[RefusedSignature, ...]] = {}
    missing: tuple[Unavailable, ...] = ()
    keys: Mapping[str, frozenset[str]] = {}


class Attestations(Struct, frozen=True):
    """The attestations of an image; as `Signatures`."""

    digests: tuple[Digest, ...]
    accepted: Mapping[TrustRequest, tuple[Attestation, ...]] = {}
    refused: Mapping[TrustRequest, tuple[RefusedSignature, ...]] = {}
    missing: tuple[Unavailable, ...] = ()
    keys: Mapping[str, frozenset[str]] = {}


class SignedResult(Struct, frozen=True):
    """What a signed verdict says of one rule: outcome, action, and how many findings counted and were excepted."""

    outcome: str
    action: str
    findings: int
    excepted: int


class EarlierVerdict(Struct, frozen=True):
    """The signed verdict of the gate whose scanners' reports were taken instead of scanning.

    `manifest` is where it lies, `verifier` who judged, `signer` who signed, in words; `judged` is when, and `results` are
    what was signed, by rule.
    """

    manifest: str
    verifier: str
    signer: str
    judged: datetime
    status: str
    results: Mapping[str, SignedResult]


KINDS: frozenset[type] = frozenset(
    {
        Subject, Origin, ImageConfig, Filesystem, Inventory, Secrets, ScanRuns, Vulnerabilities,
        TagDigest, Bases, BaseTags, Signatures, Attestations,
    }
)  # fmt: skip
"""All kinds of evidence there are."""

LOOKED_UP: frozenset[type] = frozenset({TagDigest, Bases, BaseTags})
"""The kinds that registries are asked for beside the image itself."""

SIGNED: frozenset[type] = frozenset({Signatures, Attestations})
"""The kinds that are collected where an image's signatures are."""


class Evidence(Struct, frozen=True):
    """Maps each collected kind to its value, or to the `Unavailable` that says why there is none."""

    values: Mapping[type, object] = {}

    def get(self, kind: type[Kind]) -> Kind:
        """Return the value of `kind`; raises the `Unavailable` kept in its place, or one that says it was not collected."""
        value = self.values.get(kind)
        if isinstance(value, kind):
            return value
        if isinstance(value, Unavailable):
            raise value
        raise Fault("the collection of evidence", LookupError(f"{kind.__name__} was not collected"))
