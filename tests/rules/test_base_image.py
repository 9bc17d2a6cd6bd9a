from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import IntegrityError, InvalidInput, Unavailable
from gate.evidence import Bases
from gate.oci.reference import Reference
from gate.options import Mark, Node, decode
from gate.rule import Finding, Remark
from gate.rules.base_image import BaseImageOptions, check
from tests.kit.known_bases import base, claim, layers, names
from tests.kit.trees import messages, remarks

DEBIAN = base("debian:12", "ab")
JAVA = base("registry.example.com/base/java:21", "abc", "2")
ALPINE = base("alpine:3.20", "f", "3")
KNOWN = Bases((DEBIAN, JAVA, ALPINE))


def options(**given: Any) -> BaseImageOptions:
    return decode(Node.of({"bases": ["debian:12"], **given}, Mark("p", 1, 1)), BaseImageOptions, "it")


def run(words: str, bases: Bases = KNOWN, **given: Any) -> list[Finding | Remark]:
    tree: Any = SimpleNamespace(diff_ids=layers(words))
    return list(check(tree, bases, options(**given)))


@pytest.mark.parametrize(
    ("words", "name", "how"),
    [
        ("abx", "docker.io/library/debian:12", "lowest 2 layers"),
        ("ab", "docker.io/library/debian:12", "lowest 2 layers"),
        ("abb", "docker.io/library/debian:12", "lowest 2 layers"),
        ("fab", "docker.io/library/alpine:3.20", "lowest layer"),
        ("abcab", "registry.example.com/base/java:21", "lowest 3 layers"),
    ],
)
def test_a_listed_base_passes_and_is_named(words: str, name: str, how: str) -> None:
    found = run(words)
    assert messages(found) == []
    assert remarks(found)[0].startswith(f"built on {name} (sha256:")
    assert remarks(found)[0].endswith(f"by its {how}")


@pytest.mark.parametrize("words", ["x", "xab", "a", "axb", "", "cab"])
def test_other_layers_fail(words: str) -> None:
    (message,) = messages(run(words))
    assert message.startswith("its lowest layers are those of none of the 3 bases that are listed")


def test_the_same_layers_in_another_order_are_another_base() -> None:
    (message,) = messages(run("ba", Bases((DEBIAN,))))
    assert message == (
        "its lowest layers are not those of the one base that is listed; it has all layers of docker.io/library/debian:12, "
        "but not at its bottom in their order"
    )


def test_the_longest_base_counts() -> None:
    """What stands on an accepted base with another base's layers on top is built on that other base."""
    (finding,) = run("abcx", allowed=["docker.io/library"])
    assert isinstance(finding, Finding)
    assert finding.message == (
        f"built on registry.example.com/base/java:21 ({JAVA.digest.short}), by its lowest 3 layers; accepted: docker.io/library"
    )
    assert finding.id == "registry.example.com/base/java"
    assert finding.details == {
        "accepted": ["docker.io/library"],
        "base": "registry.example.com/base/java:21",
        "digest": str(JAVA.digest),
        "layers": 3,
    }
    assert messages(run("abx", allowed=["docker.io/library"])) == []
    assert messages(run("abcx", allowed=["registry.example.com/base/*"])) == []


def test_one_accepted_name_of_the_same_layers_suffices() -> None:
    twice = Bases((base("evil.test/debian:12", "ab"), DEBIAN))
    assert remarks(run("ab", twice, allowed=["docker.io"]))[0].startswith(
        "built on docker.io/library/debian:12"
    )


def test_a_base_without_layers_is_under_nothing() -> None:
    assert messages(run("x", Bases((base("scratch:1", ""),))))


def test_a_base_that_could_not_be_had_may_be_the_one() -> None:
    missing = {
        Reference.parse("debian:13"): Unavailable("no network"),
        Reference.parse("x.test/a:1"): IntegrityError("y"),
    }
    with pytest.raises(Unavailable, match="no network; y") as raised:
        run("x", Bases((DEBIAN,), missing))
    assert raised.value.blocks


def test_it_may_also_be_a_longer_one_that_is_not_accepted() -> None:
    bases = Bases((DEBIAN,), {Reference.parse("evil.test/java:21"): Unavailable("no network")})
    assert messages(run("abx", bases)) == []
    with pytest.raises(Unavailable, match="no network"):
        run("abx", bases, allowed=["docker.io"])
    assert messages(run("abx", bases, allowed=["docker.io", "evil.test"])) == []


