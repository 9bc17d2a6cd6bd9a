from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.oci.reference import Pattern, Reference, parse_host

F64, F128 = "f" * 64, "f" * 128

# From reference_test.go and normalize_test.go of github.com/distribution/reference, the grammar that Docker uses. One
# difference is meant: hosts are compared in lower case.
NAMES = {
    "test_com": "docker.io/library/test_com",
    "test.com:tag": "docker.io/library/test.com:tag",
    "test.com:5000": "docker.io/library/test.com:5000",
    "test.com/repo:tag": "test.com/repo:tag",
    "test:5000/repo": "test:5000/repo",
    "test:5000/repo:tag": "test:5000/repo:tag",
    f"test:5000/repo@sha256:{F64}": f"test:5000/repo@sha256:{F64}",
    f"test:5000/repo:tag@sha256:{F64}": f"test:5000/repo:tag@sha256:{F64}",
    "lowercase:Uppercase": "docker.io/library/lowercase:Uppercase",
    "a/" * 127 + "a:tag-puts-this-over-max": f"docker.io/{'a/' * 127}a:tag-puts-this-over-max",
    "sub-dom1.foo.com/bar/baz/quux": "sub-dom1.foo.com/bar/baz/quux",
    "sub-dom1.foo.com/bar/baz/quux:some-long-tag": "sub-dom1.foo.com/bar/baz/quux:some-long-tag",
    "b.gcr.io/test.example.com/my-app:test.example.com": "b.gcr.io/test.example.com/my-app:test.example.com",
    "xn--n3h.com/myimage:xn--n3h.com": "xn--n3h.com/myimage:xn--n3h.com",
    f"xn--7o8h.com/myimage:a@sha512:{F128}": f"xn--7o8h.com/myimage:a@sha512:{F128}",
    "foo_bar.com:8080": "docker.io/library/foo_bar.com:8080",
    "foo/foo_bar.com:8080": "docker.io/foo/foo_bar.com:8080",
    "192.168.1.1": "docker.io/library/192.168.1.1",
    "192.168.1.1:tag": "docker.io/library/192.168.1.1:tag",
    "192.168.1.1:5000": "docker.io/library/192.168.1.1:5000",
    "192.168.1.1/repo": "192.168.1.1/repo",
    "192.168.1.1:5000/repo:5050": "192.168.1.1:5000/repo:5050",
    "[2001:db8::1]/repo": "[2001:db8::1]/repo",
    "[2001:db8:1:2:3:4:5:6]/repo:tag": "[2001:db8:1:2:3:4:5:6]/repo:tag",
    "[2001:db8::1]:5000/repo": "[2001:db8::1]:5000/repo",
    f"[2001:db8::1]:5000/repo:tag@sha256:{F64}": f"[2001:db8::1]:5000/repo:tag@sha256:{F64}",
    "[::1]:5000/repo": "[::1]:5000/repo",
    "[2001:DB8:0:0::1]:5000/repo": "[2001:db8::1]:5000/repo",
    "[0:0:0:0:0:0:0:1]/repo": "[::1]/repo",
    "docker/docker": "docker.io/docker/docker",
    "debian": "docker.io/library/debian",
    "docker.io/docker/docker": "docker.io/docker/docker",
    "docker.io/debian": "docker.io/library/debian",
    "index.docker.io/debian": "docker.io/library/debian",
    "index.docker.io/library/debian": "docker.io/library/debian",
    "127.0.0.1:5000/debian": "127.0.0.1:5000/debian",
    "127.0.0.1:5000/library/debian": "127.0.0.1:5000/library/debian",
    "thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev":
        "docker.io/library/thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev",
    f"docker.io/{'1a' * 32}": f"docker.io/library/{'1a' * 32}",
    "1a" * 31 + "1": f"docker.io/library/{'1a' * 31}1",
    "Docker/docker": "Docker/docker",
    "DOCKER/docker": "DOCKER/docker",
    "docker---rules/docker": "docker.io/docker---rules/docker",
    "dock__er/docker": "docker.io/dock__er/docker",
    "jess/t": "docker.io/jess/t",
    "docker.io/library/foo/bar": "docker.io/library/foo/bar",
    "localhost/x": "localhost/x",
    "localhost:5000/x:1": "localhost:5000/x:1",
    "localhost:5000": "docker.io/library/localhost:5000",
    "LOCALHOST/x": "localhost/x",
    "Registry.Example.COM/x": "registry.example.com/x",
    "TEST:5000/x": "test:5000/x",
    "test:05000/x": "test:5000/x",
    f"busybox:latest@sha256:{F64}": f"docker.io/library/busybox:latest@sha256:{F64}",
    f"a:{'t' * 128}": f"docker.io/library/a:{'t' * 128}",
}  # fmt: skip

