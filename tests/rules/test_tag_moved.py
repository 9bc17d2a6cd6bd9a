from __future__ import annotations

import pytest

from gate.evidence import TagDigest
from gate.oci.descriptor import Digest
from gate.oci.reference import Reference
from gate.options import NoOptions
from gate.rule import Finding, Remark
from gate.rules.tag_moved import RULE, check
from tests.kit.reports import subject
from tests.kit.trees import messages, remarks

OLD, NEW, OTHER, AMD64, ARM64 = (Digest("sha256", digit * 64) for digit in "12345")
NAME = Reference.parse("registry.example.com/shop/api:1.4")


def run(tag: TagDigest, judged: Digest = AMD64) -> list[Finding | Remark]:
    return list(check(subject(digest=judged), tag, NoOptions()))


def test_a_tag_that_names_what_was_asked_for_passes() -> None:
    assert run(TagDigest(NAME, (OLD,), OLD)) == []


def test_one_of_several_digests_of_an_engine_suffices() -> None:
    assert run(TagDigest(NAME, (OTHER, OLD), OLD)) == []


def test_a_tag_that_moved_fails_and_both_digests_are_said() -> None:
    (finding,) = run(TagDigest(NAME, (OLD,), NEW, (ARM64,)))
    assert isinstance(finding, Finding)
    assert finding.message == f"{NAME} is pinned to {OLD}, and names {NEW} now"
    assert finding.details == {"tag": str(NAME), "pinned": [str(OLD)], "now": str(NEW)}
    assert finding.id == str(NAME)


@pytest.mark.parametrize(
    "tag",
    [
        TagDigest(NAME, (AMD64,), NEW, (AMD64, ARM64)),  # pinned to the manifest of one platform
        TagDigest(NAME, (OLD,), NEW, (ARM64, AMD64)),  # only other platforms were built anew
        TagDigest(NAME, (OLD,), AMD64),  # an index gave way to the manifest that was in it
    ],
    ids=["manifest in the index", "same image in another index", "manifest itself"],
)
def test_an_index_that_holds_this_image_is_no_move(tag: TagDigest) -> None:
    found = run(tag)
    assert messages(found) == []
    assert remarks(found) == [f"{NAME} names an index, {tag.now}, and this image is in it"]


def test_another_platform_that_stayed_does_not_excuse_this_one() -> None:
    assert messages(run(TagDigest(NAME, (OLD,), NEW, (ARM64,)), judged=AMD64))


@pytest.mark.parametrize("tag", [TagDigest(), TagDigest(NAME, (), NEW), TagDigest(NAME, (OLD,), None)])
def test_what_has_nothing_to_compare_passes_and_says_so(tag: TagDigest) -> None:
    found = run(tag)
    assert messages(found) == []
    assert "nothing can have moved" in remarks(found)[0]
    assert "nothing to be compared" in RULE.rationale
