from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci.descriptor import Digest
from gate.oci.reference import Reference
from gate.registry import HostSettings
from samples.images.builder import CONFIG, INDEX, MANIFEST, Blob, encode
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.registry import Fault, Registry, serving_registry
from tests.registry.conftest import Client

NAME = "shop/api"
IMAGES = {f"{NAME}:1.4": CLEAN_IMAGE}
DIGEST = Digest.parse(CLEAN_IMAGE.manifest.digest)
SIGNATURE, SBOM = "application/vnd.example.signature", "application/vnd.example.sbom"


def named(registry: Registry) -> Reference:
    return Reference.parse(f"{registry.host}/{NAME}:1.4")


def referrer(kind: str, number: int = 0) -> Blob:
    """Return a manifest that refers to the image."""
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": Blob(CONFIG, b"{}").descriptor(),
        "layers": [],
        "subject": CLEAN_IMAGE.manifest.descriptor(),
        "annotations": {"number": str(number)},
    }
    return Blob(MANIFEST, encode(body))


def kinds(registry: Registry, client: Client, kind: str = "", **settings: Any) -> list[str]:
    return [entry.artifact_type for entry in client(**settings).referrers(named(registry), DIGEST, kind)]


@pytest.mark.parametrize("filters", [True, False])
def test_referrers(filters: bool, client: Client) -> None:
    with serving_registry(IMAGES, filters=filters) as registry:
        assert kinds(registry, client) == []
        for kind in (SIGNATURE, SBOM, SIGNATURE):
            registry.put(NAME, referrer(kind, registry.count("referrers")), [])
        assert kinds(registry, client) == [SIGNATURE, SBOM, SIGNATURE]
        assert kinds(registry, client, SBOM) == [SBOM]
        assert kinds(registry, client, "application/vnd.other+json") == []


@pytest.mark.parametrize("page", [1, 3, 4])
def test_referrers_in_pages(page: int, client: Client) -> None:
    with serving_registry(IMAGES, page=page) as registry:
        for number in range(10):
            registry.put(NAME, referrer(SIGNATURE, number), [])
        found = client().referrers(named(registry), DIGEST, SIGNATURE)
        assert [entry.annotations["number"] for entry in found] == [str(number) for number in range(10)]
        assert registry.count("referrers") == -(-10 // page)


def test_more_referrers_than_anybody_has(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.registry.referrers.LIMITS", replace(LIMITS, referrers=5))
    with serving_registry(IMAGES, page=2) as registry:
        for number in range(8):
            registry.put(NAME, referrer(SIGNATURE, number), [])
        with pytest.raises(Unavailable, match="more than 5"):
            kinds(registry, client)


def tagged(registry: Registry, *referrers: Blob) -> None:
    """Put an index under the tag that tools use where there is no API."""
    entries = [each.descriptor(artifactType=json.loads(each.data)["artifactType"]) for each in referrers]
    index = Blob(INDEX, encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}))
    registry.put(NAME, index, [each.data for each in referrers], tag=f"sha256-{DIGEST.encoded}")


@pytest.mark.parametrize("fault", [None, "404", "400", "405", "406", "portal", "wrong-type"])
def test_the_fallback_tag(fault: str | None, client: Client) -> None:
    faults = [Fault("referrers", fault)] if fault else []
    with serving_registry(IMAGES, faults, referrers=False) as registry:
        tagged(registry, referrer(SIGNATURE), referrer(SBOM))
        assert kinds(registry, client) == [SIGNATURE, SBOM]
        assert kinds(registry, client, SBOM) == [SBOM]


def test_no_api_and_no_tag_is_nothing(client: Client) -> None:
    with serving_registry(IMAGES, referrers=False) as registry:
        assert kinds(registry, client) == []


@pytest.mark.parametrize("fault", ["portal", "wrong-type"])
def test_an_odd_answer_and_no_tag_is_not_nothing(fault: str, client: Client) -> None:
    with (
        serving_registry(IMAGES, [Fault("referrers", fault)]) as registry,
        pytest.raises(Unavailable, match="gives no list of what refers"),
    ):
        kinds(registry, client)