def test_a_refused_base_is_refused_whatever_could_not_be_had() -> None:
    tree: Any = SimpleNamespace(diff_ids=layers("abx"))
    bases = Bases((DEBIAN,), {Reference.parse("evil.test/java:21"): Unavailable("no network")})
    assert isinstance(next(check(tree, bases, options(allowed=["x.test"]))), Finding)


CLAIM = claim("debian:12", "7")


def test_a_claim_does_not_count_and_is_told() -> None:
    (finding,) = run("x", Bases((DEBIAN,), {}, (CLAIM,)))
    assert isinstance(finding, Finding)
    assert finding.message == (
        "its lowest layers are not those of the one base that is listed; the image states debian:12 by a label "
        f"({CLAIM.digest.short if CLAIM.digest else ''}), which anyone can write"
    )
    assert finding.details["claims"] == ["debian:12"]


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("debian:12", {}),
        ("docker.io/library/debian:12@sha256:" + "a" * 64, {}),
        ("debian:11", {"allowed": ["docker.io/library/debian"]}),
        ("registry.example.com/a", {"allowed": ["registry.example.com"]}),
    ],
)
def test_a_claim_counts_where_the_policy_lets_it_and_is_called_one(text: str, given: Any) -> None:
    found = run("x", Bases((DEBIAN,), {}, (claim(text),)), claims=True, **given)
    assert messages(found) == []
    assert remarks(found) == [
        f"the image states by a label that it is built on {text}, which anyone can write; nothing else tells its base"
    ]


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("debian:11", {}),
        ("debian", {}),
        ("debian:12", {"allowed": ["registry.example.com"]}),
        ("docker.io.evil.test/library/debian:12", {"allowed": ["docker.io"]}),
        ("not a name", {"allowed": ["docker.io"]}),
        ("NOT", {}),
    ],
)
def test_a_claim_of_another_base_fails(text: str, given: Any) -> None:
    (finding,) = run("x", Bases((DEBIAN,), {}, (claim(text),)), claims=True, **given)
    assert isinstance(finding, Finding)
    assert finding.id == "claim"
    assert "which anyone can write; accepted: " in finding.message


def test_of_contradicting_claims_each_is_judged() -> None:
    bases = Bases((DEBIAN,), {}, (claim("debian:12"), claim("evil.test/x", place="an annotation")))
    assert len(messages(run("x", bases, claims=True))) == 1


def test_layers_outweigh_claims() -> None:
    bases = Bases((DEBIAN,), {}, (claim("evil.test/x"),))
    assert messages(run("abx", bases, claims=True)) == []
    assert messages(run("abx", Bases((DEBIAN,), {}, (claim("x.test/x"),)), claims=True, allowed=["x.test"]))


def test_no_claim_is_no_base() -> None:
    assert messages(run("x", claims=True))


@pytest.mark.parametrize(
    "given", [{}, {"claims": True}, {"allowed": ["docker.io"]}, {"bases": [], "file": ""}]
)
def test_options_by_which_nothing_could_be_recognised_are_refused(given: Any) -> None:
    with pytest.raises(InvalidInput, match="p:1:1: it: no base can be recognised"):
        decode(Node.of(given, Mark("p", 1, 1)), BaseImageOptions, "it")


@pytest.mark.parametrize("wrong", ["", "Debian", "a b", "debian:", 5, "debian@sha256:1"])
def test_a_base_is_a_name(wrong: object) -> None:
    with pytest.raises(InvalidInput, match=r"p:1:1: it\.bases\[0\]"):
        options(bases=[wrong])


def test_names_are_read_in_full() -> None:
    assert options(bases=["debian", "x.test/a:1"]).bases == ("docker.io/library/debian:latest", "x.test/a:1")


@given(st.lists(st.text("abc", max_size=5), max_size=8), st.text("abc", max_size=6))
def test_what_is_under_an_image(listed: list[str], image: str) -> None:
    """All that is found are the longest of the bases that the image starts with."""
    bases = Bases(tuple(base(f"x.test/a{number}:1", words) for number, words in enumerate(listed)))
    longest = max((words for words in listed if words and image.startswith(words)), key=len, default="")
    expected = [f"x.test/a{number}:1" for number, words in enumerate(listed) if longest and words == longest]
    assert names(bases.under(layers(image))) == expected
