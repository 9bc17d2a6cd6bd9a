"""What a repository holds as signatures of a digest, in every layout, whatever lies beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gate.deadline import Deadline
from gate.errors import IntegrityError, MalformedImage, Unavailable
from gate.evidence import RefusedSignature
from gate.limits import LIMITS
from gate.oci.descriptor import Digest
from gate.oci.reference import Reference
from gate.registry import RegistrySettings
from gate.registry.client import RegistryClient
from gate.signatures.discovery import Artifact, Budget, Candidate, Exhausted, Item
from gate.signatures.discovery_registry import OldVerdicts, in_repository
from gate.signatures.verdict_statement import SUMMARY
from samples.images.builder import INDEX, MANIFEST, Blob, encode
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.registry import Fault, Registry, serving_registry
from tests.kit.stored_signatures import (
    ENVELOPE,
    SIMPLE_SIGNING,
    attach,
    bundle_manifest,
    fall_back,
    layered_manifest,
    tag,
)

NAME = "shop/api"
SUBJECT = CLEAN_IMAGE.manifest
DIGEST = Digest.parse(SUBJECT.digest)
OTHER = Blob(MANIFEST, b"another image")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.registry.retries.FIRST_PAUSE", 0.002)


@contextmanager
def serving(*faults: Fault, **behaviour: Any) -> Iterator[Registry]:
    with serving_registry({f"{NAME}:1.4": CLEAN_IMAGE}, faults, **behaviour) as registry:
        yield registry


def items(registry: Registry, old: OldVerdicts | None = None) -> list[Item]:
    client = RegistryClient(RegistrySettings(), Deadline(30))
    found: list[Item] = []
    try:
        name = Reference.parse(f"{registry.host}/{NAME}:1.4")
        for item in in_repository(client, name, DIGEST, Budget(), old):
            found.append(item)  # noqa: PERF402 -- what was found before the end counts
    except Exhausted as error:
        found.append(error)
    finally:
        client.close()
    return found


def contents(found: list[Item]) -> list[bytes]:
    return [item.content for item in found if isinstance(item, Candidate)]


def reasons(found: list[Item]) -> list[str]:
    return [item.reason for item in found if isinstance(item, RefusedSignature)]


def errors(found: list[Item]) -> list[Unavailable]:
    return [item for item in found if isinstance(item, Unavailable)]


# --- the four layouts ---


def test_nothing_is_found_where_nothing_is() -> None:
    with serving() as registry:
        assert items(registry) == []
    with serving(referrers=False) as registry:
        assert items(registry) == []


def test_layouts_a_and_b_are_tags() -> None:
    with serving() as registry:
        one, two = (b"payload", {"dev.cosignproject.cosign/signature": "MEUC"}), (b"payload", {"x": "other"})
        signatures = tag(registry, NAME, SUBJECT, ".sig", [one, two])
        tag(registry, NAME, SUBJECT, ".att", [(b"envelope", {})])
        first, second, third = items(registry)
        assert first == Candidate(
            b"payload",
            SIMPLE_SIGNING,
            {"dev.cosignproject.cosign/signature": "MEUC"},
            signatures.digest,
            f"{registry.host}/{NAME}, tag of {DIGEST.short} with .sig",
        )
        assert isinstance(second, Candidate)
        assert second.annotations == {"x": "other"}
        assert isinstance(third, Candidate)
        assert (third.content, third.media_type) == (b"envelope", ENVELOPE)


@pytest.mark.parametrize("page", [0, 2])
def test_layout_c_is_a_bundle_that_refers_to_the_image(page: int) -> None:
    with serving(page=page) as registry:
        manifest = attach(registry, NAME, SUBJECT, *(f"bundle {number}".encode() for number in range(5)))
        found = items(registry)
        assert contents(found) == [f"bundle {number}".encode() for number in range(5)]
        last = found[-1]
        assert isinstance(last, Candidate)
        assert last.is_bundle
        assert last.manifest == manifest.digest
        assert last.place == f"{registry.host}/{NAME}, attached to {DIGEST.short}"


def test_layout_d_is_an_older_signature_that_refers_to_the_image() -> None:
    with serving() as registry:
        manifest = layered_manifest(SIMPLE_SIGNING, [(b"payload", {"a": "b"})], SUBJECT)
        registry.put(NAME, manifest, [b"payload"])
        assert contents(items(registry)) == [b"payload"]


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
    ],
)
def test_bundles_have_several_media_types(media_type: str) -> None:
    with serving() as registry:
        registry.put(NAME, bundle_manifest(SUBJECT, b"bundle", media_type=media_type), [b"bundle"])
        assert contents(items(registry)) == [b"bundle"]


# --- the referrers API and the tag that stands in for it ---


@pytest.mark.parametrize("status", ["", "400", "404", "405"])
def test_without_the_api_the_tag_counts(status: str) -> None:
    faults = [Fault("referrers", status)] if status else []
    with serving(*faults, referrers=False) as registry:
        manifest = bundle_manifest(SUBJECT, b"bundle")
        registry.put(NAME, Blob(MANIFEST, b"{}"), [b"bundle"])
        fall_back(registry, NAME, SUBJECT, manifest)
        found = items(registry)
        assert contents(found) == [b"bundle"]
        assert errors(found) == []


def test_with_the_api_the_tag_counts_too_and_nothing_twice() -> None:
    """A signer from before the registry had the API wrote the tag."""
    with serving() as registry:
        old = bundle_manifest(SUBJECT, b"old")
        new = attach(registry, NAME, SUBJECT, b"new")
        registry.put(NAME, Blob(MANIFEST, b"{}"), [b"old"])
        fall_back(registry, NAME, SUBJECT, old, new)
        assert contents(items(registry)) == [b"new", b"old"]


def test_an_api_that_fails_hides_no_tag_and_is_told() -> None:
    with serving(Fault("referrers", "500")) as registry:
        registry.put(NAME, Blob(MANIFEST, b"{}"), [b"bundle"])
        fall_back(registry, NAME, SUBJECT, bundle_manifest(SUBJECT, b"bundle"))
        tag(registry, NAME, SUBJECT, ".sig", [(b"payload", {})])
        found = items(registry)
        assert contents(found) == [b"payload", b"bundle"]
        (error,) = errors(found)
        assert "500" in error.message


@pytest.mark.parametrize("status", ["401", "403", "500", "503"])
def test_no_answer_is_not_an_empty_one(status: str) -> None:
    with serving(*(Fault(call, status) for call in ("referrers", "manifest", "index"))) as registry:
        found = items(registry)
        assert contents(found) == []
        assert len(errors(found)) == 4


def test_a_fallback_tag_that_is_no_list_is_told() -> None:
    with serving() as registry:
        other = Blob(MANIFEST, SUBJECT.data + b" ")
        registry.put(NAME, other, [], tag=SUBJECT.digest.replace(":", "-"))
        (error,) = errors(items(registry))
        assert isinstance(error, MalformedImage)


@pytest.mark.parametrize("api", [True, False])
def test_a_registry_that_takes_the_fallback_tag_for_the_digest_has_no_list(api: bool) -> None:
    """As GitLab's does: the manifest itself is no list of what refers to it, and hides no older layout."""
    with serving(*(() if api else (Fault("referrers", "404"),))) as registry:
        registry.repositories[NAME].tags[SUBJECT.digest.replace(":", "-")] = SUBJECT.digest
        assert items(registry) == []
        tag(registry, NAME, SUBJECT, ".sig", [(b"old", {})])
        assert contents(items(registry)) == [b"old"]


