from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from gate.errors import Unavailable
from gate.registry import HostSettings, RegistrySettings
from gate.registry.tls import Profile, context_of, profile_of
from tests.kit.certificates import Authority
from tests.kit.hostile_images import CLEAN_IMAGE
from tests.kit.pulls import pull
from tests.kit.registry import Registry, serving_registry

IMAGES = {"shop/api:1.4": CLEAN_IMAGE}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def name_of(registry: Registry, host: str = "") -> str:
    return f"{host or registry.host}/shop/api:1.4"


def test_who_is_trusted_for_which_host() -> None:
    settings = RegistrySettings(ca_file="a", environment={"SSL_CERT_FILE": "b", "REQUESTS_CA_BUNDLE": "a"})
    own = HostSettings(ca_file="c", client_certificate="d", client_key="e")
    assert profile_of(settings, own) == Profile(("c", "a", "b"), "d", "e")
    assert profile_of(settings, HostSettings()) == Profile(("a", "b"))
    assert profile_of(RegistrySettings(), HostSettings()) == Profile(())


@pytest.mark.parametrize("where", ["caller", "host", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_an_authority_of_ones_own(where: str, authority: Authority) -> None:
    with serving_registry(IMAGES, tls=authority.server()) as registry:
        path = str(authority.ca_file)
        ways: dict[str, dict[str, Any]] = {
            "caller": {"ca_file": path},
            "host": {"hosts": {registry.host: HostSettings(ca_file=path)}},
        }
        settings = ways.get(where, {"environment": {where: path}})
        pulled = pull(name_of(registry), **settings)
        assert list(pulled.images) == [CLEAN_IMAGE.manifest.digest]


def test_a_certificate_of_nobody_we_know(authority: Authority) -> None:
    with serving_registry(IMAGES, tls=authority.server()) as registry:
        with pytest.raises(Unavailable, match=r"certificate of .* cannot be verified") as caught:
            pull(name_of(registry))
        assert "--ca-file" in caught.value.hint
        assert registry.calls == []


def test_a_certificate_for_another_name(authority: Authority) -> None:
    with serving_registry(IMAGES, tls=authority.server("registry.example.com")) as registry:
        with pytest.raises(Unavailable, match=r"cannot be verified: .*127\.0\.0\.1"):
            pull(name_of(registry), ca_file=str(authority.ca_file))
        assert registry.calls == []


def test_an_authority_of_another_host_is_not_trusted(authority: Authority) -> None:
    with serving_registry(IMAGES, tls=authority.server()) as registry:
        hosts = {"registry.example.com": HostSettings(ca_file=str(authority.ca_file))}
        with pytest.raises(Unavailable, match="cannot be verified"):
            pull(name_of(registry), hosts=hosts)


def test_a_client_certificate(authority: Authority) -> None:
    signed = authority.sign("client")
    with serving_registry(IMAGES, tls=authority.server(clients=True)) as registry:
        own = HostSettings(client_certificate=str(signed.certificate), client_key=str(signed.key))
        assert pull(name_of(registry), ca_file=str(authority.ca_file), hosts={registry.host: own}).images
        with pytest.raises(Unavailable):
            pull(name_of(registry), seconds=5, ca_file=str(authority.ca_file))


@pytest.mark.parametrize(
    "content",
    [None, "", "not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
)
def test_files_that_cannot_be_used(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Unavailable, match=r"certificates in .*ca\.pem' cannot be used"):
        context_of(Profile((str(path),)))
    with pytest.raises(Unavailable, match=r"client certificate .*ca\.pem' cannot be used"):
        context_of(Profile((), str(path), str(path)))


def test_a_system_without_any_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssl.SSLContext.load_default_certs", lambda *_: None)
    assert context_of(Profile(())).cert_store_stats()["x509_ca"] > 10


def test_tls_where_plain_http_is_allowed_but_not_spoken(authority: Authority) -> None:
    with serving_registry(IMAGES, tls=authority.server()) as registry:
        hosts = {registry.host: HostSettings(plain_http=True)}
        with pytest.raises(Unavailable):
            pull(name_of(registry), seconds=5, hosts=hosts)


def test_authorities_are_asked_for_the_same_by_every_python() -> None:
    """Python 3.13 refuses those without a key identifier unless it is told otherwise; engines do not."""
    assert not context_of(Profile(())).verify_flags & ssl.VERIFY_X509_STRICT
