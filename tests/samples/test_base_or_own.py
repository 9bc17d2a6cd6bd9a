"""Which vulnerabilities come from the base, as both real scanners find them in an image that installs packages itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gate.lookups import base_of
from gate.oci.reference import Reference
from gate.pipeline import RunSettings, check
from gate.policy.bases import bases_text
from gate.policy.policy import Policy
from gate.scanners import ScannerSettings
from gate.sources.locate import locate
from gate.sources.open import open_source
from samples.images import debian
from samples.images.builder import Image, Settings, build_image
from samples.images.entries import with_parents
from samples.images.languages import python_distribution
from samples.images.layers import layer_of
from samples.images.layout import oci_layout, write_directory

pytestmark = pytest.mark.real

NAME = Reference.parse("docker.io/library/debian:12")
POLICY = """\
schema: 1
scanners: {required: [%s]}
rules:
  base-image: {file: bases.json}
  vulnerabilities: {threshold: negligible, unrated: deny}
"""
OWN = {"openssl", "libssl3", "tar"}
"""What the image installs above its base, or in another version."""


def packages(own: bool) -> tuple[debian.Package, ...]:
    """The packages of the base, or all of the image: two are added, and the base has an older `tar`."""
    chosen = (one for one in debian.RELEASE_12_0 if own or one.name not in ("openssl", "libssl3"))
    return tuple(
        one if own or one.name != "tar" else debian.Package("tar", "1.34+dfsg-1.1") for one in chosen
    )


def images() -> tuple[Image, Image]:
    """A base, and an image on it whose second layer writes the package database anew."""
    below = {
        **debian.release_files(),
        **debian.status_file(packages(own=False)),
        **python_distribution("Jinja2", "3.0.3", "usr/local/lib/python3.11/site-packages"),
    }
    above = {
        **debian.status_file(packages(own=True)),
        **python_distribution("requests", "2.28.1", "usr/local/lib/python3.11/site-packages"),
    }
    layers = [layer_of(with_parents(entries)) for entries in (below, above)]
    settings = Settings(datetime.now(UTC).replace(microsecond=0))
    return build_image(layers[:1], settings), build_image(layers, settings)


@pytest.mark.parametrize("scanners", ["trivy", "grype", "trivy, grype"])
def test_each_vulnerability_says_whose_it_is(
    scanners: str,
    trivy_binary: Path,
    grype_binary: Path,
    trivy_cache: Path,
    grype_cache: Path,
    tmp_path: Path,
) -> None:
    base, image = (
        write_directory(oci_layout({"": one}), tmp_path / name)
        for one, name in zip(images(), ("base", "image"), strict=True)
    )
    with open_source(locate(str(base)), None) as opened:
        recorded = base_of(NAME, opened.digest, opened.images[0])
    (tmp_path / "bases.json").write_text(bases_text([recorded], date(2026, 6, 1)))
    (tmp_path / "policy.yaml").write_text(POLICY % scanners)
    policy = Policy.load("policy.yaml", directory=tmp_path, environment={})
    settings = ScannerSettings(
        tmp_path / "work", trivy_cache, grype_cache, str(trivy_binary), str(grype_binary), offline=True
    )
    (verdict,) = check([str(image)], policy, RunSettings(settings)).verdicts
    (found,) = (result.findings for result in verdict.results if result.rule == "vulnerabilities")
    whose: Mapping[str, set[bool | None]] = {
        str(one.details["package"]): {
            other.location.base for other in found if other.details["package"] == one.details["package"]
        }
        for one in found
    }
    assert {"openssl", "libssl3", "tar", "libc6", "passwd", "Jinja2", "requests"} <= {
        {"jinja2": "Jinja2"}.get(name, name) for name in whose
    }
    own = {name for name, places in whose.items() if places == {False}}
    assert own == OWN | {"requests"}
    assert {name for name in whose if name not in own} == {
        name for name, places in whose.items() if places == {True}
    }
    counts = verdict.findings_by_base
    assert counts[True] + counts[False] == len(found)
    assert counts[None] == 0
