"""Shares per class, by hash: exact counts, nothing twice, every class on both sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyc.data import split


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(2, 60), min_size=2, max_size=12), st.floats(0.01, 0.9))
def test_quotas_leave_and_take_one_of_each(sizes: list[int], fraction: float) -> None:
    sizes_array = np.array(sizes)
    shares = split.quotas(sizes_array, round(sum(sizes) * fraction))
    assert (shares >= 1).all()
    assert (shares < sizes_array).all()
    exact = sizes_array * round(sum(sizes) * fraction) / sum(sizes)
    assert (abs(shares - exact) <= 1 + 1e-9).all()


def test_quotas_give_the_count() -> None:
    assert split.quotas(np.array([50, 30, 20]), 10).tolist() == [5, 3, 2]
    assert split.quotas(np.array([10, 10, 10]), 10).sum() == 10
    assert split.quotas(np.array([1, 99]), 50).tolist() == [0, 49]


@pytest.mark.parametrize("stream", [split.TEST, split.VALIDATION])
def test_stratified_depends_on_seed_and_ids_alone(stream: int) -> None:
    y = np.repeat(np.arange(4), 25)
    ids = np.arange(100) + 500
    chosen = split.stratified(y, ids, 20, 7, stream)
    assert np.bincount(y[chosen]).tolist() == [5, 5, 5, 5]
    order = np.random.default_rng(0).permutation(100)
    again = split.stratified(y[order], ids[order], 20, 7, stream)
    assert set(ids[order][again]) == set(ids[chosen])
    assert set(ids[split.stratified(y, ids, 20, 8, stream)]) != set(ids[chosen])


def test_calibration_takes_the_classes_in_turn() -> None:
    y = np.array([0] * 50 + [1] * 50 + [2] * 3)
    chosen = split.in_turn(y, np.arange(103), 20, 7)
    assert y[chosen].tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, *[0, 1] * 5, 0]
    assert len(set(chosen)) == 20


@pytest.mark.parametrize(
    ("asked", "examples", "count"), [(None, 5000, 1000), (None, 4999, 500), (12, 100, 12), (0.25, 100, 25)]
)
def test_validation_count(asked: float | None, examples: int, count: int) -> None:
    assert split.validation_count(asked, examples) == count
