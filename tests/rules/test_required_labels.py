from __future__ import annotations

import msgspec
import pytest

from gate.errors import InvalidInput
from gate.rules.required_labels import Label, RequiredLabelsOptions, check
from tests.kit.trees import config

PREFIX = "org.opencontainers.image"
GOOD = {
    f"{PREFIX}.source": "https://example.com/shop",
    f"{PREFIX}.version": "1.4",
    "com.example.team": "shop",
}


def found(labels: dict[str, str], *required: Label) -> list[str]:
    options = RequiredLabelsOptions(labels=required) if required else RequiredLabelsOptions()
    return [finding.message for finding in check(config(Labels=labels), options)]


def test_passes_an_image_with_owner_source_and_version() -> None:
    assert found(GOOD) == []


def test_reports_each_missing_label() -> None:
    assert [message.split(" (")[0] for message in found({})] == [
        "no label for owner or team", "no label for source", "no label for version"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "maintainer",
        "MAINTAINER",
        f"{PREFIX}.authors",
        f"{PREFIX}.vendor",
        "owner",
        "com.example.owner",
        "team",
        "x/team",
    ],
)
def test_takes_any_alias_for_the_owner(name: str) -> None:
    assert found({**{key: value for key, value in GOOD.items() if "team" not in key}, name: "shop"}) == []


@pytest.mark.parametrize("name", ["steam", "coowner", "owner.of.nothing", "team-size", "maintainer2"])
def test_does_not_take_names_that_only_look_alike(name: str) -> None:
    assert len(found({**{key: value for key, value in GOOD.items() if "team" not in key}, name: "shop"})) == 1


@pytest.mark.parametrize("value", ["", "  ", "unknown", "TODO", "n/a"])
def test_a_placeholder_is_no_value(value: str) -> None:
    (message,) = found({**GOOD, f"{PREFIX}.version": value})
    assert message.endswith("org.opencontainers.image.version is empty or a placeholder")


def test_one_good_alias_beside_a_placeholder_is_enough() -> None:
    assert found({**GOOD, f"{PREFIX}.version": "", f"{PREFIX}.revision": "a1b2"}) == []


def test_values_can_have_to_match() -> None:
    ticket = Label(any=("ticket",), pattern=r"SEC-\d+", meaning="ticket")
    assert found({"ticket": "SEC-1"}, ticket) == []
    assert found({"ticket": "SEC-1x"}, ticket) == ["label ticket is 'SEC-1x', which does not match SEC-\\d+"]
    assert len(found({"ticket": "S" * 5_000}, ticket)) == 1


def test_an_alias_that_matches_is_enough() -> None:
    label = Label(any=("/cost[._-]?cent(er|re)/",), pattern="[0-9]{4}")
    assert found({"cost-center": "n.a.", "costcentre": "1234"}, label) == []


def test_a_broken_expression_is_the_policys_fault() -> None:
    with pytest.raises(InvalidInput, match="regular expression"):
        found({"a": "b"}, Label(any=("/(/",)))
    with pytest.raises(InvalidInput, match="regular expression"):
        found({"a": "b"}, Label(any=("a",), pattern="["))


def test_options_read_as_documented() -> None:
    options = msgspec.convert({"labels": [{"any": ["a", "b"], "pattern": "x"}]}, RequiredLabelsOptions)
    assert options.labels == (Label(any=("a", "b"), pattern="x"),)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"labels": []}, RequiredLabelsOptions)
