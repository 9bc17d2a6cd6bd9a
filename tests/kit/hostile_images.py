"""Rows J and I of the hostile inputs: documents that are malformed or can be read in two ways.

One function per row yields its cases. "clean" stands for what a careless reader sees (a numeric user, no
shell), "dirty" for what a runtime would start (root, a setuid shell). Sources: differences seen between Go's
and Python's JSON readers, Trivy, Syft, Grype, skopeo, containerd and podman.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from samples.images.builder import (
    CONFIG,
    INDEX,
    MANIFEST,
    Blob,
    Image,
    Index,
    Platform,
    Settings,
    assemble,
    build_image,
    build_index,
    config_of,
    encode,
    manifest_of,
)
from samples.images.entries import file, program
from samples.images.layers import Layer, digest_of, layer_of
from samples.images.layout import Files, blob_files, oci_layout
from tests.kit.hostile import Expected, HostileImage

VIOLATION, UNKNOWN, INTEGRITY = Expected.VIOLATION, Expected.UNKNOWN, Expected.INTEGRITY
CREATED = datetime(2026, 11, 1, tzinfo=UTC)
CLEAN = layer_of(
    {"etc/motd": file("hello\n"), "etc/passwd": file("root:x:0:0::/:\ntoor:x:0:0::/:\napp:x:1000:1000::/:\n")}
)
DIRTY = layer_of({"bin/sh": program(b"#!/bin/false\n", 0o4755)})
SETTINGS = Settings(CREATED, user="1000")
CLEAN_IMAGE = build_image([CLEAN], SETTINGS)
DIRTY_IMAGE = build_image([CLEAN, DIRTY], replace(SETTINGS, user="root"))

Cases = Iterator[HostileImage]
Json = dict[str, Any]


def j1_duplicate_key() -> Cases:
    """The same key twice in one object: Python's JSON reader takes the last, silently."""
    config = CLEAN_IMAGE.config.data
    yield _config("J1", "user-twice", config.replace(b'"User":"1000"', b'"User":"1000","User":"root"'))
    yield _config("J1", "label-twice", config.replace(b'"User"', b'"Labels":{"team":"a","team":"b"},"User"'))
    manifest = CLEAN_IMAGE.manifest.data
    yield _manifest(
        "J1", "layers-twice", manifest.replace(b'"layers"', b'"layers":[],"layers"'), [CLEAN_IMAGE]
    )
    yield _index_json(
        "J1", "manifests-twice", lambda text: text.replace(b'"manifests"', b'"manifests":[],"manifests"')
    )


def j2_folded_config() -> Cases:
    """`config` and `Config`: Go merges them into one field, Python keeps two."""
    config = config_of([CLEAN], SETTINGS)
    yield _config("J2", "config-and-Config", encode({**config, "Config": {"User": "root"}}))
    inner = {**_object(config["config"]), "USER": "root"}
    yield _config("J2", "User-and-USER", encode({**config, "config": inner}))
    # U+017F, the long s, folds to "s": to Go's reader this key is `User`.
    yield _config(
        "J2", "long-s", encode({**config, "config": {**_object(config["config"]), "U\u017fer": "root"}})
    )


def j3_folded_layers() -> Cases:
    """`layers` (clean) and `Layers` (dirty): containerd unpacks the dirty ones."""
    manifest = {
        **manifest_of(CLEAN_IMAGE.config, [CLEAN]),
        "Layers": manifest_of(CLEAN_IMAGE.config, [DIRTY])["layers"],
    }
    yield _manifest("J3", "layers-and-Layers", encode(manifest), [CLEAN_IMAGE, DIRTY_IMAGE])


def j6_manifest_and_index() -> Cases:
    """An object that is a manifest and an index at once."""
    both = {**manifest_of(CLEAN_IMAGE.config, [CLEAN]), "manifests": [DIRTY_IMAGE.manifest.descriptor()]}
    yield _manifest("J6", "layers-and-manifests", encode(both), [CLEAN_IMAGE, DIRTY_IMAGE])


def j7_wrong_media_type() -> Cases:
    """The body names another media type than the descriptor, or is another kind of object."""
    lying = {**manifest_of(CLEAN_IMAGE.config, [CLEAN]), "mediaType": INDEX}
    yield _manifest("J7", "manifest-says-index", encode(lying), [CLEAN_IMAGE])
    index = build_index([CLEAN_IMAGE])
    silent = json.loads(index.manifest.data)
    del silent["mediaType"]
    yield _manifest("J7", "index-as-manifest", index.manifest.data, [CLEAN_IMAGE])
    yield _manifest("J7", "untyped-index-as-manifest", encode(silent), [CLEAN_IMAGE])


