"""What a report tells of the evidence beside the verdict: JSON values only, for machines and for the summary lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gate.errors import Unavailable
from gate.evidence import (
    Attestation,
    Attestations,
    EarlierVerdict,
    Evidence,
    Feed,
    ScanRun,
    ScanRuns,
    Signature,
    Signatures,
    Vulnerabilities,
    Vulnerability,
)
from gate.oci.image import Image, Origin
from gate.packages.inventory import Inventory


def facts_of(evidence: Evidence, image: Image, origin: Origin) -> dict[str, object]:
    """Return what is known of an image, of where it came from, and of the tools that looked at it.

    `size` is the stored size of all layers in bytes. What was not collected is left out; what could not be had stands
    under `unavailable`, by kind of evidence.
    """
    facts: dict[str, object] = {
        "origin": _origin(origin),
        "created": image.config.created,
        "size": sum(layer.descriptor.size for layer in image.layers),
        "layers": [
            {
                "digest": str(layer.descriptor.digest),
                "diff_id": str(layer.diff_id),
                "size": layer.descriptor.size,
            }
            for layer in image.layers
        ],
    }
    inventory = evidence.values.get(Inventory)
    if isinstance(inventory, Inventory):
        facts["distribution"] = "" if inventory.os_release is None else inventory.os_release.pretty_name
        facts["packages"] = len(inventory.packages)
        facts["package_databases"] = [
            {"format": database.format, "path": f"/{database.path}", "packages": len(database.packages)}
            for database in inventory.databases
        ]
    runs = evidence.values.get(ScanRuns)
    if isinstance(runs, ScanRuns):
        facts["scanners"] = {
            name: _scanner(run, runs.problems.get(name, ())) for name, run in sorted(runs.runs.items())
        }
    joined = evidence.values.get(Vulnerabilities)
    if isinstance(joined, Vulnerabilities) and isinstance(runs, ScanRuns):
        facts["vulnerabilities"] = _vulnerabilities(joined, runs)
        if isinstance(inventory, Inventory):
            facts["source_packages"] = _sources(joined, inventory)
    vouched = [
        found for kind in (Signatures, Attestations) if isinstance(found := evidence.values.get(kind), kind)
    ]
    if vouched:
        facts["signatures"] = _signatures(vouched)
    if isinstance(joined, Vulnerabilities) and joined.feeds:
        facts["feeds"] = {name: _feed(feed) for name, feed in sorted(joined.feeds.items())}
    if EarlierVerdict in evidence.values:
        facts["reused_verdict"] = _reused(evidence.values[EarlierVerdict])
    missing = {
        kind.__name__: value.message
        for kind, value in evidence.values.items()
        if isinstance(value, Unavailable) and kind is not EarlierVerdict
    }
    if isinstance(inventory, Inventory) or isinstance(runs, ScanRuns):
        facts["components"] = _components(inventory, runs)
    if missing:
        facts["unavailable"] = dict(sorted(missing.items()))
    return facts


def signature_facts(found: Signature) -> dict[str, Any]:
    """Return what is known of a signature or attestation that holds; of an attestation what kind it is, not what it says."""
    signer, identity = found.signer, found.signer.identity
    return {
        "type": found.predicate_type if isinstance(found, Attestation) else "signature",
        "about": str(found.about),
        "of_index": found.of_index,
        "manifest": found.manifest,
        "place": found.place,
        "key": signer.key,
        "identity": "" if identity is None else identity.subject,
        "issuer": "" if identity is None else identity.issuer,
        "identity_claims": {} if identity is None else dict(sorted(identity.claims.items())),
        "root": signer.root,
        "log": signer.log,
        "log_index": signer.log_index,
        "signed_at": None if signer.signed_at is None else signer.signed_at.isoformat(timespec="seconds"),
        "claims": dict(sorted(found.claims.items())),
    }


def _signatures(vouched: list[Signatures | Attestations]) -> Mapping[str, Any]:
    """Return what holds under any trust of the policy, what holds under none, and which places gave no answer.

    Whether what holds is of a signer that a rule lists, the rule says.
    """
    verified: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for found in vouched:
        for signatures in found.accepted.values():
            verified += [facts for one in signatures if (facts := signature_facts(one)) not in verified]
        for others in found.refused.values():
            told = [{"manifest": one.manifest, "place": one.place, "reason": one.reason} for one in others]
            refused += [one for one in told if one not in refused]
    return {
        "verified": verified,
        "refused": refused,
        "no_answer": [str(error) for error in vouched[0].missing],
    }


def _reused(earlier: object) -> Mapping[str, Any]:
    """Return which signed verdict spared the scanners, or why none did."""
    if not isinstance(earlier, EarlierVerdict):
        return {"used": False, "reason": str(earlier)}
    return {
        "used": True,
        "manifest": earlier.manifest,
        "verifier": earlier.verifier,
        "signer": earlier.signer,
        "judged": earlier.judged.isoformat(timespec="seconds"),
        "status": earlier.status,
    }


def _origin(origin: Origin) -> Mapping[str, Any]:
    """Return where the image came from, and what that place says of it."""
    facts: dict[str, Any] = {"source": origin.source}
    if origin.name is not None:
        facts["name"] = str(origin.name)
    if origin.served_by:
        facts["served_by"] = origin.served_by
    if origin.modified is not None:
        facts["modified"] = origin.modified.isoformat()
    if origin.engine is not None:
        engine = origin.engine
        facts["engine"] = {
            "name": engine.engine,
            "version": engine.version,
            "store": engine.store,
            "id": str(engine.id),
            "repo_digests": [str(name) for name in engine.repo_digests],
        }
    return facts


def _scanner(run: ScanRun | Unavailable, problems: tuple[str, ...]) -> Mapping[str, Any]:
    """Return what ran, on which data, and what it saw."""
    if isinstance(run, Unavailable):
        return {"unavailable": run.message}
    return {
        "version": run.version,
        "path": run.binary,
        "sha256": run.binary_digest,
        "approval": run.approval,
        "database": {
            "schema": run.database.schema,
            "built": run.database.built.isoformat(),
            "digest": run.database.digest,
            "providers": list(run.database.providers),
        },
        "distribution": f"{run.os_family} {run.os_version}".strip(),
        "end_of_life": run.end_of_life,
        "packages": len(run.packages),
        "problems": list(problems),
        "warnings": list(run.warnings),
        "seconds": round(run.seconds, 3),
        "confinement": list(run.confinement),
        "reused": None if run.reused is None else run.reused.isoformat(timespec="seconds"),
    }


def _feed(feed: Feed | Unavailable) -> Mapping[str, Any]:
    """Return what a feed is, and where it comes from."""
    if isinstance(feed, Unavailable):
        return {"unavailable": feed.message}
    return {
        "version": feed.database.schema,
        "built": feed.database.built.isoformat(),
        "digest": feed.database.digest,
        "source": feed.source,
        "warnings": list(feed.warnings),
    }


def _vulnerabilities(joined: Vulnerabilities, runs: ScanRuns) -> Mapping[str, Any]:
    """Return every joined finding with all opinions, whether a rule counts it or not, and why scanners disagree."""
    from gate.scanners.disagreements import reasons  # here, because it parses package URLs, and few runs scan

    ran = {name: run for name, run in runs.runs.items() if isinstance(run, ScanRun)}
    missing = reasons(joined.found, ran)
    alone = [found.found_by[0] for found in joined.found if len(found.found_by) == 1 < len(ran)]
    return {
        "agreed": sum(not not_by for not_by in missing),
        "alone": {name: alone.count(name) for name in sorted(ran)},
        "found": [_found(found, not_by) for found, not_by in zip(joined.found, missing, strict=True)],
    }


def _components(inventory: object, runs: object) -> list[dict[str, str]]:
    """Return every package that its database lists or a scanner saw, each once, with the package URL that a scanner gives."""
    found: dict[tuple[str, str, str], str] = {}
    if isinstance(inventory, Inventory):
        found = {(one.type, one.name, one.version): "" for one in inventory.packages}
    for run in runs.runs.values() if isinstance(runs, ScanRuns) else ():
        for package in run.packages if isinstance(run, ScanRun) else ():
            key = package.type, package.name, package.version
            found[key] = found.get(key) or package.purl
    names = ("type", "name", "version", "purl")
    return [
        {name: value for name, value in zip(names, (*key, found[key]), strict=True) if value}
        for key in sorted(found)
    ]


def _sources(joined: Vulnerabilities, inventory: Inventory) -> dict[str, dict[str, str]]:
    """Return the source of each vulnerable package that is built from one with another name, by type and name."""
    vulnerable = {(found.package_type, found.package_name) for found in joined.found}
    sources: dict[str, dict[str, str]] = {}
    for database in inventory.databases:
        for package in database.packages:
            named = package.source_name not in ("", package.name)
            if named and (package.type, package.name) in vulnerable:
                sources.setdefault(package.type, {})[package.name] = package.source_name
    return {kind: dict(sorted(names.items())) for kind, names in sorted(sources.items())}


def _found(found: Vulnerability, not_by: Mapping[str, str]) -> Mapping[str, Any]:
    """Return one joined finding."""
    return {
        "id": found.id,
        "aliases": list(found.aliases),
        "type": found.package_type,
        "package": found.package_name,
        "version": found.package_version,
        "path": found.path,
        "found_by": list(found.found_by),
        "not_found_by": dict(not_by),
        "opinions": [opinion.facts for opinion in found.opinions],
    }
