from __future__ import annotations

import pytest

from gate.rules.layer_count import LayerCountOptions, check
from tests.kit.trees import config


@pytest.mark.parametrize(("layers", "limit", "findings"), [(1, 1, 0), (64, 64, 0), (65, 64, 1), (3, 2, 1)])
def test_counts_layers(layers: int, limit: int, findings: int) -> None:
    assert len(list(check(config(layers=layers), LayerCountOptions(max_layers=limit)))) == findings


def test_says_both_numbers() -> None:
    (finding,) = check(config(layers=70), LayerCountOptions())
    assert finding.message == "70 layers, allowed 64"
