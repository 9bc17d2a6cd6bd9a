from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from gate.errors import IntegrityError, MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci.descriptor import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Digest
from gate.oci.reference import Reference
from gate.registry import HostSettings, Login, NotFound
from samples.images.builder import MANIFEST, Blob, Image, Index, build_index
from samples.images.layers import digest_of
from tests.kit.hostile_images import CLEAN_IMAGE, DIRTY_IMAGE
from tests.kit.pulls import login_of, pull
from tests.kit.registry import KINDS, Fault, Registry, serving_registry
from tests.registry.conftest import Client

NAME = "shop/api"
IMAGES = {f"{NAME}:1.4": CLEAN_IMAGE}
DIGEST = Digest.parse(CLEAN_IMAGE.manifest.digest)


def named(registry: Registry, rest: str = ":1.4") -> Reference:
    return Reference.parse(f"{registry.host}/{NAME}{rest}")


# --- manifests ---------------------------------------------------------------------------------------------------


def test_a_manifest_by_tag_and_by_digest(client: Client) -> None:
    with serving_registry(IMAGES) as registry:
        for rest in (":1.4", f"@{DIGEST}", f":gone@{DIGEST}"):
            found = client().manifest(named(registry, rest))
            assert found.content == CLEAN_IMAGE.manifest.data
            assert found.descriptor.digest == DIGEST
            assert found.descriptor.media_type == OCI_MANIFEST
            assert found.descriptor.size == len(CLEAN_IMAGE.manifest.data)
            assert found.served_by == registry.host
            assert found.modified == datetime(2026, 11, 24, 10, tzinfo=UTC)


def test_without_a_tag_it_is_latest(client: Client) -> None:
    with serving_registry({f"{NAME}:latest": CLEAN_IMAGE}) as registry:
        assert client().tag_digest(named(registry, "")) == DIGEST


def test_every_kind_of_manifest_is_accepted(client: Client) -> None:
    with serving_registry(IMAGES) as registry:
        client().manifest(named(registry))
        (call,) = (call for call in registry.calls if call.call == "manifest")
    accepted = {each.strip() for each in call.headers["accept"].split(",")}
    assert accepted == {OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST}


@pytest.mark.parametrize(
    "value", ["", "yesterday", "Tue, 24 Nov 2026 10:00:00", "Tue, 99 Nov 2026 10:00:00 GMT"]
)
def test_when_it_was_changed_may_not_be_known(value: str, client: Client) -> None:
    with serving_registry(IMAGES, last_modified=value) as registry:
        assert client().manifest(named(registry)).modified is None


def test_a_forged_digest_header_is_not_believed(client: Client) -> None:
    """R1."""
    with serving_registry(IMAGES, forged_digest="sha256:" + "0" * 64) as registry:
        assert client().tag_digest(named(registry)) == DIGEST
        assert client().manifest(named(registry, f"@{DIGEST}")).descriptor.digest == DIGEST


def test_a_tag_is_looked_up_whatever_digest_stands_beside_it(client: Client) -> None:
    with serving_registry(IMAGES) as registry:
        assert client().tag_digest(named(registry, ":1.4@sha256:" + "0" * 64)) == DIGEST


def test_other_bytes_for_a_digest(client: Client) -> None:
    with serving_registry(IMAGES) as registry:
        held = registry.repositories[NAME]
        held.manifests[str(DIGEST)] = DIRTY_IMAGE.manifest
        with pytest.raises(IntegrityError, match="hashes to"):
            client().manifest(named(registry, f"@{DIGEST}"))
        assert registry.count("manifest") == 1  # what contradicts itself is not tried again


def test_a_digest_of_sha512(client: Client) -> None:
    import hashlib

    digest = f"sha512:{hashlib.sha512(CLEAN_IMAGE.manifest.data).hexdigest()}"
    with serving_registry(IMAGES) as registry:
        registry.repositories[NAME].manifests[digest] = CLEAN_IMAGE.manifest
        assert str(client().manifest(named(registry, f"@{digest}")).descriptor.digest) == digest


def test_a_manifest_larger_than_any_may_be(client: Client) -> None:
    with serving_registry(IMAGES) as registry:
        big = Blob(MANIFEST, b"{" + b" " * LIMITS.document + b"}")
        registry.put(NAME, big, [], tag="big")
        with pytest.raises(MalformedImage, match="more than"):
            client().manifest(named(registry, ":big"))