# --- what does not count, and does not hurt ---


def good_beside(registry: Registry) -> list[Item]:
    """What is found where a good signature lies beside what the test put there."""
    attach(registry, NAME, SUBJECT, b"good")
    found = items(registry)
    assert b"good" in contents(found)
    return found


def test_a_listing_is_only_a_hint() -> None:
    """The manifest itself must refer to the image, and it need not be listed as what it is."""
    with serving() as registry:
        elsewhere = bundle_manifest(OTHER, b"of another image")
        mistyped = bundle_manifest(SUBJECT, b"mistyped")
        registry.put(NAME, elsewhere, [b"of another image"])
        registry.put(NAME, mistyped, [b"mistyped"])
        registry.repositories[NAME].referrers[SUBJECT.digest] = [
            elsewhere.descriptor(artifactType="application/vnd.dev.sigstore.bundle.v0.3+json"),
            mistyped.descriptor(artifactType="application/vnd.oci.empty.v1+json"),
        ]
        found = good_beside(registry)
        assert contents(found) == [b"good", b"mistyped"]
        assert reasons(found) == ["its manifest does not say that it refers to this image"]


def test_other_artifacts_are_passed_over() -> None:
    with serving() as registry:
        registry.put(NAME, bundle_manifest(SUBJECT, b"{}", media_type="application/spdx+json"), [b"{}"])
        found = good_beside(registry)
        assert len(found) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"not JSON",
        b'{"schemaVersion":2,"layers":[1]}',
        b'{"schemaVersion":2,"layers":{}}',
        b'{"schemaVersion":2,"subject":1}',
        b'{"schemaVersion":2,"layers":[],"layers":[]}',
        b"[]",
    ],
)
def test_a_malformed_manifest_is_refused(body: bytes) -> None:
    with serving() as registry:
        broken = Blob(MANIFEST, body)
        registry.put(NAME, broken, ())
        registry.repositories[NAME].referrers[SUBJECT.digest] = [broken.descriptor()]
        found = good_beside(registry)
        (refused,) = (item for item in found if isinstance(item, RefusedSignature))
        assert refused.manifest == broken.digest


