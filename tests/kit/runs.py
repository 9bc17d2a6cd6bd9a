"""Runs of the gate that pass, made of parts that tests break.

An image that satisfies the strictest profile, and scanners that see all of it and find nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from gate.collect import Collector, Wanted
from gate.deadline import Deadline
from gate.evidence import Database, ScannedPackage, ScanRun
from gate.packages.inventory import Inventory
from gate.pipeline import RunSettings
from gate.policy.policy import Policy
from gate.scanners import Scanner, ScannerReport, ScannerSettings, ScanTarget
from gate.sources import Access, Location
from gate.sources.open import open_source
from samples.images.catalogue import good
from samples.images.layout import oci_layout, write_directory
from tests.kit.reports import subject

NAME = "registry.example.com/shop/api:1.4"
Scan = Callable[[ScanTarget, ScannerSettings, float], ScannerReport]


def passing_image(folder: Path) -> Path:
    """A layout of an image that every rule accepts, with a name."""
    return write_directory(oci_layout({NAME: good(datetime.now(UTC).replace(microsecond=0))}), folder)


def policy(folder: Path, text: str = "strict") -> Policy:
    """A profile by its name, or the policy of this text."""
    if "\n" not in text:
        return Policy.load(text, directory=folder, environment={})
    (folder / "policy.yaml").write_text(text)
    return Policy.load("policy.yaml", directory=folder, environment={})


def settings(folder: Path, **changes: object) -> RunSettings:
    """Settings whose work folder is `work`."""
    scanners = ScannerSettings(
        folder / "work", folder / "trivy", folder / "grype", "/gone/trivy", "/gone/grype", offline=True
    )
    return RunSettings(**({"scanners": scanners} | changes))  # type: ignore[arg-type]


def seeing(name: str, instead: Scan | None = None) -> Scanner:
    """A scanner that sees every package and finds nothing, or does something else instead."""
    return Scanner(name, instead or (lambda target, *_: _report(name, target)))


def seeing_scanners(**instead: Scan) -> Mapping[str, Scanner]:
    """Both scanners, as `gate.scanners.built_in` gives them."""
    return {name: seeing(name, instead.get(name)) for name in ("grype", "trivy")}


def _report(name: str, target: ScanTarget) -> ScannerReport:
    """What an honest scanner says of an image without vulnerabilities: what the gate's own inventory says."""
    wanted = Wanted(frozenset({Inventory}), False, (), {})
    with open_source(Location("", "oci", str(target.layout)), None) as opened:
        evidence = Collector(wanted, {}, None, Access.to_files(Deadline(60))).collect(
            opened.images[0], subject()
        )
    inventory = evidence.get(Inventory)
    release = inventory.os_release
    run = ScanRun(
        scanner=name, version="1.0.0", binary=f"/usr/bin/{name}", binary_digest="0" * 64, database=Database("1", datetime.now(UTC)),
        image_id=target.config_digest, os_family=release.id if release else "", os_version=release.version_id if release else "",
        end_of_life=False, warnings=(), seconds=0.1,
        packages=(
            *(ScannedPackage(package.type, package.name, package.version, "") for package in inventory.packages),
            ScannedPackage("golang", "stdlib", "1.26.8", "pkg:golang/stdlib@1.26.8", "/app/server"),
        ),
    )  # fmt: skip
    return ScannerReport(run, ())
