from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from gate.errors import InvalidInput, Unavailable
from gate.evidence import Subject
from gate.oci.descriptor import Digest, Platform
from gate.oci.image import Origin
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
    return [finding.id for finding in check(subject, Origin("oci"), options(*registries))]


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
    (finding,) = check(subject, Origin("oci"), options("a.test", "b.test/x"))
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


def mirrored(name: str, served_by: str, registries: list[str], mirrors: list[str]) -> list[str]:
    """What is said of an image of the registry that `served_by` served."""
    given = {"registries": registries, "mirrors": mirrors}
    told = decode(Node.of(given, Mark("p", 1, 1)), AllowedRegistriesOptions, "it")
    digest, parsed = Digest("sha256", "a" * 64), Reference.parse(name)
    now = datetime(2026, 6, 1, tzinfo=UTC)
    subject = Subject("image", "docker", digest, digest, Platform("linux", "amd64"), (parsed,), now)
    return [finding.message for finding in check(subject, Origin("docker", parsed, served_by), told)]


PINNED = f"nginx:1@sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("name", "served_by", "registries", "mirrors"),
    [
        ("nginx:1", "docker.io", ["docker.io"], []),
        ("nginx:1", "registry-1.docker.io", ["docker.io"], []),
        ("registry.example.com:5000/a:1", "registry.example.com:5000", ["registry.example.com:5000/a"], []),
        ("nginx:1", "mirror.example.com", ["docker.io"], ["mirror.example.com"]),
        ("nginx:1", "mirror.example.com:5000", ["docker.io"], ["MIRROR.example.com:5000"]),
        ("nginx:1", "mirror", ["docker.io"], ["Mirror"]),
        ("nginx:1", "mirror.example.com", ["docker.io/library", "mirror.example.com"], []),
        ("nginx:1", "mirror.example.com", ["docker.io/library", "*.example.com"], []),
        (PINNED, "mirror.example.com", ["docker.io"], []),
        ("nginx:1", "", ["docker.io"], []),
    ],
)
def test_who_may_say_what_a_tag_names(
    name: str, served_by: str, registries: list[str], mirrors: list[str]
) -> None:
    assert mirrored(name, served_by, registries, mirrors) == []


@pytest.mark.parametrize(
    ("served_by", "registries", "mirrors"),
    [
        ("mirror.example.com", ["docker.io"], []),
        ("mirror.example.com", ["docker.io"], ["mirror.example.com:5000"]),
        ("mirror.example.com", ["docker.io", "mirror.example.com/cache"], []),
        ("mirror.example.com.evil.test", ["docker.io"], ["mirror.example.com"]),
        ("docker.io.evil.test", ["docker.io"], []),
    ],
)
def test_a_mirror_that_nobody_accepted_may_not(
    served_by: str, registries: list[str], mirrors: list[str]
) -> None:
    assert mirrored("nginx:1", served_by, registries, mirrors) == [
        f"what docker.io/library/nginx:1 names was said by the mirror {served_by}, which is not accepted to say so"
    ]


def test_a_mirror_does_not_make_a_name_accepted() -> None:
    found = mirrored("evil.test/x:1", "mirror.example.com", ["mirror.example.com"], [])
    assert found == ["evil.test/x:1 is not from an accepted registry; accepted: mirror.example.com"]


@pytest.mark.parametrize(
    "wrong", ["", "-mirror", "*.example.com", "mirror.example.com/cache", "https://x.test"]
)
def test_a_mirror_is_a_host(wrong: str) -> None:
    given = {"registries": ["docker.io"], "mirrors": [wrong]}
    with pytest.raises(InvalidInput, match=r"p:1:1: it\.mirrors\[0\]"):
        decode(Node.of(given, Mark("p", 1, 1)), AllowedRegistriesOptions, "it")
