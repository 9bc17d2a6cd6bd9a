"""What a policy has against the names in a Dockerfile."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.dockerfile.sources import sources
from gate.errors import InvalidInput
from gate.origins import doubts, status_of
from gate.policy.policy import Policy
from gate.verdict import Status

DIGEST = "sha256:" + "a" * 64


def policy(tmp_path: Path, rules: str, more: str = "") -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(f"schema: 1\nrules: {{{rules}}}\n{more}")
    return Policy.load(str(path))


def said(dockerfile: str, told: Policy) -> tuple[str, list[str]]:
    """The status, and `line rule` of each doubt, with a question mark for what nobody can tell."""
    found = list(doubts(sources(dockerfile.encode()), told))
    return status_of(found), [f"{one.source.line} {one.rule}{'?' * one.unknown}" for one in found]


@pytest.mark.parametrize(
    ("rules", "dockerfile", "expected"),
    [
        ("allowed-registries: {registries: [docker.io]}", "FROM debian:12", ("pass", [])),
        ("allowed-registries: {registries: [docker.io]}", "FROM evil.test/a", ("fail", ["1 allowed-registries"])),
        ("allowed-registries: {registries: [docker.io]}", "FROM a AS b\nFROM b\nCOPY --from=evil.test/c / /", ("fail", ["3 allowed-registries"])),
        ("pinned-tag: {}", "FROM debian", ("fail", ["1 pinned-tag"])),
        ("pinned-tag: {action: warn}", "FROM debian", ("pass", ["1 pinned-tag"])),
        ("pinned-digest: {}", f"FROM debian:12\nFROM a@{DIGEST}", ("fail", ["1 pinned-digest"])),
        ("base-image: {bases: ['docker.io/library/debian:12']}", "FROM golang AS build\nFROM debian:12", ("pass", [])),
        ("base-image: {bases: ['docker.io/library/debian:12']}", f"FROM debian:12@{DIGEST}", ("pass", [])),
        ("base-image: {bases: ['docker.io/library/debian:12']}", "FROM debian:11", ("fail", ["1 base-image"])),
        ("base-image: {bases: ['docker.io/library/debian:12'], allowed: ['docker.io/library/*']}", "FROM alpine", ("pass", [])),
        ("base-image: {bases: ['docker.io/library/debian:12'], allowed: ['docker.io/library/*']}", "FROM a/b", ("fail", ["1 base-image"])),
        ("pinned-tag: {}", "ARG X\nFROM $X", ("unknown", ["2 pinned-tag?"])),
        ("pinned-tag: {action: warn}", "ARG X\nFROM $X", ("pass", ["2 pinned-tag?"])),
        ("pinned-tag: {}", "FROM Not/A:Name:x", ("unknown", ["1 pinned-tag?"])),
        ("pinned-tag: {}", "FROM $X\nFROM debian", ("fail", ["1 pinned-tag?", "2 pinned-tag"])),
        ("pinned-tag: {}, non-root: {}", "FROM scratch", ("pass", [])),
    ],
)  # fmt: skip
def test_names_are_judged(
    tmp_path: Path, rules: str, dockerfile: str, expected: tuple[str, list[str]]
) -> None:
    assert said(dockerfile, policy(tmp_path, rules)) == expected


def test_scopes_count(tmp_path: Path) -> None:
    told = policy(
        tmp_path, "non-root: {}", "scopes: [{match: docker.io/library/**, rules: {pinned-tag: {}}}]\n"
    )
    assert said("FROM debian", told) == (Status.FAIL, ["1 pinned-tag"])
    assert said("FROM a/b", told) == (Status.PASS, [])


def test_a_policy_that_says_nothing_of_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="selects no rule that judges names"):
        said("FROM debian", policy(tmp_path, "non-root: {}"))
