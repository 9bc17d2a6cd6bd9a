"""Real registries: what an engine pushed is read from them as it is in the engine, with logins, TLS and referrers."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest

from gate.deadline import Deadline
from gate.errors import Unavailable
from gate.oci.descriptor import OCI_MANIFEST, Platform
from gate.oci.reference import Reference
from gate.registry import HostSettings, Login, RegistrySettings
from gate.registry.push import RegistryWriter
from gate.sources import ENGINE, REGISTRY
from gate.sources.open import open_source
from samples.images import builder
from samples.images.builder import INDEX, Blob, Image, Index, build_image, build_index, encode
from samples.images.entries import file
from samples.images.layers import digest_of, layer_of
from samples.images.layout import oci_layout, write_directory
from tests.end_to_end.conftest import BUILT, Seen, access, place, seen
from tests.kit import servers
from tests.kit.certificates import Authority
from tests.kit.hostile_images import SETTINGS
from tests.kit.servers import Keys, docker_registry

pytestmark = pytest.mark.real

SMALL = build_image([layer_of({"etc/motd": file("hello\n")})], SETTINGS)
ARM64 = build_image(
    [layer_of({"etc/motd": file("arm\n")})], replace(SETTINGS, platform=builder.Platform("linux", "arm64"))
)
USER = servers.Login()


@pytest.fixture(params=["docker-registry", "referrers"])
def host(request: pytest.FixtureRequest) -> str:
    """`HOST:PORT` of each registry."""
    names = {"docker-registry": "docker_registry_host", "referrers": "referrers_registry_host"}
    return str(request.getfixturevalue(names[request.param]))


def copied(skopeo: Path, image: Image | Index, target: str, folder: Path, *options: str) -> None:
    """Put an image into a registry with skopeo."""
    layout = write_directory(oci_layout({"x": image}), folder / "layout")
    command: list[str | Path] = [
        skopeo,
        "copy",
        "-q",
        "--all",
        *options,
        f"oci:{layout}:x",
        f"docker://{target}",
    ]
    subprocess.run(command, check=True, capture_output=True)


def pushed(client: docker.DockerClient, host: str, local: str = BUILT) -> str:
    """Push an image from the engine, and return its name in the registry."""
    path, _, tag = local.partition("/")[2].rpartition(":")
    client.images.get(local).tag(f"{host}/{path}", tag)
    answers = client.images.push(f"{host}/{path}", tag, stream=True, decode=True)
    assert not [answer for answer in answers if "error" in answer]
    return f"{host}/{path}:{tag}"


def test_what_the_engine_pushed_is_what_the_registry_holds(
    host: str, in_engine: Seen, docker_client: docker.DockerClient, docker_engine_address: str
) -> None:
    """Evidence is the same, and the registry's digest is the one that the engine then tells."""
    name = pushed(docker_client, host)
    with access() as reach, open_source(place(name, REGISTRY), None, reach) as opened:
        found = seen(opened)
        by_digest = f"{name.rpartition(':')[0]}@{opened.digest}"
    assert found.evidence == in_engine.evidence
    assert found.entries == in_engine.entries
    assert found.configuration == in_engine.configuration
    assert found.names == (name,)
    assert found.origin is not None
    assert (found.origin.source, found.origin.served_by) == (REGISTRY, host)
    with access() as reach, open_source(place(by_digest, REGISTRY), None, reach) as opened:
        assert str(opened.digest) == found.digest
    with open_source(place(by_digest, ENGINE), None, access(docker_engine_address)) as opened:
        assert str(opened.digest) == in_engine.configuration
        assert opened.origin is not None
        assert opened.origin.engine is not None
        assert Reference.parse(by_digest) in opened.origin.engine.repo_digests


def test_a_plain_name_is_the_engines_and_then_its_registrys(
    docker_registry_host: str,
    docker_client: docker.DockerClient,
    docker_engine_address: str,
    skopeo_binary: Path,
    tmp_path: Path,
) -> None:
    name = f"{docker_registry_host}/shop/small:1"
    copied(skopeo_binary, SMALL, name, tmp_path, "--dest-tls-verify=false")

    def source(**settings: Any) -> str:
        reach = access(docker_engine_address, **settings)
        with reach, open_source(place(name, "name"), None, reach) as opened:
            assert str(opened.images[0].manifest.config.digest) == SMALL.config.digest
            assert opened.origin is not None
            return opened.origin.source

    assert source() == REGISTRY
    with pytest.raises(Unavailable, match="Docker has no image"):
        source(fallback=False)
    docker_client.images.pull(name)
    assert source() == source(fallback=False) == ENGINE
    assert source(prefer=REGISTRY) == REGISTRY
    docker_client.images.remove(name)
    assert source() == REGISTRY


def test_an_index_of_two_platforms(host: str, skopeo_binary: Path, tmp_path: Path) -> None:
    name = f"{host}/shop/two:1"
    index = build_index([SMALL, ARM64])
    copied(skopeo_binary, index, name, tmp_path, "--dest-tls-verify=false")
    with access() as reach:
        with open_source(place(name, REGISTRY), None, reach) as opened:
            assert str(opened.digest) == index.manifest.digest
            assert [str(image.platform) for image in opened.images] == ["linux/amd64", "linux/arm64"]
        with open_source(place(name, REGISTRY), Platform("linux", "arm64"), reach) as opened:
            assert [str(image.digest) for image in opened.images] == [ARM64.manifest.digest]


