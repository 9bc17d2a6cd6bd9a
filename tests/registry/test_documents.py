from __future__ import annotations

import json
from typing import Any

import pytest

from gate.errors import IntegrityError, MalformedImage, Unavailable
from gate.oci.descriptor import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Digest
from gate.registry.documents import described
from samples.images.layers import digest_of

SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def body(**fields: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, **fields}).encode()


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST])
@pytest.mark.parametrize("says", ["header", "body", "both"])
def test_either_may_say_what_it_is(media_type: str, says: str) -> None:
    content = body(mediaType=media_type) if says != "header" else body()
    found = described(content, media_type if says != "body" else "application/json", None, "it")
    assert found.media_type == media_type
    assert str(found.digest) == digest_of(content)
    assert found.size == len(content)


@pytest.mark.parametrize("stated", ["", "text/plain", "application/octet-stream", "binary/octet-stream"])
def test_a_header_that_says_nothing_contradicts_nothing(stated: str) -> None:
    assert described(body(mediaType=OCI_INDEX), stated, None, "it").media_type == OCI_INDEX


@pytest.mark.parametrize(
    ("content", "stated"),
    [
        (body(mediaType=OCI_INDEX), OCI_MANIFEST),
        (body(mediaType=OCI_MANIFEST), OCI_INDEX),
        (body(mediaType=DOCKER_MANIFEST), OCI_MANIFEST),
        (body(mediaType="application/vnd.oci.empty.v1+json"), "application/json"),
        (body(), "application/json"),
        (body(), ""),
        (body(), "application/vnd.oci.empty.v1+json"),
        (body(mediaType=5), OCI_MANIFEST),
        (b'{"mediaType":"a","mediaType":"b"}', OCI_MANIFEST),
        (b'{"mediaType":"x","MediaType":"y"}', OCI_MANIFEST),
        (b"[]", OCI_MANIFEST),
        (b"", OCI_MANIFEST),
        (b"{", OCI_MANIFEST),
    ],
)
def test_header_and_body_that_say_two_things_are_malformed(content: bytes, stated: str) -> None:
    with pytest.raises(MalformedImage):
        described(content, stated, None, "it")


@pytest.mark.parametrize(
    ("content", "stated"),
    [
        (body(), SCHEMA_1),
        (body(mediaType=SCHEMA_1), "application/json"),
        (b'{"schemaVersion":1,"fsLayers":[]}', "application/json"),
    ],
)
def test_schema_1_is_refused_by_its_name(content: bytes, stated: str) -> None:
    with pytest.raises(Unavailable, match="schema 1") as caught:
        described(content, stated, None, "it")
    assert not caught.value.blocks


def test_a_web_page_is_said_to_be_one() -> None:
    with pytest.raises(Unavailable, match="web page") as caught:
        described(b"<html>", "text/html", Digest("sha256", "0" * 64), "it")
    assert not caught.value.blocks


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_the_digest_that_was_asked_for_must_be_that_of_the_bytes(algorithm: str) -> None:
    import hashlib

    content = body(mediaType=OCI_MANIFEST)
    right = Digest(algorithm, hashlib.new(algorithm, content).hexdigest())
    assert described(content, OCI_MANIFEST, right, "it").digest == right
    with pytest.raises(IntegrityError, match="hashes to"):
        described(content + b" ", OCI_MANIFEST, right, "it")
