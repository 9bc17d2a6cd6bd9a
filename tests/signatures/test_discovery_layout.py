"""What lies beside an image in its layout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from gate.errors import IntegrityError
from gate.evidence import RefusedSignature
from gate.limits import LIMITS
from gate.oci.image import Opened
from gate.signatures.discovery import Budget, Candidate, Item
from gate.signatures.discovery_layout import in_layout
from gate.sources.locate import locate
from gate.sources.open import open_source
from samples.images.builder import MANIFEST, Blob, build_index, encode
from samples.images.entries import file
from samples.images.layout import blob_files, docker_archive, oci_layout, write_archive, write_directory
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.stored_signatures import ENVELOPE, SIMPLE_SIGNING, bundle_manifest, layered_manifest

SUBJECT = CLEAN_IMAGE.manifest
INDEX = build_index([CLEAN_IMAGE], attested=True)


@contextmanager
def opened_with(
    folder: Path, *entries: tuple[Blob, dict[str, str]], blobs: tuple[bytes, ...] = (), archive: bool = False
) -> Iterator[Opened]:
    """Open the image of a layout that lists further manifests, each with these annotations."""
    files = oci_layout({"1.4": CLEAN_IMAGE})
    index = json.loads(files["index.json"].content)
    index["manifests"] += [manifest.descriptor(annotations=annotations) for manifest, annotations in entries]
    files["index.json"] = file(encode(index))
    files |= blob_files(*blobs)
    place = write_archive(files, folder / "a.tar") if archive else write_directory(files, folder / "a")
    with open_source(locate(f"{'oci-archive' if archive else 'oci'}:{place}:1.4"), None) as opened:
        yield opened


def items(opened: Opened) -> list[Item]:
    return list(in_layout(opened, opened.images[0].digest, Budget()))


@pytest.mark.parametrize("archive", [False, True])
def test_a_bundle_that_refers_to_the_image(tmp_path: Path, archive: bool) -> None:
    manifest = bundle_manifest(SUBJECT, b"bundle")
    with opened_with(tmp_path, (manifest, {}), blobs=(manifest.data, b"bundle"), archive=archive) as opened:
        (found,) = items(opened)
        assert isinstance(found, Candidate)
        assert (found.content, found.manifest) == (b"bundle", manifest.digest)
        assert found.place.startswith("the layout, entry sha256:")


@pytest.mark.parametrize(
    ("media_type", "annotations"),
    [
        (SIMPLE_SIGNING, {"kind": "dev.cosignproject.cosign/sigs"}),
        (ENVELOPE, {"kind": "dev.cosignproject.cosign/atts"}),
        (
            SIMPLE_SIGNING,
            {"org.opencontainers.image.ref.name": f"{SUBJECT.digest.replace(':', '-')}.sig"},
        ),
    ],
)
def test_what_cosign_saves(tmp_path: Path, media_type: str, annotations: dict[str, str]) -> None:
    manifest = layered_manifest(media_type, [(b"payload", {"a": "b"})])
    with opened_with(tmp_path, (manifest, annotations), blobs=(manifest.data, b"payload")) as opened:
        assert [item.content for item in items(opened) if isinstance(item, Candidate)] == [b"payload"]


def test_what_belongs_to_another_image_is_passed_over(tmp_path: Path) -> None:
    elsewhere = bundle_manifest(Blob(MANIFEST, b"another"), b"bundle")
    older = layered_manifest(SIMPLE_SIGNING, [(b"payload", {})])
    named = {"org.opencontainers.image.ref.name": f"sha256-{'0' * 64}.sig"}
    blobs = (elsewhere.data, older.data, b"bundle", b"payload")
    with opened_with(tmp_path, (elsewhere, {}), (older, named), blobs=blobs) as opened:
        assert items(opened) == []


def test_other_images_in_a_layout_use_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.signatures.discovery.LIMITS", replace(LIMITS, signature_manifests=1))
    others = [
        layered_manifest("application/vnd.example", [(b"", {"number": str(number)})]) for number in range(3)
    ]
    good = bundle_manifest(SUBJECT, b"bundle")
    blobs = (*(other.data for other in others), good.data, b"bundle")
    with opened_with(tmp_path, *((one, {}) for one in (*others, good)), blobs=blobs) as opened:
        assert [item.content for item in items(opened) if isinstance(item, Candidate)] == [b"bundle"]


def test_buildkits_attestations_never_count(tmp_path: Path) -> None:
    """They lie in the index, nobody signed them, and their types are not those of signatures."""
    path = write_directory(oci_layout({"": INDEX}), tmp_path / "a")
    with open_source(locate(str(path)), None) as opened:
        assert list(in_layout(opened, opened.digest, Budget())) == []
        assert items(opened) == []


def test_broken_entries_are_told(tmp_path: Path) -> None:
    gone = bundle_manifest(SUBJECT, b"gone")
    wrong = bundle_manifest(SUBJECT, b"wrong")
    malformed = Blob(MANIFEST, b"{]")
    entries = [(one, dict[str, str]()) for one in (gone, wrong, malformed)]
    with opened_with(tmp_path, *entries, blobs=(wrong.data, malformed.data)) as opened:
        blob = tmp_path / "a" / "blobs" / "sha256"
        (blob / wrong.digest.removeprefix("sha256:")).write_bytes(b" " * len(wrong.data))
        absent, contradicted, refused = items(opened)
        assert "is not in the layout" in str(absent)
        assert isinstance(contradicted, IntegrityError)
        assert isinstance(refused, RefusedSignature)
        assert refused.manifest == malformed.digest


def test_an_older_archive_has_no_place_for_signatures(tmp_path: Path) -> None:
    path = write_archive(docker_archive({"shop/api:1.4": CLEAN_IMAGE}), tmp_path / "a.tar")
    with open_source(locate(f"docker-archive:{path}"), None) as opened:
        assert items(opened) == []