@pytest.mark.parametrize("answer", ["nothing", "name", "password", "another registry"])
def test_a_registry_that_wants_a_login(
    answer: str, closed_registry: str, skopeo_binary: Path, tmp_path: Path
) -> None:
    name = f"{closed_registry}/shop/small:1"
    copied(
        skopeo_binary,
        SMALL,
        name,
        tmp_path,
        "--dest-tls-verify=false",
        "--dest-creds",
        f"{USER.user}:{USER.password}",
    )
    here = (closed_registry,)
    logins = {
        "nothing": None,
        "name": Login("other", USER.password, here),
        "password": Login(USER.user, "wrong-secret", here),
        "another registry": Login(USER.user, USER.password, ("registry.example.com",)),
    }
    with (
        pytest.raises(Unavailable) as error,
        access(registries=RegistrySettings(login=logins[answer])) as reach,
        open_source(place(name, REGISTRY), None, reach),
    ):
        pass
    assert not error.value.blocks
    assert USER.password not in str(error.value)
    assert "wrong-secret" not in str(error.value)
    pair = base64.b64encode(f"{USER.user}:{USER.password}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {closed_registry: {"auth": pair}}}))
    for settings in (
        RegistrySettings(login=Login(USER.user, USER.password, here)),
        RegistrySettings(environment={"DOCKER_CONFIG": str(tmp_path)}),
    ):
        with access(registries=settings) as reach, open_source(place(name, REGISTRY), None, reach) as opened:
            assert str(opened.digest) == SMALL.manifest.digest


def test_writing_takes_a_login_as_well(closed_registry: str) -> None:
    name = Reference.parse(f"{closed_registry}/shop/written:1")
    for login in (None, Login(USER.user, "wrong-secret", (closed_registry,))):
        settings = RegistrySettings(login=login)
        with RegistryWriter(settings, Deadline(30)) as writer, pytest.raises(Unavailable, match="401"):
            writer.blob(name, b"{}")
    settings = RegistrySettings(login=Login(USER.user, USER.password, (closed_registry,)))
    with RegistryWriter(settings, Deadline(30)) as writer:
        for blob in SMALL.blobs():
            writer.blob(name, blob)
        writer.manifest(name, SMALL.manifest.data, OCI_MANIFEST, "1")
    with access(registries=settings) as reach, open_source(place(str(name), REGISTRY), None, reach) as opened:
        assert str(opened.digest) == SMALL.manifest.digest


@pytest.fixture(scope="module")
def closed_registry(debian_servers: Path) -> Iterator[str]:
    """`HOST:PORT` of a registry that wants a login."""
    with docker_registry(debian_servers, login=USER) as host:
        yield host


def test_a_registry_with_a_certificate_of_an_own_authority(
    debian_servers: Path, skopeo_binary: Path, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    signed = authority.sign("127.0.0.1")
    other = Authority(tmp_path, "other")
    with docker_registry(debian_servers, keys=Keys(signed.certificate, signed.key)) as host:
        name = f"{host}/shop/small:1"
        copied(skopeo_binary, SMALL, name, tmp_path, "--dest-tls-verify=false")
        for settings in (
            RegistrySettings(ca_file=str(authority.ca_file)),
            RegistrySettings(hosts={host: HostSettings(ca_file=str(authority.ca_file))}),
        ):
            with (
                access(registries=settings) as reach,
                open_source(place(name, REGISTRY), None, reach) as opened,
            ):
                assert str(opened.digest) == SMALL.manifest.digest
        for settings in (RegistrySettings(), RegistrySettings(ca_file=str(other.ca_file))):
            with (
                pytest.raises(Unavailable, match="certificate"),
                access(registries=settings) as reach,
                open_source(place(name, REGISTRY), None, reach),
            ):
                pass


def test_referrers_by_the_api_and_by_the_tag_in_its_place(
    host: str, referrers_registry_host: str, skopeo_binary: Path, tmp_path: Path
) -> None:
    """The older registry knows no referrers: what pushes to it keeps a list under a tag made from the digest."""
    name = Reference.parse(f"{host}/shop/signed:1")
    copied(skopeo_binary, SMALL, str(name), tmp_path, "--dest-tls-verify=false")
    repository = f"/v2/{name.repository}"
    empty = Blob("application/vnd.oci.empty.v1+json", b"{}")
    upload(host, repository, empty.data)
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.signature",
        "config": empty.descriptor(),
        "layers": [empty.descriptor()],
        "subject": SMALL.manifest.descriptor(),
    }
    signature = Blob(OCI_MANIFEST, encode(body))
    put(host, f"{repository}/manifests/{signature.digest}", signature)
    if host != referrers_registry_host:
        listed = signature.descriptor(artifactType="application/vnd.example.signature")
        fallback = Blob(INDEX, encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed]}))
        put(host, f"{repository}/manifests/{SMALL.manifest.digest.replace(':', '-')}", fallback)
    with access() as reach:
        digest = reach.registry.tag_digest(name)
        (found,) = reach.registry.referrers(name, digest)
        assert str(found.digest) == signature.digest
        assert reach.registry.referrers(name, found.digest) == ()


def upload(host: str, repository: str, data: bytes) -> None:
    """Put a blob into a repository, in one request after the one that begins it."""
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request("POST", f"{repository}/blobs/uploads/")
        answer = connection.getresponse()
        answer.read()
        where = answer.headers["Location"]
        where = where.partition(host)[2] if where.startswith("http") else where
        mark = "&" if "?" in where else "?"
        headers = {"Content-Type": "application/octet-stream"}
        connection.request("PUT", f"{where}{mark}digest={digest_of(data)}", data, headers)
        assert connection.getresponse().status == 201
    finally:
        connection.close()


def put(host: str, path: str, manifest: Blob) -> None:
    """Put a manifest."""
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request("PUT", path, manifest.data, {"Content-Type": manifest.media_type})
        answer = connection.getresponse()
        assert answer.status == 201, answer.read()
    finally:
        connection.close()
