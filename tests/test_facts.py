from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gate.errors import Unavailable
from gate.evidence import Database, Evidence, ScanRun, ScanRuns, Secrets, Vulnerabilities
from gate.facts import facts_of
from gate.oci.image import EngineImage, Image, Origin
from gate.oci.reference import Reference
from gate.packages.inventory import Inventory
from gate.sources.locate import locate
from gate.sources.open import open_source
from samples.images import debian
from samples.images.entries import file
from samples.images.layout import oci_layout, write_directory
from tests.kit.hostile_images import CLEAN, CLEAN_IMAGE
from tests.kit.trees import filesystem, inventory
from tests.kit.vulnerabilities import opinion, scan_runs, vulnerability

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
RUN = ScanRun(
    scanner="trivy", version="0.76.0", binary="/usr/bin/trivy", binary_digest="0" * 64, image_id="",
    database=Database("2", NOW, "sha256:1", ("debian", "nvd")), os_family="debian", os_version="12", end_of_life=False,
    packages=(), warnings=("w",), seconds=1.23456,
)  # fmt: skip


@pytest.fixture
def image(tmp_path: Path) -> Image:
    path = write_directory(oci_layout({"": CLEAN_IMAGE}), tmp_path / "image")
    with open_source(locate(str(path)), None) as opened:
        return opened.images[0]


def facts(image: Image, **values: Any) -> dict[str, Any]:
    """The facts of an image of which this evidence was collected; all of them are JSON."""
    kinds = {kind.__name__: kind for kind in (Inventory, ScanRuns, Secrets, Vulnerabilities)}
    found = facts_of(Evidence({kinds[name]: value for name, value in values.items()}), image, Origin("oci"))
    assert json.loads(json.dumps(found)) == found
    return found


def test_what_is_known_of_every_image(image: Image) -> None:
    assert facts(image) == {
        "origin": {"source": "oci"},
        "created": "2026-11-01T00:00:00Z",
        "size": len(CLEAN.data),
        "layers": [{"digest": CLEAN.digest, "diff_id": CLEAN.diff_id, "size": len(CLEAN.data)}],
    }


def test_every_joined_finding_is_told_with_all_opinions_and_why_scanners_disagree(image: Image) -> None:
    both = vulnerability(opinion(), opinion("low", "grype"))
    alone = vulnerability(opinion(published="2023-10-25"), id_="CVE-2023-1")
    told = facts(image, ScanRuns=scan_runs("grype", "trivy"), Vulnerabilities=Vulnerabilities((both, alone)))
    known = told["vulnerabilities"]
    assert (known["agreed"], known["alone"]) == (1, {"grype": 0, "trivy": 1})
    (first, second) = known["found"]
    assert [given["severity"] for given in first["opinions"]] == ["high", "low"]
    assert (first["not_found_by"], second["found_by"]) == ({}, ["trivy"])
    assert second["not_found_by"] == {"grype": "it did not see the package"}
    assert second["opinions"][0]["published"] == "2023-10-25"


def test_what_was_not_joined_is_not_told(image: Image) -> None:
    gone = Unavailable("grype is not installed")
    told = facts(image, ScanRuns=scan_runs("trivy", grype=gone), Vulnerabilities=gone)
    assert "vulnerabilities" not in told
    one = facts(
        image, ScanRuns=scan_runs("trivy"), Vulnerabilities=Vulnerabilities((vulnerability(opinion()),))
    )
    assert (one["vulnerabilities"]["agreed"], one["vulnerabilities"]["alone"]) == (1, {"trivy": 0})


def test_where_it_came_from(image: Image) -> None:
    name = Reference.parse("registry.example.com/shop/api:1.4")
    served = Origin("docker", name, "mirror.example.com", NOW)
    assert facts_of(Evidence({}), image, served)["origin"] == {
        "source": "docker",
        "name": "registry.example.com/shop/api:1.4",
        "served_by": "mirror.example.com",
        "modified": "2026-11-23T06:00:00+00:00",
    }
    held = EngineImage(image.digest, (Reference.parse(f"app@{image.digest}"),), "classic", "Docker", "28.0")
    assert facts_of(Evidence({}), image, Origin("docker-daemon", engine=held))["origin"] == {
        "source": "docker-daemon",
        "engine": {
            "name": "Docker",
            "version": "28.0",
            "store": "classic",
            "id": str(image.digest),
            "repo_digests": [f"docker.io/library/app@{image.digest}"],
        },
    }


def test_what_its_packages_say(image: Image) -> None:
    tree = filesystem({**debian.release_files(), **debian.status_file(debian.RELEASE_12_0)})
    found = facts(image, Inventory=inventory(tree))
    assert found["distribution"].startswith("Debian GNU/Linux 12")
    assert found["packages"] == len(debian.RELEASE_12_0)
    assert found["package_databases"] == [
        {"format": "dpkg-status", "path": "/var/lib/dpkg/status", "packages": len(debian.RELEASE_12_0)}
    ]


def test_an_image_without_a_distribution(image: Image) -> None:
    found = facts(image, Inventory=inventory(filesystem({"app": file()})))
    assert (found["distribution"], found["packages"], found["package_databases"]) == ("", 0, [])


def test_what_scanners_ran_and_on_which_data(image: Image) -> None:
    runs = ScanRuns(
        {"trivy": RUN, "grype": Unavailable("grype is not installed", hint="install it")}, {"trivy": ("p",)}
    )
    assert facts(image, ScanRuns=runs)["scanners"] == {
        "grype": {"unavailable": "grype is not installed"},
        "trivy": {
            "version": "0.76.0",
            "path": "/usr/bin/trivy",
            "sha256": "0" * 64,
            "approval": "",
            "database": {
                "schema": "2",
                "built": "2026-11-23T06:00:00+00:00",
                "digest": "sha256:1",
                "providers": ["debian", "nvd"],
            },
            "distribution": "debian 12",
            "end_of_life": False,
            "packages": 0,
            "problems": ["p"],
            "warnings": ["w"],
            "seconds": 1.235,
            "confinement": [],
            "reused": None,
        },
    }


def test_what_could_not_be_had_is_named(image: Image) -> None:
    found = facts(image, Secrets=Unavailable("b"), Inventory=Unavailable("a"), ScanRuns=ScanRuns({}))
    assert found["unavailable"] == {"Inventory": "a", "Secrets": "b"}
    assert "packages" not in found
    assert found["scanners"] == {}
    assert "unavailable" not in facts(image, Vulnerabilities=Vulnerabilities(()))