def j8_no_container_image() -> Cases:
    """Artifacts that are no container images, though they have the shape of one."""
    for name, media_type in {
        "helm": "application/vnd.cncf.helm.config.v1+json",
        "wasm": "application/vnd.wasm.config.v0+json",
        "empty": "application/vnd.oci.empty.v1+json",
    }.items():
        config = Blob(media_type, b"{}" if name == "empty" else CLEAN_IMAGE.config.data)
        yield _layout("J8", name, INTEGRITY, oci_layout({"": assemble(config, [CLEAN])}))


def j9_wrong_diff_ids() -> Cases:
    """Diff IDs that are too few, too many, swapped or wrong."""
    for name, layers in {
        "fewer": [CLEAN],
        "none": [],
        "more": [CLEAN, DIRTY, DIRTY],
        "swapped": [DIRTY, CLEAN],
        "wrong": [CLEAN, replace(DIRTY, diff_id=digest_of(b""))],
    }.items():
        config = Blob(CONFIG, encode(config_of(layers, SETTINGS)))
        yield _layout("J9", name, INTEGRITY, oci_layout({"": assemble(config, [CLEAN, DIRTY])}))
    rootless = config_of([CLEAN], SETTINGS)
    del rootless["rootfs"]
    yield _config("J9", "no-rootfs", encode(rootless))


def j11_other_bytes() -> Cases:
    """A blob whose bytes do not match its name: both scanners read it without a word."""
    for name, victim, bytes_ in (
        ("layer", CLEAN.data, DIRTY.data),
        ("config", CLEAN_IMAGE.config.data, DIRTY_IMAGE.config.data),
        ("manifest", CLEAN_IMAGE.manifest.data, DIRTY_IMAGE.manifest.data),
        ("cut-layer", CLEAN.data, CLEAN.data[:-1]),
        ("longer-layer", CLEAN.data, CLEAN.data + b"\0"),
    ):
        path = next(iter(blob_files(victim)))
        yield _layout("J11", name, INTEGRITY, {**oci_layout({"": CLEAN_IMAGE}), path: file(bytes_)})
    missing = oci_layout({"": CLEAN_IMAGE})
    del missing[next(iter(blob_files(CLEAN.data)))]
    yield _layout("J11", "missing-layer", INTEGRITY | UNKNOWN, missing)


def j12_wrong_size() -> Cases:
    """Sizes that are wrong or no sizes."""
    size = len(CLEAN.data)
    for name, wrong in {
        "larger": size + 1,
        "smaller": size - 1,
        "negative": -1,
        "text": str(size),
        "true": True,
        "float": size + 0.5,
    }.items():
        manifest: Json = manifest_of(CLEAN_IMAGE.config, [CLEAN])
        manifest["layers"][0]["size"] = wrong
        yield _manifest("J12", f"layer-{name}", encode(manifest), [CLEAN_IMAGE])
    config = {**CLEAN_IMAGE.config.descriptor(), "size": len(CLEAN_IMAGE.config.data) + 1}
    manifest = {**manifest_of(CLEAN_IMAGE.config, [CLEAN]), "config": config}
    yield _manifest("J12", "config-larger", encode(manifest), [CLEAN_IMAGE])
    length = len(CLEAN_IMAGE.manifest.data)
    yield _index_json(
        "J12",
        "manifest-larger",
        lambda text: text.replace(b'"size":%d' % length, b'"size":%d' % (length + 1)),
    )


def j13_odd_digests() -> Cases:
    """Digests that are paths, too short, in upper case, or of another algorithm."""
    digits = CLEAN.digest.removeprefix("sha256:")
    for name, digest in {
        "climbing": "sha256:../../../../etc/passwd",
        "upper-case": f"sha256:{digits.upper()}",
        "short": f"sha256:{digits[:63]}",
        "no-algorithm": digits,
        "md5": "md5:d41d8cd98f00b204e9800998ecf8427e",
        "line-end": f"{CLEAN.digest}\n",
    }.items():
        yield _manifest("J13", name, _with_layer_digest(digest), [CLEAN_IMAGE])
    sha512 = hashlib.sha512(CLEAN.data).hexdigest()
    image = _layout_of_manifest(_with_layer_digest(f"sha512:{sha512}"), [CLEAN_IMAGE])
    image[f"blobs/sha512/{sha512}"] = file(CLEAN.data)
    yield _layout("J13", "sha512", INTEGRITY | UNKNOWN | Expected.ACCEPT, image)


