from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from msgspec.structs import replace

from gate.deadline import Deadline
from gate.errors import MalformedImage, Unavailable
from gate.limits import LIMITS
from gate.oci.descriptor import OCI_INDEX, OCI_MANIFEST, Descriptor, Digest
from gate.oci.reference import Reference
from gate.registry import HostSettings, Login, RegistrySettings
from gate.registry.client import RegistryClient
from gate.registry.push import RegistryWriter
from samples.images.builder import CONFIG, MANIFEST, Blob, encode
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.registry import Fault, Registry, serving_registry

NAME = "shop/api"
IMAGES = {f"{NAME}:1.4": CLEAN_IMAGE}
SUBJECT = Digest.parse(CLEAN_IMAGE.manifest.digest)
TAG = f"sha256-{SUBJECT.encoded}"
KIND = "application/vnd.example.signature"

Writer = Callable[..., RegistryWriter]


@pytest.fixture
def writer() -> Iterator[Writer]:
    """Make a writer with these settings."""
    with ExitStack() as stack:

        def make(seconds: float = 30, **settings: Any) -> RegistryWriter:
            return stack.enter_context(RegistryWriter(RegistrySettings(**settings), Deadline(seconds)))

        yield make


def named(registry: Registry) -> Reference:
    return Reference.parse(f"{registry.host}/{NAME}:1.4")


def signature(number: int = 0) -> tuple[Blob, Descriptor]:
    """Return a manifest that refers to the image, and how lists show it."""
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": KIND,
        "config": Blob(CONFIG, b"{}").descriptor(),
        "layers": [],
        "subject": CLEAN_IMAGE.manifest.descriptor(),
        "annotations": {"number": str(number)},
    }
    blob = Blob(OCI_MANIFEST, encode(body))
    listed = Descriptor(OCI_MANIFEST, Digest.parse(blob.digest), len(blob.data), None, {}, KIND)
    return blob, listed


def listed_by(registry: Registry) -> list[str]:
    """What readers find that refers to the image."""
    client = RegistryClient(RegistrySettings(), Deadline(30))
    try:
        return [str(entry.digest) for entry in client.referrers(named(registry), SUBJECT)]
    finally:
        client.close()


def test_a_blob_is_there_after_it_was_written(writer: Writer) -> None:
    with serving_registry(IMAGES) as registry:
        written = writer().blob(named(registry), b"content")
        assert registry.repositories[NAME].blobs[str(written.digest)] == b"content"
        assert written.size == 7
        (begin, end) = (call for call in registry.calls if call.call == "write")
        assert (begin.method, end.method) == ("POST", "PUT")
        assert "state=kept&digest=sha256%3A" in end.target


@pytest.mark.parametrize("elsewhere", ["http://127.0.0.1:1/v2/x/blobs/1", "https://registry.example.com/x"])
def test_an_upload_goes_to_no_other_server(elsewhere: str, writer: Writer) -> None:
    with serving_registry(IMAGES, upload=elsewhere, auth="basic") as registry:
        mine = writer(login=Login("robot", "the-password", (registry.host,)))
        with pytest.raises(Unavailable, match="at another server"):
            mine.blob(named(registry), b"content")


@pytest.mark.parametrize("form", ["http://{host}{path}", "{path}", "{path}?state=kept&more=%2F"])
def test_an_upload_goes_where_the_registry_says_in_whatever_form(form: str, writer: Writer) -> None:
    with serving_registry(IMAGES) as registry:
        registry.behaviour.upload = form.format(host=registry.host, path=f"/v2/{NAME}/blobs/session")
        written = writer().blob(named(registry), b"content")
        assert str(written.digest) in registry.repositories[NAME].blobs


@pytest.mark.parametrize("place", ["", "ftp://x/", "http://me:secret@127.0.0.1/x", "/v2/x y"])
def test_an_upload_goes_nowhere_without_an_address(place: str, writer: Writer) -> None:
    with serving_registry(IMAGES) as registry:
        registry.behaviour.upload = place or " "
        with pytest.raises(Unavailable) as error:
            writer().blob(named(registry), b"content")
        assert "secret" not in str(error.value)
        assert [call.method for call in registry.calls if call.call == "write"] == ["POST"]


@pytest.mark.parametrize("says_subject", [True, False])
def test_where_there_is_a_list_of_referrers_no_tag_is_written(says_subject: bool, writer: Writer) -> None:
    with serving_registry(IMAGES, says_subject=says_subject) as registry:
        blob, listed = signature()
        writer().referrer(named(registry), SUBJECT, blob.data, listed)
        assert listed_by(registry) == [blob.digest]
        assert set(registry.repositories[NAME].tags) == {"1.4"}


def test_where_there_is_none_the_tag_keeps_what_others_noted(writer: Writer) -> None:
    with serving_registry(IMAGES, referrers=False) as registry:
        for number in range(3):
            blob, listed = signature(number)
            writer().referrer(named(registry), SUBJECT, blob.data, listed)
        assert listed_by(registry) == [signature(number)[0].digest for number in range(3)]
        held = registry.repositories[NAME]
        index = json.loads(held.manifests[held.tags[TAG]].data)
        assert [entry["artifactType"] for entry in index["manifests"]] == [KIND] * 3
        assert index["mediaType"] == OCI_INDEX


