from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci.descriptor import (
    DOCKER_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Digest,
    Platform,
)
from gate.oci.manifest import HistoryEntry, ImageConfig, Index, Manifest, artifact_content

Json = dict[str, Any]

DIGITS = ["a" * 64, "b" * 64, "c" * 64]
DESCRIPTORS = [{"mediaType": OCI_LAYER, "digest": f"sha256:{digits}", "size": 1} for digits in DIGITS]
CONFIG = {**DESCRIPTORS[0], "mediaType": OCI_CONFIG}
MANIFEST: Json = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": CONFIG, "layers": DESCRIPTORS[1:]}
INDEX: Json = {
    "schemaVersion": 2,
    "mediaType": OCI_INDEX,
    "manifests": [{**DESCRIPTORS[0], "mediaType": OCI_MANIFEST}],
}
IMAGE_CONFIG: Json = {
    "architecture": "arm",
    "os": "linux",
    "variant": "v7",
    "created": "2026-11-01T00:00:00Z",
    "author": "someone",
    "config": {
        "User": "1000",
        "Env": ["PATH=/bin", "A=b"],
        "Entrypoint": ["/server"],
        "Cmd": ["--port", "80"],
        "WorkingDir": "/app",
        "ExposedPorts": {"80/tcp": {}, "443/tcp": {}},
        "Volumes": {"/data": {}},
        "Labels": {"Team": "a", "team": "b"},
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1},
    },
    "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digits}" for digits in DIGITS[1:]]},
    "history": [
        {"created": "2026-11-01T00:00:00Z", "created_by": "ADD", "author": "x", "comment": "y"},
        {"created_by": "ENV", "empty_layer": True},
        {"created_by": "COPY", "empty_layer": None},
    ],
}


def manifest(**changes: Any) -> bytes:
    return json.dumps({**MANIFEST, **changes}).encode()


def index(**changes: Any) -> bytes:
    return json.dumps({**INDEX, **changes}).encode()


def config(**changes: Any) -> bytes:
    return json.dumps({**IMAGE_CONFIG, **changes}).encode()


def runtime(**changes: Any) -> bytes:
    return config(config={**IMAGE_CONFIG["config"], **changes})


def without(document: Json, *names: str) -> bytes:
    return json.dumps({name: value for name, value in document.items() if name not in names}).encode()


def test_a_manifest_is_read() -> None:
    found = Manifest.from_bytes(manifest(annotations={"a": "b"}), OCI_MANIFEST)
    assert found.media_type == OCI_MANIFEST
    assert found.config.digest == Digest("sha256", DIGITS[0])
    assert [layer.digest.encoded for layer in found.layers] == DIGITS[1:]
    assert found.annotations == {"a": "b"}


def test_the_type_may_stand_in_the_body_the_descriptor_or_both() -> None:
    docker = manifest(mediaType=DOCKER_MANIFEST, config={**CONFIG, "mediaType": DOCKER_CONFIG})
    assert Manifest.from_bytes(without(MANIFEST, "mediaType"), OCI_MANIFEST).media_type == OCI_MANIFEST
    assert Manifest.from_bytes(manifest(mediaType=None), OCI_MANIFEST).media_type == OCI_MANIFEST
    assert Manifest.from_bytes(docker).media_type == DOCKER_MANIFEST
    assert Manifest.from_bytes(manifest(layers=None)).layers == ()
    with pytest.raises(MalformedImage):
        Manifest.from_bytes(without(MANIFEST, "mediaType"))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(manifest(Layers=[]), id="J3-layers-and-Layers"),
        pytest.param(manifest(Config={}), id="J3-config-and-Config"),
        pytest.param(manifest(Manifests=[]), id="J6-Manifests"),
        pytest.param(manifest(manifests=[]), id="J6-manifests"),
        pytest.param(manifest(manifests=None), id="J6-manifests-null"),
        pytest.param(manifest(fsLayers=[]), id="J6-schema-1"),
        pytest.param(manifest(fslayers=[]), id="J6-schema-1-folded"),
        pytest.param(manifest(mediaType=OCI_INDEX), id="J7-says-index"),
        pytest.param(manifest(mediaType=DOCKER_MANIFEST), id="J7-says-docker"),
        pytest.param(manifest(mediaType="application/json"), id="J7-says-json"),
        pytest.param(manifest(mediaType=[]), id="J7-no-text"),
        pytest.param(index(), id="J7-is-an-index"),
        pytest.param(manifest(schemaVersion=1), id="schema-1"),
        pytest.param(manifest(schemaVersion=2.0), id="schema-2.0"),
        pytest.param(manifest(schemaVersion="2"), id="schema-text"),
        pytest.param(manifest(schemaVersion=True), id="schema-true"),
        pytest.param(manifest(schemaVersion=["x" * 3_000_000]), id="schema-endless"),
        pytest.param(without(MANIFEST, "schemaVersion"), id="no-schema"),
        pytest.param(without(MANIFEST, "config"), id="no-config"),
        pytest.param(manifest(config=[]), id="config-list"),
        pytest.param(manifest(config={**CONFIG, "mediaType": ""}), id="J8-no-type"),
        pytest.param(
            manifest(config={**CONFIG, "mediaType": "application/vnd.oci.empty.v1+json"}), id="J8-empty"
        ),
        pytest.param(manifest(config={**CONFIG, "mediaType": OCI_CONFIG.upper()}), id="J8-upper-case"),
        pytest.param(manifest(layers={}), id="layers-object"),
        pytest.param(manifest(layers=[[]]), id="layers-lists"),
        pytest.param(manifest(layers=[CONFIG] * 501), id="C7-501-layers"),
        pytest.param(manifest(annotations=[]), id="annotations-list"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_manifest_with_two_readings_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedImage) as error:
        Manifest.from_bytes(body, OCI_MANIFEST)
    assert len(str(error.value)) < 500