def j14_odd_json() -> Cases:
    """JSON that makes a reader recurse, hang, or accept what is no JSON."""
    config = CLEAN_IMAGE.config.data
    for name, value in {
        "deep": b"[" * 200_000 + b"]" * 200_000,
        "unclosed": b"[" * 200_000,
        "long-integer": b"9" * 5_000,
        "large-float": b"1e400",
        "nan": b"NaN",
        "infinity": b"-Infinity",
        "lone-surrogate": b'"\\ud800"',
        "control-character": b'"\x01"',
        "invalid-utf-8": b'"\xff"',
        "trailing-comma": b"[1,]",
    }.items():
        yield _config("J14", name, config[:-1] + b',"x":' + value + b"}")
    for name, text in {
        "byte-order-mark": b"\xef\xbb\xbf" + config,
        "utf-16": config.decode().encode("utf-16"),
        "trailing-object": config + b"{}",
        "empty": b"",
        "null": b"null",
        "list": b"[]",
    }.items():
        yield _config("J14", name, text)


def j15_large(labels: int = 1_000_000, padding: int = 64 << 20) -> Cases:
    """A configuration or manifest of many megabytes; the limit is 4 MiB."""
    settings = replace(SETTINGS, labels={f"label{number}": "x" for number in range(labels)})
    yield _layout("J15", f"{labels}-labels", INTEGRITY, oci_layout({"": build_image([CLEAN], settings)}))
    yield _config("J15", f"config-of-{padding}", CLEAN_IMAGE.config.data + b" " * padding)
    yield _manifest(
        "J15", f"manifest-of-{padding}", CLEAN_IMAGE.manifest.data + b" " * padding, [CLEAN_IMAGE]
    )


def j16_creation_times() -> Cases:
    """Creation times that are missing, impossible, or of no use: never "fresh"."""
    expected = VIOLATION | UNKNOWN | INTEGRITY
    for name, created in {
        "missing": None,
        "year-1": "0001-01-01T00:00:00Z",
        "epoch": "1970-01-01T00:00:00Z",
        "epoch-1980": "1980-01-01T00:00:01Z",
        "future": "2199-01-01T00:00:00Z",
        "year-10000": "10000-01-01T00:00:00Z",
        "leap-second": "2016-12-31T23:59:60Z",
        "large-offset": "2026-11-01T00:00:00+99:99",
        "no-zone": "2026-11-01T00:00:00",
        "day-only": "2026-11-01",
        "words": "yesterday",
        "empty": "",
        "number": 1_793_000_000,
        "null": None,
    }.items():
        config: Json = config_of([CLEAN], SETTINGS)
        config["created"] = created
        if name == "missing":
            del config["created"]
        image = assemble(Blob(CONFIG, encode(config)), [CLEAN])
        yield HostileImage("J16", name, expected, oci_layout({"": image}), rules=("max-age",))


def j18_users() -> Cases:
    """Users that are root in another spelling, and one that the image does not know."""
    for user in (
        "",
        "root",
        "0",
        "0:0",
        "00",
        "0000:1000",
        "+0",
        "-0",
        "toor",
        "root:app",
        "nobody-knows",
        " 0",
        "0 ",
        ":1000",
        "4294967296",
    ):
        image = build_image([CLEAN], replace(SETTINGS, user=user))
        yield HostileImage(
            "J18",
            f"user-{user or 'empty'}",
            VIOLATION | UNKNOWN,
            oci_layout({"": image}),
            rules=("non-root",),
        )


def j19_root_group() -> Cases:
    """A user that is not root in a group that is: a violation where the policy asks."""
    for user in ("1000:0", "1000:root", "app:00"):
        image = build_image([CLEAN], replace(SETTINGS, user=user))
        yield HostileImage(
            "J19",
            f"user-{user}",
            VIOLATION | UNKNOWN | Expected.ACCEPT,
            oci_layout({"": image}),
            rules=("non-root",),
        )


def j21_layer_urls() -> Cases:
    """A layer with `urls` that point into the machine or its network: no request may be made."""
    for name, url in {
        "metadata": "http://169.254.169.254/latest",
        "loopback": "http://127.0.0.1:1/layer",
    }.items():
        manifest: Json = manifest_of(CLEAN_IMAGE.config, [CLEAN])
        manifest["layers"][0]["urls"] = [url]
        yield _manifest(
            "J21", f"{name}-present", encode(manifest), [CLEAN_IMAGE], INTEGRITY | UNKNOWN | Expected.ACCEPT
        )
        files = _layout_of_manifest(encode(manifest), [CLEAN_IMAGE])
        del files[next(iter(blob_files(CLEAN.data)))]
        yield _layout("J21", f"{name}-absent", INTEGRITY | UNKNOWN, files)


