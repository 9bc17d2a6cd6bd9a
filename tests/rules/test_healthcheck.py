from __future__ import annotations

from typing import Any

import pytest

from gate.rules.healthcheck import HealthcheckOptions, check
from tests.kit.trees import config


def found(healthcheck: Any, *, exec_form: bool = False) -> list[str]:
    options = HealthcheckOptions(exec_form=exec_form)
    return [finding.message for finding in check(config(Healthcheck=healthcheck), options)]


@pytest.mark.parametrize(
    "test", [["CMD", "/app", "--health"], ["CMD-SHELL", "wget -q localhost"], "wget -q localhost"]
)
def test_passes_a_health_check(test: Any) -> None:
    assert found({"Test": test, "Interval": 30_000_000_000}) == []


@pytest.mark.parametrize(
    ("healthcheck", "message"),
    [
        (None, "no health check is defined"),
        ({}, "no health check is defined"),
        ({"Test": []}, "no health check is defined"),
        ({"Test": [1]}, "no health check is defined"),
        ({"Test": ["NONE"]}, "the health check is switched off (NONE)"),
        ({"Test": ["CMD"]}, "the health check names no command"),
        ({"Test": ["CMD-SHELL", " "]}, "the health check names no command"),
        ({"Test": ["RUN", "x"]}, "the health check names no command"),
    ],
)
def test_finds_a_missing_or_empty_one(healthcheck: Any, message: str) -> None:
    assert found(healthcheck) == [message]


def test_shell_form_counts_only_by_option() -> None:
    assert found({"Test": ["CMD-SHELL", "x"]}, exec_form=True) == [
        "the health check needs a shell (CMD-SHELL)"
    ]
    assert found({"Test": ["CMD", "x"]}, exec_form=True) == []