def test_as_many_layers_as_the_limit() -> None:
    assert len(Manifest.from_bytes(manifest(layers=[CONFIG] * LIMITS.layers)).layers) == LIMITS.layers


def test_an_artifact_is_read_whatever_its_types() -> None:
    odd = [{**DESCRIPTORS[1], "mediaType": "application/x"}, {**DESCRIPTORS[2], "mediaType": "application/y"}]
    found, types = artifact_content(manifest(config={**CONFIG, "mediaType": "application/z"}, layers=odd))
    assert found.media_type == "application/z"
    assert types == {"application/x", "application/y"}


def test_an_index_is_read() -> None:
    found = Index.from_bytes(index(annotations={"a": "b"}), OCI_INDEX)
    assert (found.media_type, len(found.manifests), found.annotations) == (OCI_INDEX, 1, {"a": "b"})
    assert Index.from_bytes(index(mediaType=DOCKER_LIST), DOCKER_LIST).media_type == DOCKER_LIST
    assert Index.from_bytes(index(manifests=[])).manifests == ()


@pytest.mark.parametrize(
    "body",
    [
        index(layers=[]), index(Layers=[]), index(config={}), index(Config=None), index(Manifests=[]), index(mediaType=OCI_MANIFEST),
        index(mediaType=DOCKER_LIST), index(manifests={}), index(manifests=[1]), index(manifests=INDEX["manifests"] * 1_001),
        index(schemaVersion=1), without(INDEX, "schemaVersion"), manifest(), b"{}", b"[]", b"",
    ],
    ids=lambda body: body[:60].decode(),
)  # fmt: skip
def test_an_index_with_two_readings_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedImage):
        Index.from_bytes(body, OCI_INDEX)


def test_a_configuration_is_read_whole() -> None:
    found = ImageConfig.from_bytes(config())
    assert (found.platform, found.created, found.author) == (
        Platform("linux", "arm", "v7"),
        "2026-11-01T00:00:00Z",
        "someone",
    )
    assert (found.user, found.env, found.working_dir) == ("1000", ("PATH=/bin", "A=b"), "/app")
    assert (found.entrypoint, found.cmd) == (("/server",), ("--port", "80"))
    assert (found.exposed_ports, found.volumes) == (("443/tcp", "80/tcp"), ("/data",))
    assert found.labels == {"Team": "a", "team": "b"}
    assert found.healthcheck == {"Test": ["CMD", "true"], "Interval": 1}
    assert [digest.encoded for digest in found.diff_ids] == DIGITS[1:]
    assert found.history[0] == HistoryEntry("2026-11-01T00:00:00Z", "ADD", "y", "x", False)
    assert [step.empty_layer for step in found.history] == [False, True, False]
    assert found.raw == IMAGE_CONFIG


@pytest.mark.parametrize("value", [None, {}], ids=["null", "empty"])
def test_what_a_configuration_leaves_out_is_empty(value: Any) -> None:
    found = ImageConfig.from_bytes(json.dumps({"config": value, "rootfs": {"type": "layers"}}).encode())
    assert (found.platform, found.created, found.user, found.env) == (Platform("", ""), "", "", ())
    assert (found.entrypoint, found.cmd, found.exposed_ports, found.labels) == ((), (), (), {})
    assert (found.healthcheck, found.history, found.diff_ids) == (None, (), ())


def test_a_command_of_one_word_may_be_text() -> None:
    found = ImageConfig.from_bytes(runtime(Entrypoint="/server", Cmd="run"))
    assert (found.entrypoint, found.cmd) == (("/server",), ("run",))


