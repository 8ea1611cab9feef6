"""Intervals over recordings: coverage where examples of a recording are alike, degenerate cases, the ledger's use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import datasets
from support.optional import none_missing, not_none

from tinyc import measure
from tinyc.data.dataset import Dataset
from tinyc.data.task import Stream, Task
from tinyc.measure import intervals, resampling
from tinyc.measure.measuring import measurement, rate
from tinyc.run import step_records
from tinyc.run.stored import Done
from tinyc.spec.bounds import Measured

SIZES: dict[str, Any] = dict.fromkeys(
    ("params", "nonzero_params", "macs", "weight_bytes", "metadata_bytes", "file_bytes", "gzip_bytes", "flash_bytes",
     "arena_bytes"),
)  # fmt: skip


def alike(random: Any, count: int, each: int, share: float, spread: float) -> tuple[Any, Any]:
    """Recordings of `each` examples, whose shares of right answers differ by `spread`."""
    shares = np.clip(share + spread * random.choice([-1, 1], count), 0, 1)
    return random.random((count, each)) < shares[:, None], np.repeat(np.arange(count), each)


def test_over_recordings_the_interval_covers_and_over_examples_it_does_not() -> None:
    random, hits, naive = np.random.default_rng(0), 0, 0
    for _ in range(200):
        right, recordings = alike(random, 40, 30, 0.7, 0.25)
        low, high = none_missing(*resampling.of_share(right.ravel(), recordings))
        hits += low <= 0.7 <= high
        first, last = none_missing(*resampling.of_share(right.ravel(), None))
        naive += first <= 0.7 <= last
    assert 0.9 <= hits / 200 <= 0.99
    assert naive / 200 < 0.7


def test_where_each_recording_is_one_example_it_is_near_wilson() -> None:
    right = np.arange(400) < 300
    assert resampling.of_share(right, np.arange(400)) == pytest.approx(intervals.wilson(300, 400), abs=0.006)


def test_names_and_order_of_recordings_do_not_matter_but_their_members_do() -> None:
    right, recordings = alike(np.random.default_rng(1), 20, 10, 0.6, 0.3)
    found = resampling.of_share(right.ravel(), recordings)
    assert resampling.of_share(right.ravel(), np.array([f"take {name:03}" for name in recordings])) == found
    assert resampling.of_share(right.ravel(), recordings) == found
    order = np.random.default_rng(2).permutation(200)
    assert resampling.of_share(right.ravel()[order], recordings[order]) == pytest.approx(found)
    low, high = none_missing(*resampling.of_share(right.ravel(), recordings[order]))
    first, last = none_missing(*found)
    assert high - low < last - first


def test_many_recordings_are_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(resampling.draws(30)))
    assert whole.shape == (resampling.RESAMPLES, 30)
    assert (whole.sum(axis=1) == 30).all()
    monkeypatch.setattr(resampling, "BLOCK", 30 * 7)
    blocks = list(resampling.draws(30))
    assert {len(block) for block in blocks} == {7, resampling.RESAMPLES % 7}
    assert np.array_equal(np.concatenate(blocks), whole)


def test_one_recording_has_no_interval() -> None:
    right, one = np.array([True, False, True]), np.zeros(3, int)
    assert resampling.of_share(right, one) == (None, None)
    assert resampling.of_difference(right, ~right, one) == (None, None)
    assert resampling.of_metric(lambda weights: float(weights[0]), 3, one) == (None, None)


def test_all_right_is_no_certainty() -> None:
    recordings = np.repeat(np.arange(12), 50)
    right = np.ones(600, bool)
    assert resampling.of_share(right, recordings) == intervals.wilson(12, 12)
    assert resampling.of_share(~right, recordings) == intervals.wilson(0, 12)
    assert resampling.of_difference(right, right, recordings) == (None, None)


def test_a_paired_difference_resamples_recordings() -> None:
    random = np.random.default_rng(3)
    first, recordings = alike(random, 30, 20, 0.8, 0.1)
    second = first.copy()
    second[:10] &= random.random((10, 20)) < 0.6
    first, second = first.ravel(), second.ravel()
    low, high = none_missing(*resampling.of_difference(first, second, recordings))
    drop = first.mean() - second.mean()
    assert 0 < low < drop < high
    # All of the loss is in a third of the recordings: over examples the interval is too narrow.
    near, far = none_missing(*resampling.of_difference(first, second, None))
    assert high - low > 1.4 * (far - near)
    assert resampling.of_difference(second, first, recordings) == pytest.approx((-high, -low), abs=1e-12)
    by_weights = resampling.of_metric(
        lambda weights: ((first.astype(int) - second) * weights).sum() / weights.sum(), 600, recordings
    )
    assert by_weights == pytest.approx((low, high), abs=1e-9)


def dataset(recordings: Any, stream: Stream | None = None, metric: Any = "accuracy") -> Dataset:
    random = np.random.default_rng(4)
    y = random.integers(0, 3, 240)
    groups = {} if recordings is None else {"recording": recordings}
    task = Task(("a", "b", "c"), (4, 1, 2), metric=metric, stream=stream)
    return datasets.undivided(task, np.zeros((240, 4, 1, 2), np.float32), y, groups)


def measured(data: Dataset, noise: float) -> measure.Measurement:
    random = np.random.default_rng(5)
    scores = np.eye(3)[data.test.y] + random.normal(0, noise, (240, 3))
    return measurement(SIZES, scores.astype(np.float32), data, "keras")


RECORDINGS = np.repeat(np.arange(12), 20)


@pytest.mark.parametrize("metric", ["accuracy", "f1", "auc"])
def test_the_ledger_resamples_the_recordings_of_the_test_split(metric: Any) -> None:
    data = dataset(RECORDINGS, metric=metric)
    before, after = measured(data, 0.4), measured(data, 0.6)
    assert after.ledger.recordings == 12
    accuracy, low, high = none_missing(after.ledger.accuracy, after.ledger.accuracy_low, after.ledger.accuracy_high)
    assert low < accuracy < high
    expected = rate(metric, data.test.y, after.scores, RECORDINGS)
    assert (accuracy, low, high) == expected
    assert expected[1:] != rate(metric, data.test.y, after.scores)[1:]
    for asked in ("accuracy_drop", "worst_class_drop"):
        paired = measure.measured(asked, after, before)
        alone = measure.measured(asked, replace(after, recordings=None), before)
        low, value, high = none_missing(paired.low, paired.value, paired.high)
        assert low < value < high
        assert paired.value == alone.value
        assert (paired.low, paired.high) != (alone.low, alone.high)


def test_one_recording_is_measured_without_an_interval_and_bounds_are_still_judged() -> None:
    data = dataset(np.zeros(240, int))
    before, after = measured(data, 0.4), measured(data, 0.6)
    assert (after.ledger.recordings, after.ledger.accuracy_low, after.ledger.accuracy_high) == (1, None, None)
    drop = measure.measured("accuracy_drop", after, before)
    assert not_none(drop.value) > 0
    assert (drop.low, drop.high) == (None, None)


def test_a_class_that_one_recording_alone_has_gets_no_interval() -> None:
    data = dataset(RECORDINGS)
    labels = np.where(RECORDINGS == 3, 2, RECORDINGS % 2)
    test = replace(data.test, y=labels)
    scores = np.eye(3)[labels]
    worse = scores.copy()
    worse[labels == 2] = [1, 0, 0]
    data = replace(data, test=test)
    before, after = (measurement(SIZES, each.astype(np.float32), data, "keras") for each in (scores, worse))
    assert measure.measured("worst_class_drop", after, before) == Measured(1.0)


def test_a_stored_step_is_judged_over_recordings(tmp_path: Any) -> None:
    data = dataset(RECORDINGS)
    before, after = measured(data, 0.4), measured(data, 0.6)
    dones = [Done(tmp_path, "k", each.ledger, each.scores, {}, (), (), 0.0, True) for each in (before, after)]
    found = step_records.paired(1, dones[1], dones[0], dones[0], data).source
    assert found == measure.measured("accuracy_drop", after, before)


def test_what_leaves_the_device_is_counted_from_the_stream() -> None:
    found = measured(dataset(None, Stream(600.0, 0.75)), 0.4)
    assert (found.ledger.sensor_bytes_per_second, found.ledger.sent_bytes_per_second) == (600.0, 0.75)
    assert measure.measured("bandwidth_reduction", found, found).value == pytest.approx(0.99875)
    without = measured(dataset(None), 0.4)
    assert without.ledger.recordings is None
    assert measure.measured("bandwidth_reduction", without, found).value is None


def test_a_ledger_that_was_stored_before_still_loads() -> None:
    found = measured(dataset(RECORDINGS, Stream(600.0, 1.0)), 0.4).ledger
    table = found.to_json()
    assert measure.Ledger.from_json(table) == found
    for name in ("sensor_bytes_per_second", "sent_bytes_per_second", "recordings"):
        del table[name]
    assert measure.Ledger.from_json(table) == replace(
        found, sensor_bytes_per_second=None, sent_bytes_per_second=None, recordings=None
    )
