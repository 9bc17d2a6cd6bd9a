from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import InvalidInput
from gate.policy.exceptions import PolicyException, path_matches
from gate.policy.policy import Policy
from gate.rule import Finding, Location
from tests.policy.conftest import CONFIG, MANIFEST, subject

TODAY = date(2026, 6, 1)
LAYER = "sha256:" + "c" * 64
OPENSSL = "pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12"
Load = Callable[[str], Policy]


def policy_text(selectors: str) -> str:
    return (
        "schema: 1\nrules: {no-shell: {}, pinned-tag: {}}\nexceptions:\n"
        f"  - {{rule: no-shell, until: 2026-12-31, reason: why, {selectors}}}\n"
    )


FINDING = Finding(
    "a finding",
    Location(layer=LAYER, layer_index=1, path="/app/lib/x.so", package=OPENSSL),
    id="CVE-2026-0001",
    details={
        "aliases": ["GHSA-aaaa-bbbb-cccc", "DSA-1"],
        "purls": ["pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12&upstream=openssl-src"],
    },
)
BARE = Finding("a finding without anything")
IMAGE = subject("registry.example.com/shop/api:1.4")


@pytest.mark.parametrize(
    "selectors",
    [
        "id: CVE-2026-0001",
        "id: GHSA-aaaa-bbbb-cccc",
        "package: openssl",
        "package: debian/openssl",
        "package: 'pkg:deb/debian/openssl'",
        "package: 'pkg:deb/debian/openssl@3.0.11-1'",
        "package: 'pkg:deb/debian/openssl?arch=amd64'",
        "package: 'pkg:deb/debian/openssl?upstream=openssl-src'",
        "package: openssl, versions: '>=3.0.11-1 <3.0.12'",
        "package: 'pkg:deb/debian/openssl', versions: '>=3.0.11-1~rc1, <= 3.0.11-1'",
        "path: /app/lib/x.so",
        "path: /app/**",
        "path: /**/x.so",
        "path: /app/*/?.so",
        f"layer: '{LAYER}'",
        "images: registry.example.com/shop/api",
        "images: registry.example.com/shop",
        "images: [docker.io/library/nginx, registry.example.com/shop/*]",
        f"images: '{MANIFEST}'",
        f"images: '{CONFIG}'",
        f"images: 'registry.example.com/shop/api@{MANIFEST}'",
        f"id: DSA-1, package: openssl, path: /app/**, layer: '{LAYER}', images: registry.example.com",
    ],
)
def test_all_stated_selectors_match(load: Load, selectors: str) -> None:
    policy = load(policy_text(selectors))
    found = policy.exception_for("no-shell", FINDING, IMAGE, TODAY)
    assert found is policy.exceptions[0]


@pytest.mark.parametrize(
    "selectors",
    [
        "id: cve-2026-0001",
        "id: CVE-2026-000",
        "package: OpenSSL",
        "package: openssl3",
        "package: 'pkg:deb/ubuntu/openssl'",
        "package: 'pkg:rpm/debian/openssl'",
        "package: 'pkg:deb/debian/openssl@3.0.11'",
        "package: 'pkg:deb/debian/openssl?arch=arm64'",
        "package: openssl, versions: '<3.0.11-1'",
        "package: openssl, versions: '>=3.0 <3.0.11'",
        "package: openssl, versions: '<!'",
        "path: /app/lib",
        "path: /app/*",
        "path: /app/lib/X.so",
        "path: /lib/x.so",
        f"layer: 'sha256:{'d' * 64}'",
        "images: registry.example.com/shop/ap",
        "images: registry.example.com/shop/api/*",
        "images: registry.example.com:443/shop",
        f"images: 'sha256:{'d' * 64}'",
        f"images: 'registry.example.com/shop/api@sha256:{'d' * 64}'",
        f"images: 'registry.example.com/other@{MANIFEST}'",
        "id: CVE-2026-0001, path: /elsewhere/**",
        "id: CVE-2026-0001, images: registry.example.com/other",
    ],
)
def test_one_selector_that_does_not_match_is_enough(load: Load, selectors: str) -> None:
    assert load(policy_text(selectors)).exception_for("no-shell", FINDING, IMAGE, TODAY) is None


