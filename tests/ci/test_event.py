"""The event that a workflow runs for, as the runner writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.ci.child import TOKEN
from gate.ci.event import Event, PullRequest, Repository, Side, origin, read
from gate.errors import Unavailable


def test_only_what_matters_is_read(tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    path.write_text(
        '{"action": "opened", "pull_request": {"number": 7, "base": {"sha": "ab", "ref": "main"}}}'
    )
    assert read({"GITHUB_EVENT_PATH": str(path)}) == Event(PullRequest(7, Side("ab")))


@pytest.mark.parametrize("text", ["", "[]", '{"pull_request": 7}', '{"pull_request": {}}', "\xff"])
def test_what_is_no_event_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "event.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(Unavailable, match="GITHUB_EVENT_PATH cannot be read"):
        read({"GITHUB_EVENT_PATH": str(path)})


def test_without_a_path_there_is_no_event() -> None:
    with pytest.raises(Unavailable):
        read({})


@pytest.mark.parametrize(
    ("event", "ref", "commit"),
    [
        (Event(PullRequest(7, Side("ab")), Repository("main")), "refs/pull/7/merge", "ab"),
        (Event(repository=Repository("main")), "refs/heads/feature", "refs/heads/main"),
        (Event(repository=Repository("main")), "refs/tags/main", "refs/heads/main"),
        (Event(repository=Repository("main")), "refs/heads/main", None),
        (Event(), "refs/heads/main", None),
    ],
)
def test_whose_policy_counts(event: Event, ref: str, commit: str | None) -> None:
    found = origin(event, {"GITHUB_REF": ref, "GITHUB_REPOSITORY": "acme/shop", TOKEN: "t"})
    assert (found.commit if found else None) == commit
    assert found is None or (found.address, found.token) == ("https://github.com/acme/shop", "t")
