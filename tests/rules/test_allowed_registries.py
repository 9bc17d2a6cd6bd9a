from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from gate.errors import InvalidInput, Unavailable
from gate.evidence import Subject
from gate.oci.descriptor import Digest, Platform
from gate.oci.reference import Reference
from gate.options import Mark, Node, decode
from gate.rules.allowed_registries import AllowedRegistriesOptions, check


def options(*registries: object) -> AllowedRegistriesOptions:
    return decode(Node.of({"registries": list(registries)}, Mark("p", 1, 1)), AllowedRegistriesOptions, "it")


def run(names: list[str], *registries: str) -> list[str]:
    digest = Digest("sha256", "a" * 64)
    parsed = tuple(Reference.parse(name) for name in names)
    now = datetime(2026, 6, 1, tzinfo=UTC)
    subject = Subject("image", "registry", digest, digest, Platform("linux", "amd64"), parsed, now)
    return [finding.id for finding in check(subject, options(*registries))]


@pytest.mark.parametrize(
    ("name", "registry"),
    [
        ("registry.example.com/shop/api:1", "registry.example.com"),
        ("REGISTRY.example.com/shop/api", "registry.example.com"),
        ("registry.example.com/shop/api", "Registry.Example.Com"),
        ("registry.example.com:5000/api", "registry.example.com:5000"),
        ("registry.example.com/shop/api", "registry.example.com/shop"),
        ("registry.example.com/shop/api", "registry.example.com/shop/*"),
        ("registry.example.com/shop/api", "registry.example.com/shop/**"),
        ("eu.example.com/x", "*.example.com"),
        ("nginx", "docker.io"),
        ("nginx:1.27", "docker.io/library"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx"),
        ("bitnami/redis", "docker.io/bitnami"),
        ("localhost:5000/x", "localhost:5000"),
        ("[::1]:5000/x", "[::1]:5000"),
    ],
)
def test_an_accepted_registry_passes(name: str, registry: str) -> None:
    assert run([name], "other.test", registry) == []


@pytest.mark.parametrize(
    ("name", "registry"),
    [
        ("registry.example.com.evil.test/shop/api", "registry.example.com"),
        ("registry.example.evil.test/api", "registry.example.com"),
        ("registry.example.com:443/api", "registry.example.com"),
        ("registry.example.com:8443/api", "registry.example.com:443"),
        ("registry.example.comx/api", "registry.example.com"),
        ("evil.test/registry.example.com/api", "registry.example.com"),
        ("xregistry.example.com/api", "registry.example.com"),
        ("example.com/api", "*.example.com"),
        ("evilexample.com/api", "*.example.com"),
        ("registry.example.com/shop2/api", "registry.example.com/shop"),
        ("registry.example.com/shop", "registry.example.com/shop/*"),
        ("registry.example.com/sho/p", "registry.example.com/shop"),
        ("nginx", "registry.example.com"),
        ("library/nginx", "docker.io/bitnami"),
        ("docker.io.evil.test/library/nginx", "docker.io"),
        ("registry/api", "registry.example.com"),
        ("xn--rgistry-x2a.example.com/api", "registry.example.com"),
    ],
)
def test_near_misses_fail(name: str, registry: str) -> None:
    assert run([name], registry) == [Reference.parse(name).name]


def test_the_message_names_the_image_and_what_is_accepted() -> None:
    digest = Digest("sha256", "a" * 64)
    names = (Reference.parse("nginx:1"),)
    subject = Subject(
        "x", "oci", digest, digest, Platform("linux", "amd64"), names, datetime(2026, 6, 1, tzinfo=UTC)
    )
    (finding,) = check(subject, options("a.test", "b.test/x"))
    assert (
        finding.message
        == "docker.io/library/nginx:1 is not from an accepted registry; accepted: a.test, b.test/x"
    )
    assert finding.details == {"name": "docker.io/library/nginx:1", "registry": "docker.io"}


def test_every_name_must_be_accepted() -> None:
    names = ["registry.example.com/a:1", "evil.test/a:1", "registry.example.com/b:1"]
    assert run(names, "registry.example.com") == ["evil.test/a"]


def test_a_file_without_a_name_is_unknown() -> None:
    with pytest.raises(Unavailable) as caught:
        run([], "registry.example.com")
    assert "--as NAME" in caught.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "nginx",
        "*",
        "**",
        "registry.example.com/*/",
        "http://x.test",
        "x.test/a*",
        "x.test:99999",
        "x.test/**/a",
        5,
    ],
)
def test_patterns_that_can_never_match_are_refused(wrong: object) -> None:
    with pytest.raises(InvalidInput, match=r"p:1:1: it\.registries\[1\]"):
        options("a.test", wrong)


def test_no_pattern_at_all_is_refused() -> None:
    with pytest.raises(InvalidInput, match="an empty list"):
        options()
    assert msgspec.structs.fields(AllowedRegistriesOptions)[0].required