@pytest.mark.parametrize("kind", ["bit-flip", "wrong-digest", "cut-50"])
def test_content_that_is_not_what_its_digest_says_is_told(kind: str) -> None:
    with serving(Fault("layer", kind, first=1)) as registry:
        attach(registry, NAME, SUBJECT, b"first bundle", b"second bundle")
        found = items(registry)
        if kind == "cut-50":  # the transfer goes on where it broke
            assert len(contents(found)) == 2
        else:
            assert contents(found) == [b"second bundle"]
            (error,) = errors(found)
            assert isinstance(error, IntegrityError)


def test_a_blob_that_is_not_there_is_told() -> None:
    with serving() as registry:
        registry.put(NAME, bundle_manifest(SUBJECT, b"gone"), ())
        found = good_beside(registry)
        assert len(errors(found)) == 1


def test_a_manifest_that_is_listed_and_gone_is_told() -> None:
    with serving() as registry:
        gone = attach(registry, NAME, SUBJECT, b"gone")
        del registry.repositories[NAME].manifests[gone.digest]
        found = good_beside(registry)
        assert len(errors(found)) == 1


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([SUBJECT.digest, SIMPLE_SIGNING]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["layers", "subject", "digest", "size", "mediaType"]), inner, max_size=4
        )
    ),
)


@given(JSON)
def test_any_manifest_is_read_or_refused(body: Any) -> None:
    with suppress(Unavailable):
        Artifact.from_bytes(encode(body))


# --- no number of signatures exhausts the gate ---


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = replace(LIMITS, signature_manifests=3, signatures=5, signature=100, signatures_total=200)
    monkeypatch.setattr("gate.signatures.discovery.LIMITS", limits)


@pytest.mark.usefixtures("small")
def test_too_many_manifests() -> None:
    with serving() as registry:
        attach(registry, NAME, SUBJECT, *(f"{number}".encode() for number in range(4)))
        found = items(registry)
        assert len(contents(found)) == 3
        assert "more than 3 manifests of signatures" in errors(found)[-1].message


@pytest.mark.usefixtures("small")
def test_what_says_that_it_is_a_bundle_comes_first() -> None:
    with serving() as registry:
        for number in range(5):
            other = bundle_manifest(SUBJECT, f"{number}".encode(), media_type="application/spdx+json")
            registry.put(NAME, other, [])
        assert contents(good_beside(registry)) == [b"good"]


@pytest.mark.usefixtures("small")
def test_some_registries_list_another_type_and_annotations_tell() -> None:
    """go-containerregistry lists the type of the configuration."""
    with serving() as registry:
        for number in range(5):
            other = bundle_manifest(SUBJECT, f"{number}".encode(), media_type="application/spdx+json")
            registry.put(NAME, other, [])
        attach(registry, NAME, SUBJECT, b"good")
        entry = registry.repositories[NAME].referrers[SUBJECT.digest][-1]
        entry |= {
            "artifactType": "application/vnd.oci.empty.v1+json",
            "annotations": {"dev.sigstore.bundle.content": "dsse-envelope"},
        }
        assert contents(items(registry)) == [b"good"]


@pytest.mark.usefixtures("small")
def test_too_many_layers() -> None:
    with serving() as registry:
        tag(registry, NAME, SUBJECT, ".sig", [(b"payload", {"number": str(number)}) for number in range(6)])
        found = items(registry)
        assert len(contents(found)) == 5
        assert "more than 5 signatures" in errors(found)[-1].message