def test_an_entry_that_another_writer_overwrote_is_written_again(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one read the tag before us and writes it after us."""
    with serving_registry(IMAGES, referrers=False) as registry:
        blob, listed = signature(0)
        other = signature(1)[1]
        write = RegistryWriter.manifest
        lost: list[object] = []

        def overwritten(self: RegistryWriter, *arguments: Any) -> Any:
            answer = write(self, *arguments)
            if len(arguments) == 4 and not lost:
                entry = {"mediaType": OCI_MANIFEST, "digest": str(other.digest), "size": other.size}
                index = encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
                lost.append(write(self, arguments[0], index, OCI_INDEX, TAG))
            return answer

        monkeypatch.setattr(RegistryWriter, "manifest", overwritten)
        writer().referrer(named(registry), SUBJECT, blob.data, listed)
        assert set(listed_by(registry)) == {blob.digest, str(other.digest)}


def test_a_list_that_others_overwrite_all_the_time_is_given_up(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving_registry(IMAGES, referrers=False) as registry:
        blob, listed = signature()
        monkeypatch.setattr(RegistryWriter, "_tagged", lambda *_: [])
        with pytest.raises(Unavailable, match="changed by others all the time"):
            writer().referrer(named(registry), SUBJECT, blob.data, listed)
        assert registry.count("write") == 6  # the manifest, and five tries


def test_a_tag_that_holds_something_else_is_not_overwritten(writer: Writer) -> None:
    with serving_registry(IMAGES, referrers=False) as registry:
        other = Blob(MANIFEST, CLEAN_IMAGE.manifest.data + b" ")
        registry.put(NAME, other, (), tag=TAG)
        blob, listed = signature()
        with pytest.raises(MalformedImage):
            writer().referrer(named(registry), SUBJECT, blob.data, listed)
        assert registry.repositories[NAME].tags[TAG] == other.digest


def test_a_registry_that_leads_the_question_to_its_web_site_gets_the_tag(writer: Writer) -> None:
    """GitHub's does, and the site soon says that it was asked too often; it is asked once."""
    with serving_registry({}, [Fault("other", "429", retry_after="600")]) as site:
        redirect = {"referrers": f"http://{site.host}/-/packages"}
        with serving_registry(IMAGES, redirect=redirect, says_subject=False) as registry:
            blob, listed = signature()
            writer().referrer(named(registry), SUBJECT, blob.data, listed)
            assert TAG in registry.repositories[NAME].tags
        assert site.count("other") == 1


def test_a_registry_that_can_keep_no_list_says_where_else_to_write(writer: Writer) -> None:
    """One that takes the tag for the digest that it spells, and gives the image itself, whatever is written there."""
    with serving_registry(IMAGES, referrers=False, spells_digests=True) as registry:
        blob, listed = signature()
        with pytest.raises(Unavailable, match="no tag that could hold one") as caught:
            writer().referrer(named(registry), SUBJECT, blob.data, listed)
        assert "--output" in caught.value.hint
        assert registry.count("write") == 2


def test_a_tag_that_stood_for_the_image_itself_is_taken_where_it_can_be_written(writer: Writer) -> None:
    with serving_registry(IMAGES, referrers=False) as registry:
        registry.repositories[NAME].tags[TAG] = CLEAN_IMAGE.manifest.digest
        blob, listed = signature()
        writer().referrer(named(registry), SUBJECT, blob.data, listed)
        index = registry.repositories[NAME].manifests[registry.repositories[NAME].tags[TAG]]
        assert [entry["digest"] for entry in json.loads(index.data)["manifests"]] == [str(listed.digest)]


def test_a_full_list_is_not_made_longer_than_readers_read(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate.registry.push.LIMITS", replace(LIMITS, referrers=1))
    with serving_registry(IMAGES, referrers=False) as registry:
        mine = writer()
        blob, listed = signature(0)
        mine.referrer(named(registry), SUBJECT, blob.data, listed)
        blob, listed = signature(1)
        with pytest.raises(Unavailable, match="no more are read"):
            mine.referrer(named(registry), SUBJECT, blob.data, listed)


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_login_that_may_push(auth: str, writer: Writer) -> None:
    with serving_registry(IMAGES, auth=auth) as registry:
        mine = writer(login=Login("robot", "the-password", (registry.host,)))
        mine.blob(named(registry), b"content")
        mine.manifest(named(registry), CLEAN_IMAGE.manifest.data, OCI_MANIFEST)
        assert set(registry.tokens.values()) <= {f"repository:{NAME}:pull,push"}


def test_a_login_that_may_not(writer: Writer) -> None:
    with serving_registry(IMAGES, [Fault("write", "403")]) as registry, pytest.raises(Unavailable) as error:
        writer().blob(named(registry), b"content")
    assert "403" in error.value.message
    assert "allowed to push" in error.value.hint


@pytest.mark.parametrize("kind", ["503", "reset", "cut-1"])
def test_what_broke_once_is_written_again(kind: str, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_registry(IMAGES, [Fault("write", kind, first=1)]) as registry:
        written = writer().blob(named(registry), b"content")
        assert registry.repositories[NAME].blobs[str(written.digest)] == b"content"


def test_nothing_is_written_where_a_redirect_leads(writer: Writer) -> None:
    with serving_registry(IMAGES) as other, serving_registry(IMAGES) as registry:
        registry.behaviour.redirect = {"write": f"http://{other.host}/v2/{NAME}/blobs/uploads/"}
        with pytest.raises(Unavailable, match="307"):
            writer().blob(named(registry), b"content")
        assert other.calls == []


def test_nothing_is_written_to_a_mirror(writer: Writer) -> None:
    with serving_registry(IMAGES) as mirror, serving_registry(IMAGES) as registry:
        hosts = {registry.host: HostSettings(mirrors=(mirror.host,))}
        writer(hosts=hosts).blob(named(registry), b"content")
        assert registry.count("write") == 2
        assert mirror.calls == []
