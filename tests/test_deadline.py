"""The moment at which a run gives up."""

from __future__ import annotations

import pytest

from gate.deadline import Deadline
from gate.errors import Unavailable


def test_it_can_be_asked_by_whoever_reads() -> None:
    Deadline(60).check(b"data")
    with pytest.raises(Unavailable, match="the time limit of 0 s is over"):
        Deadline(0).check()


def test_it_can_be_stopped_before() -> None:
    deadline = Deadline(60)
    deadline.cancelled.set()
    with pytest.raises(Unavailable, match="the run was stopped"):
        deadline.check()


def test_it_says_what_is_left() -> None:
    assert 59 < Deadline(60).left <= 60
    assert Deadline(0).left <= 0