NO_NAMES = [
    "", ":justtag", f"@sha256:{F64}", "repo@sha256:" + "f" * 34, f"validname@invaliddigest:{F128}", "Uppercase:tag",
    "test:5000/Uppercase/lowercase:tag", "a/" * 128 + "a:tag", "aa/asdf$$^/aa", "[2001:db8::1]", "[2001:db8::1]:5000",
    "[2001:db8::1]:tag", "[fe80::1%eth0]:5000/repo", "[fe80::1%@invalidzone]:5000/repo",
    "[2001:db8:3:4::192.0.2.33]:5000/debian", "fc00::1:5000/debian", "https://github.com/docker/docker", "docker/Docker",
    "-docker", "-docker/docker", "-docker.io/docker/docker", "docker///docker", "docker.io/docker/Docker",
    "docker.io/docker///docker", "1a" * 32, "docker-/docker", "-docker-/docker", "____/____", "_docker/_docker",
    "dock..er/docker", "dock_.er/docker", "dock-.er/docker", "docker/", "/docker", "/", "docker/docker:", "a:-foo",
    f"a:{'t' * 129}", "a@", f"a@sha256:{F64}@sha256:{F64}", f"a@sha256:{F64.upper()}", f"a@sha256:{F64}0", "a@md5:" + "f" * 32,
    "a b", "a\n", "\na", "a:b\n", "registry.example.com/x\r", "a\0", "a:b:c", "host:0/x", "host:65536/x", "host:-1/x",
    "host:1e1/x", "host:/x", ":5000/x", "a..b/x", ".a.b/x", "a.b./x", "-a.b/x", "a-.b/x", "a.b:5000:6000/x",
    "регистр.example/x", "registry․example/x", "a/\u0430", "a/\uff41", "user:password@registry.example.com/x", "good.example@evil/x",
    "[1:2]/x", "[:::]/x", "[1:2:3:4:5:6:7:8:9]/x", "[12345::]/x", "../x", "./x", "a/../b", "~/x", "%61/x", "a\\b", "a/b?c", "a#b",
]  # fmt: skip


@pytest.mark.parametrize(("name", "full"), NAMES.items(), ids=lambda text: text[:40])
def test_names_are_read_as_docker_reads_them(name: str, full: str) -> None:
    reference = Reference.parse(name)
    assert str(reference) == full
    assert Reference.parse(full) == reference
    assert reference.name == full.partition("@")[0].removesuffix(f":{reference.tag}")


@pytest.mark.parametrize("name", NO_NAMES, ids=lambda text: ascii(text[:40]))
def test_what_docker_refuses_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is not an image name"):
        Reference.parse(name)