def test_what_is_not_there(client: Client) -> None:
    with serving_registry(IMAGES) as registry:
        for name in (named(registry, ":gone"), Reference.parse(f"{registry.host}/gone:1")):
            with pytest.raises(NotFound, match="404 Not Found") as caught:
                client().manifest(name)
            assert "MANIFEST_UNKNOWN 'as the test wants it'" in caught.value.message
            assert "without a login" in caught.value.hint


# --- tags --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [0, 1, 3, 100])
def test_tags(page: int, client: Client) -> None:
    with serving_registry(IMAGES, page=page) as registry:
        for number in range(10):
            registry.put(NAME, CLEAN_IMAGE.manifest, [], tag=f"v{number}")
        assert list(client().tags(named(registry, ""))) == ["1.4", *(f"v{number}" for number in range(10))]


def test_tags_are_asked_as_they_are_needed(client: Client) -> None:
    with serving_registry(IMAGES, page=2) as registry:
        for number in range(10):
            registry.put(NAME, CLEAN_IMAGE.manifest, [], tag=f"v{number}")
        found = client().tags(named(registry, ""))
        assert [next(found) for _ in range(3)] == ["1.4", "v0", "v1"]
        assert registry.count("tags") == 2


def test_more_tags_than_anybody_has(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from msgspec.structs import replace

    monkeypatch.setattr("gate.registry.client.LIMITS", replace(LIMITS, tags=5))
    with serving_registry(IMAGES, page=2) as registry:
        for number in range(10):
            registry.put(NAME, CLEAN_IMAGE.manifest, [], tag=f"v{number}")
        with pytest.raises(Unavailable, match="more than 5 tags"):
            list(client().tags(named(registry, "")))


# --- mirrors -----------------------------------------------------------------------------------------------------


def mirrored(registry: Registry, *mirrors: str, **more: Any) -> dict[str, Any]:
    """Return settings by which a registry has mirrors."""
    return {"hosts": {registry.host: HostSettings(mirrors=mirrors, **more)}}


def test_a_mirror_is_asked_first(client: Client) -> None:
    with serving_registry(IMAGES) as registry, serving_registry({f"hub/{NAME}:1.4": CLEAN_IMAGE}) as mirror:
        settings = mirrored(registry, f"{mirror.host}/hub")
        assert client(**settings).manifest(named(registry)).served_by == mirror.host
        assert list(pull(str(named(registry)), **settings).images) == [str(DIGEST)]
        assert registry.calls == []
        assert {call.target.split("/")[2] for call in mirror.calls if call.call != "ping"} == {"hub"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("slow", "slow-head", "wrong-type")])
@pytest.mark.parametrize("call", ["ping", "manifest", "config", "layer"])
def test_whatever_is_wrong_with_it_the_registry_is_asked(call: str, kind: str) -> None:
    with serving_registry(IMAGES) as registry, serving_registry(IMAGES, [Fault(call, kind)]) as mirror:
        name = f"{registry.host}/{NAME}:1.4@{DIGEST}"
        by_digest = call in ("config", "layer") and kind in (
            "bit-flip", "wrong-digest", "portal", "endless", "encoded",
        )  # fmt: skip
        settings = mirrored(registry, mirror.host)
        if by_digest:
            # What a mirror gives for a blob is only known to be wrong when all of it was read.
            with pytest.raises(IntegrityError):
                pull(name, **settings)
        else:
            assert list(pull(name, **settings).images) == [str(DIGEST)]
        assert mirror.hit(call)


def test_mirrors_in_their_order(client: Client) -> None:
    with (
        serving_registry({}) as empty,
        serving_registry(IMAGES) as full,
        serving_registry(IMAGES) as registry,
    ):
        settings = mirrored(registry, "127.0.0.1:1", empty.host, full.host)
        found = client(**settings).manifest(named(registry))
        assert found.served_by == full.host
        assert empty.count("manifest") == 1
        assert registry.calls == []


