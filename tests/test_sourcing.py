"""A policy narrows where images come from, and nothing widens it."""

from __future__ import annotations

from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest

from gate.errors import InvalidInput
from gate.policy.policy import Policy
from gate.sources import SourceSettings
from gate.sources.locate import locate
from gate.sourcing import check_location, permitted
from tests.kit.runs import policy as load

WORDS = ("registry", "daemon", "file")
SOURCES = {"": "", "registry": "docker", "daemon": "docker-daemon"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("image").mkdir()


def policy(sources: str) -> Policy:
    return load(Path.cwd(), f"schema: 1\nextends: audit\nsources: {sources}\n")


def given(**settings: Any) -> SourceSettings:
    return SourceSettings(**settings)


def test_without_a_word_everything_is_as_the_caller_says() -> None:
    settings = given(prefer="docker", fallback=False, engine="unix:///x")
    assert permitted(settings, load(Path.cwd(), "audit")) == settings
    assert permitted(given(), load(Path.cwd(), "audit")) == given()


@pytest.mark.parametrize(
    "words", list(chain(*(combinations(WORDS, count) for count in (1, 2, 3)))), ids="-".join
)
def test_what_is_allowed(words: tuple[str, ...]) -> None:
    narrow = policy(f"{{from: [{', '.join(words)}]}}")
    for text, needs in (
        ("alpine", {"registry", "daemon"}), ("docker://alpine", {"registry"}), ("docker-daemon:alpine", {"daemon"}),
        (f"docker-daemon:sha256:{'a' * 64}", {"daemon"}), ("./image", {"file"}), ("oci:image", {"file"}),
    ):  # fmt: skip
        if needs & set(words):
            check_location(locate(text), narrow)
        else:
            with pytest.raises(InvalidInput, match=r"takes images from .* alone"):
                check_location(locate(text), narrow)


@pytest.mark.parametrize(
    "words", list(chain(*(combinations(WORDS, count) for count in (1, 2, 3)))), ids="-".join
)
@pytest.mark.parametrize("prefer", SOURCES)
def test_a_plain_name_is_looked_for_only_where_it_may_come_from(words: tuple[str, ...], prefer: str) -> None:
    narrow = policy(f"{{from: [{', '.join(words)}]}}")
    if prefer and prefer not in words:
        with pytest.raises(InvalidInput, match="takes images from") as error:
            permitted(given(prefer=SOURCES[prefer]), narrow)
        assert error.value.hint == f"leave out --from {prefer}"
        return
    both = {"registry", "daemon"} & set(words)
    only = SOURCES[next(iter(both))] if len(both) == 1 else ""
    assert permitted(given(prefer=SOURCES[prefer]), narrow).prefer == (SOURCES[prefer] or only)


@pytest.mark.parametrize(("stated", "allowed"), [(True, True), (True, False), (False, True), (False, False)])
def test_the_fallback_needs_both(stated: bool, allowed: bool) -> None:
    narrow = policy(f"{{fallback: {str(allowed).lower()}}}")
    assert permitted(given(fallback=stated), narrow).fallback == (stated and allowed)