def test_history_and_layers_are_matched_or_not_at_all() -> None:
    found = ImageConfig.from_bytes(config())
    steps = [found.layer_history(0), found.layer_history(1)]
    assert [step.created_by for step in steps if step] == ["ADD", "COPY"]
    assert ImageConfig.from_bytes(config(history=[{"created_by": "ADD"}])).layer_history(0) is None


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(config(Config={"User": "root"}), id="J2-config-and-Config"),
        pytest.param(runtime(user="root"), id="J2-User-and-user"),
        pytest.param(config(config={"User": "1000", "U\u017fer": "root"}), id="J2-long-s"),
        pytest.param(runtime(Healthcheck={"Test": ["NONE"], "test": ["CMD"]}), id="J2-Test-and-test"),
        pytest.param(config(rootfs={**IMAGE_CONFIG["rootfs"], "Diff_IDs": []}), id="J2-diff_ids"),
        pytest.param(config(RootFS={}), id="J2-rootfs"),
        pytest.param(config(history=[{"Created_By": "x"}]), id="J2-history"),
        pytest.param(config(OS="windows"), id="J2-os"),
        pytest.param(without(IMAGE_CONFIG, "rootfs"), id="J9-no-rootfs"),
        pytest.param(config(rootfs={"type": "layers", "diff_ids": "x"}), id="J9-text"),
        pytest.param(config(rootfs={"type": "layers", "diff_ids": [None]}), id="J9-null"),
        pytest.param(config(rootfs={"type": "layers+base", "diff_ids": []}), id="rootfs-type"),
        pytest.param(config(rootfs={"diff_ids": []}), id="rootfs-no-type"),
        pytest.param(config(rootfs={"type": {"x" * 2_000_000: 1}}), id="rootfs-endless-type"),
        pytest.param(config(rootfs={"type": "layers", "diff_ids": [f"sha256:{DIGITS[0]}"] * 501}), id="C7-501"),
        pytest.param(config(created=1_793_000_000), id="J16-number"),
        pytest.param(config(created=["2026-11-01T00:00:00Z"]), id="J16-list"),
        pytest.param(config(os=1), id="os-number"),
        pytest.param(config(config=[]), id="config-list"),
        pytest.param(config(config="x"), id="config-text"),
        pytest.param(runtime(User=0), id="J18-number"),
        pytest.param(runtime(User=["1000"]), id="J18-list"),
        pytest.param(runtime(Env={"A": "b"}), id="env-object"),
        pytest.param(runtime(Env=[1]), id="env-number"),
        pytest.param(runtime(Cmd=1), id="cmd-number"),
        pytest.param(runtime(Entrypoint=[["x"]]), id="entrypoint-lists"),
        pytest.param(runtime(ExposedPorts=["80"]), id="ports-list"),
        pytest.param(runtime(Volumes="/data"), id="volumes-text"),
        pytest.param(runtime(Labels=["a"]), id="labels-list"),
        pytest.param(runtime(Labels={"a": 1}), id="labels-number"),
        pytest.param(runtime(Healthcheck=[]), id="healthcheck-list"),
        pytest.param(config(history={}), id="history-object"),
        pytest.param(config(history=[None]), id="history-null"),
        pytest.param(config(history=[{"empty_layer": 1}]), id="empty-layer-number"),
        pytest.param(config(history=[{"created_by": []}]), id="created-by-list"),
        pytest.param(b"[]", id="list"),
    ],
)  # fmt: skip
def test_a_configuration_with_two_readings_is_malformed(document: bytes) -> None:
    with pytest.raises(MalformedImage, match=r"^the image configuration") as error:
        ImageConfig.from_bytes(document)
    assert len(str(error.value)) < 500


def test_a_diff_id_that_cannot_be_verified_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="diff ID 0 uses the algorithm 'md5'"):
        ImageConfig.from_bytes(config(rootfs={"type": "layers", "diff_ids": ["md5:" + "a" * 32]}))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("read", "document"),
    [(Manifest.from_bytes, MANIFEST), (Index.from_bytes, INDEX), (ImageConfig.from_bytes, IMAGE_CONFIG),
     (artifact_content, MANIFEST)],
)  # fmt: skip
@given(data=st.data())
def test_any_change_is_read_or_refused(
    read: Callable[[bytes], object], document: Json, data: st.DataObject
) -> None:
    """Whatever stands in whatever place: a value, or `Unavailable`."""
    changed = json.loads(json.dumps(document))
    place: Any = changed
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(VALUES)
            break
        place = place[key]
    data_read = json.dumps(changed).encode()
    try:
        read(data_read)
    except Unavailable:
        return
    assert read(data_read) == read(data_read)