def i1_dirty_platform() -> Cases:
    """An index with a clean amd64 and a dirty arm64 image: the default platform alone tells nothing."""
    arm64 = build_image([CLEAN, DIRTY], replace(SETTINGS, user="root", platform=Platform("linux", "arm64")))
    index = build_index([CLEAN_IMAGE, arm64])
    yield HostileImage(
        "I1", "arm64-dirty", VIOLATION, oci_layout({"": index}), rules=("no-shell", "non-root")
    )


def i3_platform_differs() -> Cases:
    """The index says arm64, the configuration amd64."""
    index = build_index([replace(CLEAN_IMAGE, platform=Platform("linux", "arm64"))])
    yield _layout("I3", "platform-differs", INTEGRITY, oci_layout({"": index}))


def i5_index_bombs(entries: int = 10_000, depth: int = 20) -> Cases:
    """Indexes in indexes, and an index of very many entries."""
    nested: Image | Index = CLEAN_IMAGE
    blobs = list(CLEAN_IMAGE.blobs())
    for _ in range(depth):
        data = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [nested.manifest.descriptor()]})
        nested = Index(Blob(INDEX, data), ())
        blobs.append(data)
    yield _layout("I5", f"{depth}-deep", INTEGRITY, {**oci_layout({"": nested}), **blob_files(*blobs)})
    descriptor = CLEAN_IMAGE.manifest.descriptor()
    wide = Blob(INDEX, encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor] * entries}))
    yield _layout("I5", f"{entries}-entries", INTEGRITY, oci_layout({"": Index(wide, (CLEAN_IMAGE,))}))
    empty = Blob(INDEX, encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}))
    yield _layout("I5", "no-entries", INTEGRITY | UNKNOWN, oci_layout({"": Index(empty, ())}))


ROWS: tuple[Callable[[], Cases], ...] = (
    j1_duplicate_key,
    j2_folded_config,
    j3_folded_layers,
    j6_manifest_and_index,
    j7_wrong_media_type,
    j8_no_container_image,
    j9_wrong_diff_ids,
    j11_other_bytes,
    j12_wrong_size,
    j13_odd_digests,
    j14_odd_json,
    j16_creation_times,
    j18_users,
    j19_root_group,
    j21_layer_urls,
    i1_dirty_platform,
    i3_platform_differs,
    i5_index_bombs,
)
"""Every row but J15, which is called with the size a test needs."""


def cases() -> list[HostileImage]:
    """Every case of these rows, in order."""
    return [case for row in ROWS for case in row()]


def _layout(row: str, name: str, expected: Expected, files: Mapping[str, Any]) -> HostileImage:
    return HostileImage(row, name, expected, files)


def _config(row: str, name: str, config: bytes) -> HostileImage:
    return _layout(row, name, INTEGRITY, oci_layout({"": assemble(Blob(CONFIG, config), [CLEAN])}))


def _manifest(
    row: str, name: str, manifest: bytes, images: Sequence[Image], expected: Expected = INTEGRITY
) -> HostileImage:
    return _layout(row, name, expected, _layout_of_manifest(manifest, images))


def _layout_of_manifest(manifest: bytes, images: Sequence[Image]) -> Files:
    """A layout whose only manifest is given as bytes, with the blobs of these images beside it."""
    blobs = [blob for image in images for blob in image.blobs()]
    return {**oci_layout({"": Image(Blob(MANIFEST, manifest), CLEAN_IMAGE.config, ())}), **blob_files(*blobs)}


def _index_json(row: str, name: str, change: Callable[[bytes], bytes]) -> HostileImage:
    files = oci_layout({"": CLEAN_IMAGE})
    files["index.json"] = file(change(files["index.json"].content))
    return _layout(row, name, INTEGRITY, files)


def _with_layer_digest(digest: str) -> bytes:
    manifest: Json = manifest_of(CLEAN_IMAGE.config, [CLEAN])
    manifest["layers"][0]["digest"] = digest
    return encode(manifest)


def _object(value: object) -> Json:
    assert isinstance(value, dict)
    return value


def large_layer_count(count: int) -> HostileImage:
    """A manifest that lists the same small layer very many times (promise 6: 500 layers)."""
    layers: Sequence[Layer] = [CLEAN] * count
    expected = Expected.ACCEPT if count <= 500 else INTEGRITY
    return _layout("C7", f"{count}-small-layers", expected, oci_layout({"": build_image(layers, SETTINGS)}))
