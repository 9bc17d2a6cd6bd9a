from __future__ import annotations

from gate.oci.descriptor import OCI_CONFIG, OCI_MANIFEST, Descriptor, Digest, Platform
from gate.oci.image import Image, Opened
from gate.oci.manifest import Manifest
from tests.kit.trees import config

CONFIG = Digest("sha256", "c" * 64)
MANIFEST = Digest("sha256", "a" * 64)


def image(descriptor: Descriptor | None) -> Image:
    manifest = Manifest(OCI_MANIFEST, Descriptor(OCI_CONFIG, CONFIG, 1), (), {})
    return Image(descriptor, manifest, config(layers=0), (), Platform("linux", "amd64"), b"", b"")


def test_an_image_is_known_by_its_manifest() -> None:
    assert image(Descriptor(OCI_MANIFEST, MANIFEST, 1)).digest == MANIFEST


def test_one_without_a_manifest_is_known_by_its_configuration() -> None:
    assert image(None).digest == CONFIG


def test_nothing_is_shared_between_what_was_opened() -> None:
    first, second = Opened(MANIFEST, ()), Opened(MANIFEST, ())
    assert (first.left_out, first.failed) == ({}, {})
    assert first.left_out is not second.left_out