@pytest.mark.parametrize(
    "selectors", ["id: x", "package: x", "package: 'pkg:deb/x'", "path: /x", f"layer: '{LAYER}'"]
)
def test_a_finding_that_does_not_say_is_not_covered(load: Load, selectors: str) -> None:
    assert load(policy_text(selectors)).exception_for("no-shell", BARE, IMAGE, TODAY) is None


def test_an_exception_is_for_its_rule_alone(load: Load) -> None:
    policy = load(policy_text("id: CVE-2026-0001"))
    assert policy.exception_for("pinned-tag", FINDING, IMAGE, TODAY) is None


def test_it_applies_to_the_last_day_and_not_longer(load: Load) -> None:
    policy = load(policy_text("id: CVE-2026-0001"))
    last = date(2026, 12, 31)
    assert policy.exception_for("no-shell", FINDING, IMAGE, last) is not None
    assert policy.exception_for("no-shell", FINDING, IMAGE, last + timedelta(days=1)) is None
    assert policy.expired(last) == ()
    assert policy.expired(last + timedelta(days=1)) == policy.exceptions


def test_what_was_not_needed_is_named(load: Load) -> None:
    policy = load(policy_text("id: CVE-2026-0001"))
    assert policy.unused([], TODAY) == policy.exceptions
    assert policy.unused(policy.exceptions, TODAY) == ()
    assert policy.unused([], date(2027, 1, 1)) == ()


def test_of_several_the_longest_lived_is_named(load: Load) -> None:
    text = policy_text("id: CVE-2026-0001") + (
        "  - {rule: no-shell, until: 2027-06-30, reason: later, package: openssl}\n"
        "  - {rule: no-shell, until: 2026-01-31, reason: over, package: openssl}\n"
    )
    found = load(text).exception_for("no-shell", FINDING, IMAGE, TODAY)
    assert found is not None
    assert found.reason == "later"


def test_an_image_without_name_is_in_no_pattern(load: Load) -> None:
    policy = load(policy_text("images: registry.example.com/shop"))
    assert policy.exception_for("no-shell", FINDING, subject(), TODAY) is None


def test_every_name_must_match_because_anyone_can_add_one(load: Load) -> None:
    policy = load(policy_text("images: registry.example.com/shop"))
    both = subject("registry.example.com/shop/api", "registry.example.com/shop/web")
    other = subject("registry.example.com/shop/api", "docker.io/library/nginx")
    assert policy.exception_for("no-shell", FINDING, both, TODAY)
    assert policy.exception_for("no-shell", FINDING, other, TODAY) is None


def test_broken_details_and_purls_are_not_covered(load: Load) -> None:
    odd = Finding("x", Location(package="not a purl"), id="", details={"aliases": "CVE-2026-0001"})
    for selectors in ("id: CVE-2026-0001", "package: openssl", "package: 'pkg:deb/debian/openssl'"):
        assert load(policy_text(selectors)).exception_for("no-shell", odd, IMAGE, TODAY) is None