@pytest.mark.usefixtures("small")
def test_too_many_bytes() -> None:
    with serving() as registry:
        attach(registry, NAME, SUBJECT, b"a" * 90, b"b" * 90, b"c" * 90)
        found = items(registry)
        assert len(contents(found)) == 2
        assert "more than 200 bytes" in errors(found)[-1].message


@pytest.mark.usefixtures("small")
def test_one_that_is_too_large_does_not_hide_the_others() -> None:
    with serving() as registry:
        attach(registry, NAME, SUBJECT, b"x" * 101)
        found = good_beside(registry)
        assert reasons(found) == ["it has 101 bytes; at most 100 are read"]


def test_a_listing_states_sizes_that_are_checked() -> None:
    with serving() as registry:
        manifest = json.loads(bundle_manifest(SUBJECT, b"bundle").data)
        manifest["layers"][0]["size"] = 5
        registry.put(NAME, Blob(MANIFEST, encode(manifest)), [b"bundle"])
        found = good_beside(registry)
        assert isinstance(errors(found)[0], IntegrityError)


# --- verdicts of every night ---

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def verdict(content: bytes, created: str = "2026-11-24T03:00:00Z", kind: str = SUMMARY) -> Blob:
    """A manifest as `attest` writes it."""
    body = json.loads(bundle_manifest(SUBJECT, content).data)
    told = {"dev.sigstore.bundle.predicateType": kind, "org.opencontainers.image.created": created}
    return Blob(MANIFEST, encode({**body, "annotations": told}))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("api", [True, False])
def test_verdicts_of_every_night_use_nothing_up(api: bool) -> None:
    with serving(*(() if api else (Fault("referrers", "404"),))) as registry:
        nights = [verdict(f"{night}".encode(), f"2026-11-{night:02}T03:00:00Z") for night in range(1, 26)]
        blobs = [f"{night}".encode() for night in range(1, 26)]
        if api:
            for night, blob in zip(nights, blobs, strict=True):
                registry.put(NAME, night, [blob])
            attach(registry, NAME, SUBJECT, b"good")
        else:
            good = bundle_manifest(SUBJECT, b"good")
            annotated = [*((one, json.loads(one.data)["annotations"]) for one in nights), (good, {})]
            entries = [one.descriptor(annotations=told) for one, told in annotated]
            index = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
            kept = [*(one.data for one in nights), good.data, *blobs, b"good"]
            registry.put(NAME, Blob(INDEX, index), kept, tag=SUBJECT.digest.replace(":", "-"))
            for one in (*nights, good):
                registry.put(NAME, one, [])
        assert contents(items(registry, OldVerdicts())) == [b"good"]
        found = items(registry, OldVerdicts(NOON - timedelta(hours=24)))
        assert contents(found) == [b"25", b"good"]
        assert "verdicts that were attached before 2026-11-24 12:00 UTC are too old; there are 24" in reasons(
            found
        )
        assert errors(items(registry)) != []


@pytest.mark.parametrize(
    "manifest",
    [
        verdict(b"it", "2026-11-25T03:00:00Z"),
        verdict(b"it", "2099-01-01T00:00:00Z"),
        verdict(b"it", "yesterday"),
        verdict(b"it", ""),
        verdict(b"it", kind="https://openvex.dev/ns"),
        bundle_manifest(SUBJECT, b"it"),
    ],
    ids=["young", "future", "no date", "empty", "another type", "no annotation"],
)
def test_what_does_not_say_that_it_is_an_old_verdict_is_looked_at(manifest: Blob) -> None:
    with serving() as registry:
        registry.put(NAME, manifest, [b"it"])
        assert contents(items(registry, OldVerdicts(NOON - timedelta(hours=24)))) == [b"it"]


def test_whoever_writes_the_tag_hides_nothing_that_the_api_lists() -> None:
    """A later failure would else be called old by an entry that anyone who may push can write."""
    with serving() as registry:
        young = verdict(b"failed", "2026-11-25T03:00:00Z")
        registry.put(NAME, young, [b"failed"])
        told = {
            "dev.sigstore.bundle.predicateType": SUMMARY,
            "org.opencontainers.image.created": "2026-01-01T00:00:00Z",
        }
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [young.descriptor(annotations=told)]}
        registry.put(NAME, Blob(INDEX, encode(index)), [], tag=SUBJECT.digest.replace(":", "-"))
        assert contents(items(registry, OldVerdicts(NOON - timedelta(hours=24)))) == [b"failed"]