def test_where_the_api_is_the_tag_is_not_looked_at(client: Client) -> None:
    with serving_registry(IMAGES) as registry:
        tagged(registry, referrer(SBOM))
        registry.repositories[NAME].referrers.clear()
        assert kinds(registry, client) == []


def test_a_fallback_tag_that_is_no_list(client: Client) -> None:
    with serving_registry(IMAGES, referrers=False) as registry:
        other = Blob(MANIFEST, CLEAN_IMAGE.manifest.data + b" ")
        registry.put(NAME, other, [], tag=f"sha256-{DIGEST.encoded}")
        with pytest.raises(MalformedImage):
            kinds(registry, client)


def test_a_registry_that_takes_the_tag_for_the_digest_that_it_spells(client: Client) -> None:
    """GitLab's gives the manifest itself, which is no list of what refers to it."""
    with serving_registry(IMAGES, referrers=False) as registry:
        registry.repositories[NAME].tags[f"sha256-{DIGEST.encoded}"] = str(DIGEST)
        assert kinds(registry, client) == []
    with serving_registry(IMAGES, [Fault("referrers", "portal")]) as registry:
        registry.repositories[NAME].tags[f"sha256-{DIGEST.encoded}"] = str(DIGEST)
        with pytest.raises(Unavailable, match="gives no list"):
            kinds(registry, client)


def test_a_problem_behind_a_redirect_is_tried_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some registries lead every question to a place near the reader, which may have a bad moment."""
    monkeypatch.setattr("gate.registry.retries.FIRST_PAUSE", 0.002)
    with serving_registry(IMAGES, [Fault("referrers", "503", first=1)]) as near:
        near.put(NAME, referrer(SIGNATURE), [])
        address = f"http://{near.host}/v2/{NAME}/referrers/{DIGEST}"
        with serving_registry(IMAGES, redirect={"referrers": address}) as registry:
            assert kinds(registry, client) == [SIGNATURE]
        assert near.count("referrers") == 2


@pytest.mark.parametrize("status", ["404", "429", "403", "portal"])
def test_a_redirect_to_a_web_site_is_no_list(status: str, client: Client) -> None:
    """GitHub's leads to a page of its site, which has few answers a minute: what the tag lists counts, whatever that says."""
    with (
        serving_registry({}, [Fault("other", status)]) as site,
        serving_registry(IMAGES, redirect={"referrers": f"http://{site.host}/-/packages"}) as registry,
    ):
        if status == "404":
            assert kinds(registry, client) == []
        else:
            with pytest.raises(Unavailable, match="gives no list"):
                kinds(registry, client)
        tagged(registry, referrer(SIGNATURE))
        assert kinds(registry, client) == [SIGNATURE]
        assert site.count("other") == 2  # and not asked again and again


@pytest.mark.parametrize("status", ["401", "403", "500"])
def test_no_answer_is_not_an_empty_one(status: str, client: Client) -> None:
    with (
        serving_registry(IMAGES, [Fault("referrers", status)]) as registry,
        pytest.raises(Unavailable, match=status),
    ):
        kinds(registry, client)


def test_that_there_are_none_only_the_registry_itself_can_say(client: Client) -> None:
    """Mirrors often carry images without what refers to them."""
    with serving_registry(IMAGES, referrers=False) as mirror, serving_registry(IMAGES) as registry:
        settings = {registry.host: HostSettings(mirrors=(mirror.host,))}
        assert kinds(registry, client, hosts=settings) == []
        registry.put(NAME, referrer(SIGNATURE), [])
        assert kinds(registry, client, hosts=settings) == [SIGNATURE]
        tagged(mirror, referrer(SBOM))
        assert kinds(registry, client, hosts=settings) == [SBOM]


def test_a_mirror_that_lists_nothing_is_no_answer_where_the_registry_gives_none(client: Client) -> None:
    with (
        serving_registry(IMAGES) as mirror,
        serving_registry(IMAGES, [Fault("referrers", "500")]) as registry,
        pytest.raises(Unavailable, match="500"),
    ):
        kinds(registry, client, hosts={registry.host: HostSettings(mirrors=(mirror.host,))})
