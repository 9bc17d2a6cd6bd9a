"""`image-gate base record`: bases as a file that policies read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gate.cli.base import _bases
from gate.oci.descriptor import Digest
from gate.oci.image import EngineImage, Origin
from gate.oci.reference import Reference
from gate.policy.bases import read_bases
from gate.sources import Location
from gate.sources.locate import locate
from gate.sources.open import open_source
from samples.images.builder import Settings, build_image
from samples.images.catalogue import good, multi_platform
from samples.images.layers import layer_of
from samples.images.layout import docker_archive, oci_layout, write_archive, write_directory
from tests.cli.conftest import Program

NOW = datetime(2026, 11, 1, tzinfo=UTC)
NAME = "registry.example.com/base/app:1"
GOOD, MANY = good(NOW), multi_platform(NOW)

POLICY = """\
schema: 1
rules: {base-image: {file: bases.json}, no-shell: {action: warn}}
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The layouts `named` and `many` (an index without a name), and an archive with two names."""
    write_directory(oci_layout({NAME: GOOD}), tmp_path / "named")
    write_directory(oci_layout({"1": MANY}), tmp_path / "many")
    write_archive(docker_archive({"base:1": GOOD}), tmp_path / "base.tar")
    return tmp_path


def recorded(text: str) -> list[Any]:
    found: list[Any] = json.loads(text)["bases"]
    return found


def test_a_base_is_recorded_under_its_name(images: Path, program: Program) -> None:
    done = program("base", "record", "./named")
    assert (done.returncode, done.stderr) == (0, "")
    (entry,) = recorded(done.stdout)
    assert entry == {
        "name": NAME,
        "digest": GOOD.manifest.digest,
        "manifest": GOOD.manifest.digest,
        "platform": "linux/amd64",
        "diff_ids": [layer.diff_id for layer in GOOD.layers],
        "recorded": entry["recorded"],
    }
    assert abs((datetime.now(UTC).date() - datetime.fromisoformat(entry["recorded"]).date()).days) <= 1


def test_every_platform_is_recorded_under_the_name_that_is_said(images: Path, inside: Program) -> None:
    entries = recorded(inside("base", "record", "./many", "--as", "x.test/many").stdout)
    assert [(entry["name"], entry["platform"]) for entry in entries] == [
        ("x.test/many:latest", "linux/amd64"),
        ("x.test/many:latest", "linux/arm64/v8"),
    ]
    assert {entry["digest"] for entry in entries} == {MANY.manifest.digest}
    assert [entry["manifest"] for entry in entries] == [image.manifest.digest for image in MANY.images[:2]]


def test_a_file_keeps_what_it_lists_on_demand(images: Path, inside: Program) -> None:
    done = inside("base", "record", "./named", "base.tar", "--output", "bases.json")
    assert (done.returncode, done.stdout) == (0, f"bases.json records {NAME}, docker.io/library/base:1\n")
    assert (
        inside("base", "record", "./many", "--as", "a.test/m:1", "--output", "bases.json", "--add").returncode
        == 0
    )
    bases = read_bases((images / "bases.json").read_bytes(), "bases.json")
    assert [str(base.name) for base in bases] == [
        "a.test/m:1",
        "a.test/m:1",
        "docker.io/library/base:1",
        NAME,
    ]
    assert inside("base", "record", "./named", "--output", "bases.json").returncode == 0
    assert len(recorded((images / "bases.json").read_text())) == 1
    assert inside("base", "record", "./named", "--output", "new.json", "--add").returncode == 0


def test_a_policy_recognises_what_was_recorded(images: Path, inside: Program) -> None:
    own = layer_of({})
    shell = build_image([*GOOD.layers, own], Settings(NOW))
    write_directory(oci_layout({"": shell}), images / "built")
    write_directory(oci_layout({"": build_image([own, *GOOD.layers], Settings(NOW))}), images / "turned")
    (images / "policy.yaml").write_text(POLICY)
    inside("base", "record", "./named", "--output", "bases.json")
    done = inside("check", "./built", "--policy", "policy.yaml")
    assert done.returncode == 0, done.stdout
    assert f"built on {NAME} ({GOOD.manifest.digest[:19]}, 2 layers)" in done.stdout
    done = inside("check", "./turned", "--policy", "policy.yaml", "--format", "json")
    assert done.returncode == 1
    (verdict,) = json.loads(done.stdout)["verdicts"]
    assert verdict["base"] is None
    assert "not at its bottom in their order" in verdict["results"][0]["findings"][0]["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["./many"], "./many carries no image name"),
        (["./named", "base.tar", "--as", "x.test/a:1"], "--as names one reference"),
        (["./named", "--add"], "--add needs the file"),
        (["./named", "--as", "NOT A NAME"], "is not an image name"),
        (["./nowhere"], "there is nothing at "),
        (["./named", "--output", "named/blobs/sha256/x/y", "--add"], "cannot be written"),
        (["./named", "--output", "garbage.json/x", "--add"], "garbage.json/x cannot be read"),
        (["./named", "--output", "no/such/folder.json"], "cannot be written"),
        (["./named", "--output", "garbage.json", "--add"], "garbage.json is not valid JSON"),
        (["./empty", "--as", "x.test/a:1"], "has no layers"),
        ([], "REF"),
    ],
)
def test_a_wrong_request_is_exit_2(arguments: list[str], message: str, images: Path, inside: Program) -> None:
    (images / "garbage.json").write_text("x")
    write_directory(oci_layout({"": build_image([], Settings(NOW))}), images / "empty")
    done = inside("base", "record", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert (images / "garbage.json").read_text() == "x"


def test_a_base_that_cannot_be_opened_whole_is_not_recorded(images: Path, inside: Program) -> None:
    broken = images / "many" / "blobs" / "sha256" / MANY.images[1].config.digest.removeprefix("sha256:")
    broken.write_bytes(broken.read_bytes()[:-1] + b"x")
    done = inside("base", "record", "./many", "--as", "x.test/a:1", "--output", "bases.json")
    assert (done.returncode, done.stdout) == (3, "")
    assert "linux/arm64/v8 of ./many cannot be recorded" in done.stderr
    assert not (images / "bases.json").exists()


def test_variables_of_check_do_not_reach_it(images: Path, inside: Program) -> None:
    """`IMAGE_GATE_OUTPUT` names reports."""
    variables = {"IMAGE_GATE_OUTPUT": "json=report.json", "IMAGE_GATE_AS": "x.test/other:1"}
    done = inside("base", "record", "./named", variables=variables)
    assert recorded(done.stdout)[0]["name"] == NAME
    assert not list(images.glob("*.json"))


ANY = Digest("sha256", "0" * 64)


def names_and_digests(layout: Path, origin: Origin | None) -> list[tuple[str, str]]:
    """What is recorded of an image that came from there."""
    with open_source(locate(str(layout)), None) as opened:
        told = replace(opened, origin=origin)
        found = list(_bases(Location("REF", "x", ""), told, opened.images[0], None))
    return [(str(base.name), str(base.digest)) for base in found]


def pulled(name: str, *repo_digests: str) -> Origin:
    digests = tuple(Reference.parse(text) for text in repo_digests)
    return Origin(
        "docker-daemon", Reference.parse(name), engine=EngineImage(ANY, digests, "classic", "Docker", "28")
    )


@pytest.mark.parametrize(
    ("origin", "name", "digest"),
    [
        (None, NAME, GOOD.manifest.digest),
        (
            Origin("docker", Reference.parse("debian")),
            "docker.io/library/debian:latest",
            GOOD.manifest.digest,
        ),
        (Origin("docker", Reference.parse(f"debian:12@{ANY}")), "docker.io/library/debian:12", str(ANY)),
        (pulled("debian:12", f"debian@{ANY}"), "docker.io/library/debian:12", str(ANY)),
        (pulled("debian:12", f"x.test/debian@{ANY}"), "docker.io/library/debian:12", GOOD.manifest.digest),
    ],
    ids=["a file", "a registry", "a digest", "pulled", "pulled under another name"],
)
def test_name_and_digest_are_those_that_a_registry_knows(
    origin: Origin | None, name: str, digest: str, images: Path
) -> None:
    assert names_and_digests(images / "named", origin) == [(name, digest)]