@pytest.mark.parametrize(
    ("selectors", "words"),
    [
        ("owner: me", " would except everything that no-shell finds"),
        ("path: /**", " would except everything"),
        ("path: '/*/**/?'", " would except everything"),
        ("images: registry.example.com", " would except everything"),
        ("images: registry.example.com/**", " would except everything"),
        ("images: [registry.example.com/shop, '*.example.com']", " would except everything"),
        ("id: ''", ".id is an empty text"),
        ("id: , owner: me", ".id is empty"),
        ("id: '*'", ".id: '*' matches nothing"),
        ("id: 'CVE-1 '", ".id: 'CVE-1 ' matches nothing"),
        ("package: 'open*'", ".package: 'open*' matches nothing"),
        ("package: 'pkg:nothing'", ".package: 'pkg:nothing' is not a package URL"),
        ("package: x, versions: 1.2", ".versions: 1.2 where a text belongs"),
        ("package: x, versions: '1.2'", ".versions: '1.2' is no range of versions"),
        ("id: x, versions: '<1.2'", ".versions: there is no `package`"),
        ("package: 'pkg:deb/x@1', versions: '<1.2'", ".versions: `package` states a version"),
        ("path: app/**", ".path: 'app/**' matches nothing"),
        ("layer: abc", ".layer: digest 'abc' is not a digest"),
        ("layer: 'md5:abc'", ".layer: digest uses the algorithm 'md5'"),
        ("images: '*'", ".images: '*' is not an image name"),
        ("images: nginx", ".images: 'nginx' is not an image name"),
        ("images: []", ".images is an empty list"),
        ("images: [registry.example.com/a, 'b@c']", ".images: 'b' is not an image name"),
        ("images: 'sha256:abc'", ".images: digest 'sha256:abc' is not 64"),
        ("id: x, untill: 2027-01-01", " has no key 'untill'"),
    ],
)
def test_too_broad_or_never_matching_is_refused(load: Load, selectors: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(policy_text(selectors))
    assert f"exceptions[0]{words}" in caught.value.message
    assert caught.value.message.startswith("p.yaml:4:")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{rule: no-shell, id: x, until: 2026-12-31, reason: ' '}", ".reason: it is blank"),
        ("{rule: no-shell, id: x, reason: r}", "lacks the key 'until'"),
        ("{rule: no-shell, id: x, until: 2026-12-31}", "lacks the key 'reason'"),
        ("{rule: no-shell, id: x, until: 2026-12-31, reason: ''}", ".reason is an empty text"),
        ("{id: x, until: 2026-12-31, reason: r}", "lacks the key 'rule'"),
        ("{rule: no-shel, id: x, until: 2026-12-31, reason: r}", "there is no rule 'no-shel'"),
        ("{rule: '*', id: x, until: 2026-12-31, reason: r}", "there is no rule '*'"),
        ("{rule: no-shell, id: x, until: never, reason: r}", ".until is the text 'never'"),
        ("{rule: no-shell, id: x, until: 2026-12-31T00:00:00Z, reason: r}", ".until is the text"),
        ("{rule: no-shell, id: x, until: 2026, reason: r}", ".until is 2026"),
        ("no-shell", "exceptions[0] is the text 'no-shell'"),
    ],
)
def test_undated_unreasoned_and_unknown_are_refused(load: Load, entry: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(f"schema: 1\nrules: {{no-shell: {{}}}}\nexceptions:\n  - {entry}\n")
    assert words in caught.value.message


def test_the_summary_names_rule_and_selectors() -> None:
    exception = PolicyException(where="p:1:1", rule="no-shell", until=TODAY, reason="r", id="X", path="/a")
    assert exception.summary == "no-shell X path /a"


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/a/b", "/a/b", True),
        ("/a/b", "/a/b/c", False),
        ("/a/*", "/a/b", True),
        ("/a/*", "/a/b/c", False),
        ("/a/*", "/a", False),
        ("/a/**", "/a/b/c", True),
        ("/a/**", "/a", True),
        ("/a/**", "/ab", False),
        ("/**/c", "/c", True),
        ("/**/c", "/a/b/c", True),
        ("/**/b/**", "/a/b/c", True),
        ("/a/**/c", "/a/c", True),
        ("/a/?.js", "/a/i.js", True),
        ("/a/?.js", "/a/.js", False),
        ("/a/*.js", "/a/b/c.js", False),
        ("/app/[id].js", "/app/[id].js", True),
        ("/app/[id].js", "/app/i.js", False),
        ("/A", "/a", False),
        ("/a\nb", "/a\nb", True),
        ("/a", "/a\n", False),
    ],
)
def test_paths_match_by_segments(pattern: str, path: str, expected: bool) -> None:
    assert path_matches(pattern, path) is expected


@given(
    st.lists(st.sampled_from(["a", "b", "*", "?", "**"]), max_size=5),
    st.lists(st.sampled_from("abc"), max_size=6),
)
def test_path_matching_is_what_its_definition_says(pattern: list[str], path: list[str]) -> None:
    def defined(want: list[str], have: list[str]) -> bool:
        if not want:
            return not have
        if want[0] == "**":
            return any(defined(want[1:], have[skip:]) for skip in range(len(have) + 1))
        return bool(have) and want[0] in ("*", "?", have[0]) and defined(want[1:], have[1:])

    assert path_matches("/".join(["", *pattern]), "/".join(["", *path])) is defined(pattern, path)


def test_hostile_paths_take_no_time() -> None:
    start = time.process_time()
    assert not path_matches("/**" * 200 + "/x", "/a" * 255)
    assert not path_matches("/" + "*a" * 100 + "b", "/" + "a" * 4_000)
    assert time.process_time() - start < 2
