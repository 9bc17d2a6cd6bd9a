"""Rows D1 to D6 of the hostile inputs: image archives with two readings, or that reach outside themselves.

One function per row yields its cases; "clean" and "dirty" are the images of `hostile_images`. Sources:
differences seen between Trivy, Grype, Syft, skopeo, containerd and podman.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from samples.images.builder import encode
from samples.images.entries import Entry, file, symbolic_link
from samples.images.layers import tar_of
from samples.images.layout import docker_archive, docker_archive_with_index
from tests.kit.hostile import Expected, HostileImage
from tests.kit.hostile_images import CLEAN_IMAGE, DIRTY, DIRTY_IMAGE

INTEGRITY = Expected.INTEGRITY
END_OF_ARCHIVE = 1024

Cases = Iterator[HostileImage]


def d1_two_manifests() -> Cases:
    """Two `manifest.json` in one archive, the last dirty: containerd takes the last, scanners the first."""
    clean, dirty = docker_archive({"app:1": CLEAN_IMAGE}), docker_archive({"app:1": DIRTY_IMAGE})
    for row, name, second in (
        ("D1", "two-manifests", "manifest.json"),
        ("D3", "dot-slash-manifest", "./manifest.json"),
    ):
        archive = tar_of({**dirty, **clean})[:-END_OF_ARCHIVE] + tar_of({second: dirty["manifest.json"]})
        yield HostileImage(row, name, INTEGRITY, archive=archive)
    layer = next(path for path in clean if path.endswith("layer.tar"))
    archive = tar_of(clean)[:-END_OF_ARCHIVE] + tar_of({layer: file(DIRTY.tar())})
    yield HostileImage("D1", "two-layers-of-one-name", INTEGRITY, archive=archive)


def d4_two_readings() -> Cases:
    """`manifest.json` (clean) and `index.json` (dirty) in one archive: the reading depends on the tool."""
    clean, dirty = (
        docker_archive_with_index({"app:1": CLEAN_IMAGE}),
        docker_archive_with_index({"app:1": DIRTY_IMAGE}),
    )
    yield _archive("D4", "index-dirty", {**dirty, **clean, "index.json": dirty["index.json"]})
    yield _archive("D4", "manifest-dirty", {**dirty, **clean, "manifest.json": dirty["manifest.json"]})
    two = docker_archive_with_index({"app:1": CLEAN_IMAGE, "app:2": DIRTY_IMAGE})
    yield _archive("D4", "index-has-more", {**two, "manifest.json": clean["manifest.json"]})


def d5_several_images() -> Cases:
    """Two images in one archive, none chosen; the message lists their names."""
    for name, files in {
        "legacy": docker_archive({"app:1": CLEAN_IMAGE, "app:2": DIRTY_IMAGE}),
        "with-index": docker_archive_with_index({"app:1": CLEAN_IMAGE, "app:2": DIRTY_IMAGE}),
    }.items():
        yield _archive("D5", name, files, INTEGRITY | Expected.REQUEST)


def d6_paths_outside() -> Cases:
    """Layers outside the archive: by a climbing path, an absolute one, or a link to a file of the host."""
    honest = docker_archive({"app:1": CLEAN_IMAGE})
    manifest = json.loads(honest["manifest.json"].content)
    layer = manifest[0]["Layers"][0]
    for name, path in {
        "climbing": "../../../../etc/passwd",
        "absolute": "/etc/passwd",
        "missing": "gone/layer.tar",
    }.items():
        manifest[0]["Layers"] = [path]
        yield _archive("D6", name, {**honest, "manifest.json": file(encode(manifest))})
    for name, target in {
        "link-to-host": "/etc/passwd",
        "climbing-link": "../../../../etc/passwd",
        "link-to-itself": "layer.tar",
    }.items():
        yield _archive("D6", name, {**honest, layer: symbolic_link(target)})


def cases() -> list[HostileImage]:
    """Every case of these rows, in order."""
    rows = (d1_two_manifests, d4_two_readings, d5_several_images, d6_paths_outside)
    return [case for row in rows for case in row()]


def _archive(row: str, name: str, files: Mapping[str, Entry], expected: Expected = INTEGRITY) -> HostileImage:
    return HostileImage(row, name, expected, files, as_archive=True)