def test_where_all_fail_all_are_named(client: Client) -> None:
    with serving_registry(IMAGES, [Fault("manifest", "403")]) as mirror, serving_registry({}) as registry:
        with pytest.raises(Unavailable) as caught:
            client(**mirrored(registry, mirror.host)).manifest(named(registry))
        assert f"{mirror.host!r} answers 403" in str(caught.value)
        assert f"{registry.host!r} answers 404" in str(caught.value)


def test_where_none_has_it_it_is_not_found(client: Client) -> None:
    with (
        serving_registry({}) as mirror,
        serving_registry({}) as registry,
        pytest.raises(NotFound, match=registry.host),
    ):
        client(**mirrored(registry, mirror.host)).manifest(named(registry))


def test_content_that_contradicts_itself_at_a_mirror_is_not_excused_by_a_registry_that_is_away(
    client: Client,
) -> None:
    faults = [Fault("manifest", "wrong-digest")]
    with serving_registry(IMAGES, faults) as mirror, serving_registry({}) as registry:
        with pytest.raises(IntegrityError) as caught:
            client(**mirrored(registry, mirror.host)).manifest(named(registry, f"@{DIGEST}"))
        assert caught.value.blocks


def test_a_mirror_gets_credentials_of_its_own_alone(client: Client) -> None:
    with (
        serving_registry(IMAGES, auth="basic", username="mirror") as mirror,
        serving_registry(IMAGES, auth="basic", username="own") as registry,
    ):
        login = login_of(registry)
        everywhere = Login(login.username, login.password, (registry.host, mirror.host))
        settings = mirrored(registry, mirror.host)
        assert client(login=everywhere, **settings).manifest(named(registry)).served_by == registry.host
        assert mirror.credentials("registry") == set()
        auths = json.dumps({"auths": {mirror.host: {"username": "mirror", "password": "the-password"}}})
        found = client(environment={"DOCKER_AUTH_CONFIG": auths}, **settings).manifest(named(registry))
        assert found.served_by == mirror.host
        assert len(mirror.credentials("registry")) == 1


def test_a_transfer_goes_on_at_another_place(client: Client) -> None:
    """A mirror that fails in the middle of a layer."""
    layer = CLEAN_IMAGE.layers[0]
    from gate.oci.descriptor import Descriptor

    descriptor = Descriptor(layer.media_type, Digest.parse(layer.digest), len(layer.data))
    with (
        serving_registry(IMAGES, [Fault("layer", "cut-50", first=1), Fault("layer", "404")]) as mirror,
        serving_registry(IMAGES) as registry,
    ):
        name = named(registry)
        with client(**mirrored(registry, mirror.host)).blob(name, descriptor) as stream:
            assert stream.read() == layer.data
        (call,) = (call for call in registry.calls if call.call == "layer")
        assert call.headers["range"] == f"bytes={len(layer.data) // 2}-{len(layer.data) - 1}"


# --- the whole ---------------------------------------------------------------------------------------------------


def test_one_client_for_many_threads(client: Client) -> None:
    images: dict[str, Image | Index] = {f"{NAME}:1.4": build_index([CLEAN_IMAGE]), f"{NAME}:2": DIRTY_IMAGE}
    with serving_registry(images, auth="bearer", blobs_elsewhere=True) as registry:
        reader = client(login=login_of(registry))
        failed: list[BaseException] = []

        def read() -> None:
            try:
                for _ in range(5):
                    found = reader.manifest(named(registry, ":2"))
                    assert str(found.descriptor.digest) == DIRTY_IMAGE.manifest.digest
                    from gate.oci.manifest import Manifest

                    for descriptor in Manifest.from_bytes(found.content).layers:
                        with reader.blob(named(registry), descriptor) as stream:
                            assert digest_of(stream.read()) == str(descriptor.digest)
            except BaseException as error:  # noqa: BLE001 -- shown below
                failed.append(error)

        threads = [threading.Thread(target=read) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert registry.credentials("storage") == set()


def test_a_run_that_is_over_asks_nothing(client: Client) -> None:
    with serving_registry(IMAGES) as registry:
        with pytest.raises(Unavailable, match="time limit"):
            client(-1).manifest(named(registry))
        assert registry.calls == []


def test_importing_it_is_cheap() -> None:
    import subprocess
    import sys

    code = "import sys, gate.registry.client, gate.sources.registry; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"requests", "urllib3", "docker"} & set(done.stdout.split())
