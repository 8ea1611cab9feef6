"""What one int8 step leaves of each column, against counting the values that are left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyc.quantization.columns import coarse


def rows(*deviations: float) -> Any:
    return np.random.default_rng(0).normal(0, deviations, (500, len(deviations))).astype(np.float32)


def test_the_values_that_columns_keep_are_counted() -> None:
    x = rows(1.0, 300.0, 0.01)
    step = float(x.max() - x.min()) / 255
    found = coarse(x, step)
    assert found is not None
    left = [len(np.unique(np.round(x[:, place] / step))) for place in range(3)]
    kept = dict(found.kept)
    assert set(kept) == {0, 2}
    assert all(abs(kept[place] - left[place]) <= 1 for place in kept)
    assert found.kept[0][0] == 2
    assert "column 2 keeps 1 of 256 values" in found.evidence
    assert found.noise == 1.0


@pytest.mark.parametrize(
    ("deviations", "factor"),
    [((1.0, 15.0), 1.0), ((1.0, 1.0, 0.0), 1.0), ((1.0, 300.0), 1e-4), ((5.0,), 1.0)],
    ids=["like units", "one that never changes", "steps that are fine for all", "a single column"],
)
def test_columns_that_keep_enough_are_not_spoken_of(deviations: tuple[float, ...], factor: float) -> None:
    x = rows(*deviations)
    assert coarse(x, factor * float(x.max() - x.min()) / 255) is None
