from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from gate.errors import IntegrityError, Unavailable
from gate.evidence import Base, BaseClaim, BaseNow, Bases, BaseTags
from gate.oci.reference import Reference
from gate.rule import Finding, Remark
from gate.rules.base_outdated import BaseOutdatedOptions, check
from tests.kit.known_bases import base, claim, digest, layers
from tests.kit.trees import messages, remarks

TAG = Reference.parse("debian:12")
OLD = base("debian:12", "ab", "1")
NEW = base("debian:12", "cd", "2")
Said = Iterator[Finding | Remark]


def now(version: str, words: str = "", **more: BaseNow | Unavailable) -> BaseTags:
    """What debian:12 names now; further words are other tags of it."""
    own = BaseNow(digest(f"d{version}"), (digest(f"e{version}"),), (layers(words),) if words else ())
    others = {Reference.parse(f"debian:{tag.removeprefix('t')}"): found for tag, found in more.items()}
    return BaseTags({TAG: own, **others})


def say(
    words: str,
    tags: BaseTags,
    *listed: Base,
    claims: tuple[BaseClaim, ...] = (),
    count: bool = False,
    **more: Any,
) -> Said:
    tree: Any = SimpleNamespace(diff_ids=layers(words))
    bases = Bases(listed or (OLD, NEW), more.get("missing", {}), claims)
    return check(tree, bases, tags, BaseOutdatedOptions(claims=count))


def run(*words: Any, **more: Any) -> list[Finding | Remark]:
    return list(say(*words, **more))


def test_the_base_that_the_tag_names_passes() -> None:
    found = run("cdx", now("2", "cd"))
    assert messages(found) == []
    assert remarks(found) == [f"its base is what docker.io/library/debian:12 names now, {NEW.digest.short}"]


def test_an_older_base_fails_and_both_digests_are_said() -> None:
    (finding,) = run("abx", now("2", "cd"))
    assert isinstance(finding, Finding)
    assert finding.message == (
        f"built on docker.io/library/debian:12 when that was {OLD.digest}, by its layers; it names {NEW.digest} now"
    )
    assert finding.details == {
        "base": "docker.io/library/debian:12",
        "digest": str(OLD.digest),
        "now": str(NEW.digest),
    }


def test_a_new_digest_with_the_same_layers_is_nothing_newer() -> None:
    """An index changes with every platform that is built anew."""
    assert messages(run("abx", now("9", "ab"))) == []


def test_a_tag_that_names_the_manifest_itself_is_the_same() -> None:
    assert messages(run("abx", BaseTags({TAG: BaseNow(OLD.manifest)}))) == []


def test_a_base_that_no_longer_exists_for_this_platform_is_outdated() -> None:
    assert messages(run("abx", now("9")))


def test_every_tag_that_the_layers_are_listed_under_is_compared() -> None:
    point = base("debian:12.5", "ab", "1")
    tags = now("2", "cd", **{"t12.5": BaseNow(OLD.digest, (), (layers("ab"),))})
    found = run("abx", tags, OLD, point, NEW)
    assert len(messages(found)) == 1
    assert remarks(found) == [f"its base is what docker.io/library/debian:12.5 names now, {OLD.digest.short}"]


def test_of_two_records_of_one_tag_one_suffices() -> None:
    again = base("debian:12", "ab", "5")
    assert messages(run("abx", BaseTags({TAG: BaseNow(again.digest)}), OLD, again)) == []


@pytest.mark.parametrize("error", [Unavailable("no network"), IntegrityError("wrong bytes")])
def test_a_tag_that_cannot_be_asked_is_unknown(error: Unavailable) -> None:
    with pytest.raises(type(error), match=error.message):
        run("abx", BaseTags({TAG: error}))


def test_a_tag_that_was_not_asked_is_unknown() -> None:
    with pytest.raises(Unavailable, match="was not asked"):
        run("abx", BaseTags({}))


def test_a_base_without_a_tag_is_unknown() -> None:
    bare = base(f"debian@{OLD.digest}", "ab")
    with pytest.raises(Unavailable) as raised:
        run("abx", BaseTags({}), base("docker.io/library/debian", "ab", "1"), bare)
    assert "NAME:TAG@DIGEST" in raised.value.hint


def test_a_base_that_is_not_known_is_unknown() -> None:
    with pytest.raises(Unavailable) as raised:
        run("bax", now("2", "cd"))
    assert raised.value.message.startswith(
        "the base is not known: its lowest layers are those of none of the 2 bases"
    )
    assert "base record" in raised.value.hint


def test_without_a_list_nothing_is_known() -> None:
    tree: Any = SimpleNamespace(diff_ids=layers("ab"))
    with pytest.raises(Unavailable, match="no base is listed"):
        list(check(tree, Bases(()), BaseTags({}), BaseOutdatedOptions()))


def test_a_base_that_could_not_be_had_leaves_it_open() -> None:
    missing = {Reference.parse("x.test/java:21"): Unavailable("no network")}
    for words, tags in (("xy", now("2")), ("cdx", now("2", "cd"))):
        with pytest.raises(Unavailable, match="no network"):
            run(words, tags, missing=missing)
    said = say("abx", now("2", "cd"), missing=missing)
    assert isinstance(next(said), Finding)
    with pytest.raises(Unavailable, match="no network"):
        next(said)


@pytest.mark.parametrize("version", ["2", "e2"])
def test_a_claim_of_what_the_tag_names_passes_where_it_counts(version: str) -> None:
    stated = (
        claim("debian:12", "2") if version == "2" else BaseClaim("debian:12", TAG, digest("e2"), "a label")
    )
    found = run("xy", now("2", "cd"), claims=(stated,), count=True)
    assert messages(found) == []
    assert "which anyone can write" in remarks(found)[0]


def test_a_claim_of_an_older_base_fails() -> None:
    (message,) = messages(run("xy", now("2", "cd"), claims=(claim("debian:12", "1"),), count=True))
    assert message == (
        f"built on docker.io/library/debian:12 when that was {OLD.digest}, as the image states by a label; "
        f"it names {NEW.digest} now"
    )


def test_the_digest_of_a_claim_may_stand_in_its_name() -> None:
    stated = claim(f"debian:12@{NEW.digest}")
    assert messages(run("xy", now("2", "cd"), claims=(stated,), count=True)) == []


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        (claim("debian:12"), "without saying by which digest"),
        (claim("NOT A NAME", "1"), "without saying by which digest"),
        (
            claim("evil.test/debian:12", "1"),
            "none of the bases that are listed, so its registry was not asked",
        ),
        (claim("debian:11", "1"), "none of the bases that are listed"),
    ],
)
def test_a_claim_that_cannot_be_compared_is_unknown(stated: BaseClaim, reason: str) -> None:
    with pytest.raises(Unavailable, match=reason):
        run("xy", now("2", "cd"), claims=(stated,), count=True)


def test_claims_count_for_nothing_unless_the_policy_says_so() -> None:
    with pytest.raises(Unavailable, match=r"the base is not known: .*the image states debian:12 by a label"):
        run("xy", now("2", "cd"), claims=(claim("debian:12", "2"),))


def test_layers_outweigh_claims() -> None:
    assert messages(run("abx", now("2", "cd"), claims=(claim("debian:12", "2"),), count=True))
