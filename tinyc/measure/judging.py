"""The figures that targets and expects bound, read from measured states, with paired intervals for what was lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tinyc.measure import resampling
from tinyc.measure.figures import Latency, Measurement
from tinyc.spec.bounds import Measured
from tinyc.spec.data_keys import MetricName
from tinyc.spec.metrics import METRICS, How
from tinyc.tasks.classification.metrics import recalls, scorer

UNMEASURED = Measured(None)


def measured(metric: str, state: Measurement, against: Measurement) -> Measured:
    """Read one metric of `spec.metrics` off a state.

    Args:
        metric: its name.
        state: the state that is judged.
        against: the source (for targets), or the state before (for expects), measured on the same examples.

    Returns:
        The value with its 95 % interval where it has one; a drop is positive where `state` is worse. All None where
        it was not measured, or where the two states were not measured on the same examples.
    """
    row = METRICS[metric]
    return READ[row.how](row.figure, state, against)


def unmeasured(metric: str, state: Measurement, against: Measurement) -> str:
    """Say why a metric has no value, where more is known than that."""
    row = METRICS[metric]
    if row.how in ("latency", "fps"):
        return state.latency.says if state.latency else "there is no board: name one in [device]"
    ledgers = (state.ledger, against.ledger) if row.how == "reduction" else (state.ledger,)
    found = dict.fromkeys(name for each in ledgers for name in each.uncounted) if row.figure == "macs" else {}
    return f"not measured: {uncounted(tuple(found))}" if found else "not measured"


def uncounted(names: tuple[str, ...]) -> str:
    """Say which operators leave the MACs without a figure."""
    return f"no count of the multiplications of {', '.join(names)}"


def figure(name: str, state: Measurement, _: Measurement) -> Measured:
    """Return one figure of a ledger, with its interval where it has one."""
    found = (getattr(state.ledger, each, None) for each in (name, f"{name}_low", f"{name}_high"))
    value, low, high = (None if each is None else float(each) for each in found)
    return Measured(value, low, high)


def reduction(name: str, state: Measurement, against: Measurement) -> Measured:
    """Return the share of a figure that is gone."""
    value, before = (getattr(each.ledger, name) for each in (state, against))
    return Measured(1 - value / before) if value is not None and before else UNMEASURED


def bandwidth_reduction(sent: str, state: Measurement, _: Measurement) -> Measured:
    """Return the share of the sensor's bytes that need not leave the device; unmeasured where no rate is known."""
    sensor, left = state.ledger.sensor_bytes_per_second, getattr(state.ledger, sent)
    return Measured(1 - left / sensor) if sensor and left is not None else UNMEASURED


def drop(_: str, state: Measurement, against: Measurement) -> Measured:
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


def worst_class_drop(_: str, state: Measurement, against: Measurement) -> Measured:
    """Return the largest drop of a class's recall, with that class's paired interval."""
    if not len(state.labels) or not np.array_equal(state.labels, against.labels):
        return UNMEASURED
    drops = recalls(against.confusion) - recalls(state.confusion)
    worst = int(np.nanargmax(drops))
    members = state.labels == worst
    recordings = None if state.recordings is None else state.recordings[members]
    limits = resampling.of_difference(against.correct[members], state.correct[members], recordings)
    return Measured(float(drops[worst]), *limits)


def latency(_: str, state: Measurement, __: Measurement) -> Measured:
    """Return the seconds of an inference on the recipe's board."""
    return of_latency("latency", state.latency) if state.latency else UNMEASURED


def fps(_: str, state: Measurement, __: Measurement) -> Measured:
    """Return the inferences a second on the recipe's board."""
    return of_latency("fps", state.latency) if state.latency else UNMEASURED


def of_latency(how: How, found: Latency) -> Measured:
    """Read seconds, or inferences a second, off a latency; for the latter the ends of the range change places."""
    if found.seconds is None or found.low is None or found.high is None:
        return UNMEASURED
    if how == "latency":
        return Measured(found.seconds, found.low, found.high, found.basis)
    return Measured(1 / found.seconds, 1 / found.high, 1 / found.low, found.basis)


READ: Mapping[How, Callable[[str, Measurement, Measurement], Measured]] = {
    "figure": figure,
    "reduction": reduction,
    "drop": drop,
    "worst class drop": worst_class_drop,
    "bandwidth": bandwidth_reduction,
    "latency": latency,
    "fps": fps,
}
