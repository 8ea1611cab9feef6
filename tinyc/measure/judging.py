"""The figures that targets and expects bound, read from measured states, with paired intervals for what was lost."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tinyc.measure import resampling
from tinyc.measure.figures import Ledger, Measurement
from tinyc.spec.bounds import Measured
from tinyc.spec.data_keys import MetricName
from tinyc.tasks.classification.metrics import recalls, scorer

FIELDS = {"params": "params", "macs": "macs", "file": "file_bytes", "flash": "flash_bytes", "arena": "arena_bytes"}
UNMEASURED = Measured(None)


def measured(metric: str, state: Measurement, against: Measurement) -> Measured:
    """Read one metric of `targets.METRICS` off a state.

    Args:
        metric: its name.
        state: the state that is judged.
        against: the source (for targets), or the state before (for expects), measured on the same examples.

    Returns:
        The value with its 95 % interval where it has one; a drop is positive where `state` is worse. All None where
        it was not measured, or where the two states were not measured on the same examples.
    """
    if metric == "accuracy":
        ledger = state.ledger
        return Measured(ledger.accuracy, ledger.accuracy_low, ledger.accuracy_high)
    if metric == "accuracy_drop":
        return accuracy_drop(state, against)
    if metric == "worst_class_drop":
        return worst_class_drop(state, against)
    if metric == "bandwidth_reduction":
        return bandwidth_reduction(state.ledger)
    name = FIELDS[metric.removesuffix("_reduction")]
    if not metric.endswith("_reduction"):
        return Measured(figure(state.ledger, name))
    value, before = figure(state.ledger, name), figure(against.ledger, name)
    return Measured(1 - value / before) if value is not None and before else UNMEASURED


def unmeasured(metric: str, state: Measurement, against: Measurement) -> str:
    """Say why a metric has no value, where more is known than that."""
    ledgers = (state.ledger, against.ledger) if metric == "macs_reduction" else (state.ledger,)
    found = dict.fromkeys(name for each in ledgers for name in each.uncounted) if metric.startswith("macs") else {}
    return f"not measured: {uncounted(tuple(found))}" if found else "not measured"


def uncounted(names: tuple[str, ...]) -> str:
    """Say which operators leave the MACs without a figure."""
    return f"no count of the multiplications of {', '.join(names)}"


def figure(ledger: Ledger, name: str) -> float | None:
    """Return one size or count of a ledger."""
    found: int | None = getattr(ledger, name)
    return None if found is None else float(found)


def bandwidth_reduction(ledger: Ledger) -> Measured:
    """Return the share of the sensor's bytes that need not leave the device; unmeasured where no rate is known."""
    sensor, sent = ledger.sensor_bytes_per_second, ledger.sent_bytes_per_second
    return Measured(1 - sent / sensor) if sensor and sent is not None else UNMEASURED


def accuracy_drop(state: Measurement, against: Measurement) -> Measured:
    """Subtract the metric of `state` from that of `against`; the interval is that of the paired difference."""
    now, then = state.ledger.accuracy, against.ledger.accuracy
    if now is None or then is None or not np.array_equal(state.labels, against.labels):
        return UNMEASURED
    metric = cast(MetricName, state.ledger.metric)
    return Measured(then - now, *limits(metric, state.labels, (against.scores, state.scores), state.recordings))


def limits(
    metric: MetricName,
    labels: NDArray[np.int64],
    scores: tuple[NDArray[Any], NDArray[Any]],
    recordings: NDArray[Any] | None,
) -> resampling.Limits:
    """Give the interval of the first scores' metric minus the second's, on the same examples.

    Args:
        labels: (examples,); scores: twice (examples, classes); recordings: (examples,), or None.
    """
    if metric == "accuracy":
        first, second = (each.argmax(axis=1) == labels for each in scores)
        return resampling.of_difference(first, second, recordings)
    before, after = (scorer(metric, labels, each) for each in scores)
    return resampling.of_metric(lambda weights: before(weights) - after(weights), len(labels), recordings)


def worst_class_drop(state: Measurement, against: Measurement) -> Measured:
    """Return the largest drop of a class's recall, with that class's paired interval."""
    if not len(state.labels) or not np.array_equal(state.labels, against.labels):
        return UNMEASURED
    drops = recalls(against.confusion) - recalls(state.confusion)
    worst = int(np.nanargmax(drops))
    members = state.labels == worst
    recordings = None if state.recordings is None else state.recordings[members]
    limits = resampling.of_difference(against.correct[members], state.correct[members], recordings)
    return Measured(float(drops[worst]), *limits)
