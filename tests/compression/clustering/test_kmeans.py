"""k-means in one dimension: at most so many values, zeros kept, near the best, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyc.compression.clustering.kmeans import share
from tinyc.compression.clustering.tables import as_weight, channels, distinct, pays, table_bytes

STARTS = ["kmeans++", "density", "linear"]
DRAW = np.random.default_rng(4)


def kernel(*shape, zeros=0.0):
    weight = DRAW.normal(size=shape).astype(np.float32)
    return np.where(DRAW.random(shape) < zeros, np.float32(0), weight)


@pytest.mark.parametrize("axis", [-1, (-1,), (-2, -1), -2, ()])
def test_channels_come_back(axis):
    weight = kernel(3, 2, 4, 5)
    rows = channels(weight, axis)
    assert len(rows) == {-1: 5, (-1,): 5, (-2, -1): 20, -2: 4, (): 1}[axis]
    assert np.array_equal(as_weight(rows, weight.shape, axis), weight)
    if axis == (-2, -1):
        assert np.array_equal(rows[7], weight[:, :, 1, 2].ravel())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.lists(st.sampled_from([-2.0, -0.5, 0.0, 0.25, 1.0, 7.0]), min_size=6, max_size=6), min_size=1),
    clusters=st.integers(2, 8),
    start=st.sampled_from(STARTS),
    keep=st.booleans(),
)
def test_few_values_in_order_and_zeros_stay(rows, clusters, start, keep):
    weight = np.array(rows, np.float32).T
    made = share(weight, clusters, per="channel", axis=-1, start=start, seed=1, keep_zeros=keep)
    assert made.shape == weight.shape
    assert made.dtype == weight.dtype
    assert (distinct(made, -1) <= clusters).all()
    assert not keep or np.array_equal(made == 0, weight == 0) or ((weight == 0) <= (made == 0)).all()
    before, after = channels(weight, -1), channels(made, -1)
    few = distinct(weight, -1) <= clusters
    assert np.array_equal(before[few], after[few])
    if not keep:
        order = np.argsort(before, axis=1, kind="stable")
        assert (np.diff(np.take_along_axis(after, order, axis=1), axis=1) >= 0).all()
        assert np.allclose(after.mean(axis=1), before.mean(axis=1), atol=1e-5)


def best(values, clusters):
    """The least squared error of so many clusters, by trying all cuts (dynamic programming)."""
    values = np.sort(values.astype(float))
    count = len(values)
    cost = [[values[i:j].var() * (j - i) if j > i else 0.0 for j in range(count + 1)] for i in range(count + 1)]
    least = [cost[0][j] for j in range(count + 1)]
    for _ in range(clusters - 1):
        least = [min(least[i] + cost[i][j] for i in range(j + 1)) for j in range(count + 1)]
    return least[-1]


@pytest.mark.parametrize("start", STARTS)
def test_error_is_near_the_least_possible(start):
    weight = kernel(60, 12)
    errors = [
        ((share(weight, 6, per="channel", start=start, seed=seed, keep_zeros=False) - weight) ** 2).sum()
        for seed in range(3)
    ]
    least = sum(best(column, 6) for column in weight.T)
    assert least * 0.999 <= min(errors)
    assert np.mean(errors) < least * 1.5


def test_one_table_for_all_and_one_for_each():
    weight = kernel(3, 3, 8, 6, zeros=0.3)
    whole = share(weight, 5, per="layer", start="kmeans++", seed=2, keep_zeros=True)
    each = share(weight, 5, per="channel", start="kmeans++", seed=2, keep_zeros=True)
    assert distinct(whole, ()) == [5]
    assert (distinct(each, -1) == 5).all()
    assert ((each - weight) ** 2).sum() < ((whole - weight) ** 2).sum()
    assert np.array_equal(whole == 0, weight == 0)
    assert np.array_equal(each == 0, weight == 0)


def test_seed_decides_and_zeros_alone_stay():
    weight = kernel(50, 4)
    shared = [share(weight, 4, per="channel", start="kmeans++", seed=seed, keep_zeros=True) for seed in (1, 1, 2)]
    assert np.array_equal(shared[0], shared[1])
    assert not np.array_equal(shared[0], shared[2])
    weight[:, 1] = 0
    made = share(weight, 3, per="channel", start="linear", seed=1, keep_zeros=True)
    assert not made[:, 1].any()
    assert distinct(made, -1).tolist() == [3, 1, 3, 3]


def test_bytes_of_tables():
    assert table_bytes(144 * 16, 16, 16, header=0) == 144 * 16 // 2 + 256
    assert pays(144 * 64, 64, 16)
    assert not pays(9 * 64, 64, 16, header=0)
    assert not pays(10**6, 1, 129)