def test_the_parts_of_a_name() -> None:
    reference = Reference.parse(f"registry.example.com:5000/shop/api:1.4@sha256:{F64}")
    assert (reference.registry, reference.repository) == ("registry.example.com:5000", "shop/api")
    assert (reference.tag, str(reference.digest)) == ("1.4", f"sha256:{F64}")
    assert reference.name == "registry.example.com:5000/shop/api"
    assert Reference.parse("alpine") == Reference("docker.io", "library/alpine", "", None)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Login", "login"), ("a.test:0443", "a.test:443"), ("index.docker.io", "index.docker.io"), ("[::0]:1", "[::]:1"),
        ("", ""), ("a b", ""), ("a/b", ""), ("a@b", ""), ("*.a.test", ""), ("a.test:0", ""), ("a.test\n", ""), ("[1]", ""), ("а.test", ""),
    ],
)  # fmt: skip
def test_hosts_of_other_servers(text: str, host: str) -> None:
    if host:
        assert parse_host(text) == host
        return
    with pytest.raises(InvalidInput):
        parse_host(text)


def test_the_tag_that_engines_imply() -> None:
    for name in ("alpine:3", f"alpine@sha256:{F64}", f"alpine:3@sha256:{F64}"):
        assert Reference.parse(name).with_implied_tag() == Reference.parse(name)
    assert Reference.parse("x.test/a").with_implied_tag() == Reference.parse("x.test/a:latest")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Foo/Bar:x", "did you mean 'foo/bar:x'?"),
        ("пример.example/x", "the host 'xn--e1afmkfd.example' is what it stands for"),
        ("ｘ.example:1/x", "the host 'x.example:1' is what it stands for"),
        ("a/\udc80", "a character without a name"),
        ("a..б/x", "U+0431 (CYRILLIC SMALL LETTER BE)"),
        ("user:pw@x.test/a", "a user name and a password do not belong in it"),
        ("x.test:0/a", "write it as registry/repository:tag@digest"),
    ],
)
def test_the_hint_says_what_was_meant(name: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as error:
        Reference.parse(name)
    assert hint in error.value.hint
    assert "pw" not in str(error.value)


HOSTS = st.from_regex(
    r"([a-zA-Z0-9]([a-zA-Z0-9-]{0,5}[a-zA-Z0-9])?\.){1,3}[a-z]{2,4}(:[1-9][0-9]{0,3})?", fullmatch=True
)
SEGMENTS = st.from_regex(re.compile(r"[a-z0-9]+((\.|_|__|-{1,3})[a-z0-9]+){0,2}", re.ASCII), fullmatch=True)
TAGS = st.from_regex(re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,20}", re.ASCII), fullmatch=True)
DIGESTS = st.from_regex(re.compile(r"sha256:[0-9a-f]{64}", re.ASCII), fullmatch=True)


@given(HOSTS, st.lists(SEGMENTS, min_size=1, max_size=5), st.none() | TAGS, st.none() | DIGESTS)
def test_every_name_of_the_grammar_is_read_back(
    host: str, segments: list[str], tag: str | None, digest: str | None
) -> None:
    text = "/".join((host, *segments)) + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    reference = Reference.parse(text)
    assert str(reference) == text.replace(host, host.lower(), 1)
    assert Pattern.parse(reference.name).matches(reference)
    assert Pattern.parse(reference.registry).matches(reference)


@given(st.text(max_size=60) | st.text(st.sampled_from("aA0.:/@-_[]*"), max_size=20))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidInput:
        return
    assert Reference.parse(str(reference)) == reference


@given(st.text(max_size=60) | st.text(st.sampled_from("aA0.:/@-_[]*"), max_size=20))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        pattern = Pattern.parse(text)
    except InvalidInput:
        return
    assert Pattern.parse(str(pattern)) == pattern


@pytest.mark.parametrize(
    "text",
    ["a" * 10**6, "a." * 500_000 + "/x", "a-" * 500_000 + "/x", "A" + "-" * 10**6 + "/x", "x:" + "a" * 10**6, "a/" * 500_000]
)  # fmt: skip
def test_endless_text_is_refused_soon_and_in_few_words(text: str) -> None:
    started = time.process_time()
    with pytest.raises(InvalidInput) as error:
        Reference.parse(text)
    assert time.process_time() - started < 2
    assert len(str(error.value)) < 1_000


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        (
            "registry.example.com",
            ["registry.example.com/x", "REGISTRY.example.com/a/b/c:1", f"registry.example.com/x@sha256:{F64}"],
            [
                "registry.example.com.evil.test/x", "registry.example.evil.tld/x", "evil.test/registry.example.com/x",
                "registry.example.com:443/x", "registry.example.com:5000/x", "xregistry.example.com/x",
                "x.registry.example.com/x", "registry-example.com/x", "registry.example.co/x", "x", "registry/example.com",
                "registry.example.com",
            ],
        ),
        (
            "registry.example.com/shop",
            ["registry.example.com/shop", "registry.example.com/shop/api", "registry.example.com/shop/a/b"],
            ["registry.example.com/shop2/api", "registry.example.com/sho/p", "registry.example.com/x/shop", "shop/api"],
        ),
        (
            "registry.example.com/*",
            ["registry.example.com/x"],
            ["registry.example.com/x/y"],
        ),
        (
            "registry.example.com/*/api",
            ["registry.example.com/shop/api"],
            ["registry.example.com/api", "registry.example.com/a/b/api", "registry.example.com/shop/api/x"],
        ),
        (
            "registry.example.com/shop/**",
            ["registry.example.com/shop/api", "registry.example.com/shop/a/b"],
            ["registry.example.com/shop", "registry.example.com/shops/a"],
        ),
        (
            "registry.example.com/*/**",
            ["registry.example.com/shop/api", "registry.example.com/shop/a/b"],
            ["registry.example.com/shop"],
        ),
        ("registry.example.com/**", ["registry.example.com/x", "registry.example.com/x/y"], ["other.example.com/x"]),
        (
            "*.example.com",
            ["a.example.com/x", "a.b.example.com/x/y"],
            ["example.com/x", "evilexample.com/x", "a.example.com:5000/x", "a.example.com.evil.test/x"],
        ),
        ("*.example.com:5000/x", ["a.example.com:5000/x"], ["a.example.com/x", "a.example.com:5001/x"]),
        ("docker.io", ["alpine", "shop/api", "index.docker.io/x/y", "registry-1.docker.io/x/y"], ["docker.io.evil.test/x"]),
        ("docker.io/library", ["alpine", "library/alpine"], ["shop/api", "libraryx/a"]),
        ("index.docker.io/library/alpine", ["alpine:3"], ["alpines"]),
        ("localhost:5000", ["localhost:5000/x"], ["localhost/x", "localhost:50000/x", "localhost"]),
        ("[::1]:5000", ["[::1]:5000/x"], ["[::1]/x", "[::2]:5000/x"]),
        ("[0::0001]", ["[::1]/x", "[0:0::1]/x"], ["[::1]:443/x", "[::10]/x"]),
        ("FOO", ["FOO/bar"], ["foo/bar", "Foo/bar"]),
    ],
)  # fmt: skip
def test_patterns_are_compared_by_segments(pattern: str, inside: list[str], outside: list[str]) -> None:
    """R10: no prefix passes for a registry."""
    found = Pattern.parse(pattern)
    assert [name for name in inside if not found.matches(Reference.parse(name))] == []
    assert [name for name in outside if found.matches(Reference.parse(name))] == []


@pytest.mark.parametrize(
    "pattern",
    [
        "", "*", "**", "shop", "shop/api", "*/api", "*.com", "*.", "*.localhost", "*example.com", "a.*.com", "*.*.com",
        "registry.example.com/", "registry.example.com//x", "registry.example.com/Shop", "registry.example.com/**/x",
        "registry.example.com/sh*p", "registry.example.com/***", "registry.example.com/x:1", "registry.example.com/x@sha256:a",
        "https://registry.example.com", "registry.example.com:0", "registry.example.com:x", "-a.test", "registry.example.com\n",
        "registry.example.com/x\n",
    ],
)  # fmt: skip
def test_a_pattern_that_could_never_match_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput):
        Pattern.parse(pattern)
