"""What is wrong with an answer: a client that sends nonsense is named, and its update is not used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinyc.federation import records

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADER_BYTES = 4096
"""Most bytes that an array's header may add to its data."""
MOST_EXAMPLES = 10_000_000
"""What a client may say at most that it trained on: an answer's weight in the average."""
MOST_LOSS = 1e12
MOST_METRICS = 16
METRIC_NAME = 64
"""Most metrics of a client's own, and characters of their names."""


def complaint(content: Any, sent: Mapping[str, NDArray[Any]], max_update: float) -> str | None:
    """Say why an answer's weights cannot be used, or None: names, shapes, types, values, size of the update.

    `max_update` bounds the norm of the update, in units of the norm of `sent`.
    A strategy that expects something else than weights has a method `complaint` of the same form.
    """
    record = content.array_records.get("arrays")
    if record is None:
        return "it has no arrays"
    problem = wrong_names(record, sent) or wrong_forms(record, sent)
    if problem:
        return problem
    try:
        arrays = records.unpacked(record)
    except Exception as error:  # a stranger's bytes make NumPy, zipfile and Python's parser raise of all kinds
        return f"an array cannot be read: {error}"
    return wrong_values(arrays, sent) or too_far(arrays, sent, max_update)


def wrong_names(record: Any, sent: Mapping[str, Any]) -> str | None:
    missing, unknown = sorted(set(sent) - set(record)), sorted(set(record) - set(sent))
    if missing:
        return f"{missing[0]} is missing"
    return f"{unknown[0][:80]!r} was not asked for" if unknown else None


def wrong_forms(record: Any, sent: Mapping[str, Any]) -> str | None:
    """Compare what arrays say of themselves, before anything is unpacked: a short array cannot claim a huge one."""
    for name, expected in sent.items():
        array = record[name]
        if tuple(array.shape) != expected.shape:
            return f"{name} has shape {tuple(array.shape)} instead of {expected.shape}"
        if array.dtype != str(expected.dtype):
            return f"{name} has type {array.dtype} instead of {expected.dtype}"
        if len(array.data) > expected.nbytes + HEADER_BYTES:
            return f"{name} has {len(array.data)} bytes instead of {expected.nbytes}"
    return None


def wrong_values(arrays: Mapping[str, NDArray[Any]], sent: Mapping[str, NDArray[Any]]) -> str | None:
    import numpy as np

    for name, expected in sent.items():
        found = arrays[name]
        if found.shape != expected.shape or found.dtype != expected.dtype:
            return f"{name} holds {found.dtype} {found.shape} instead of {expected.dtype} {expected.shape}"
        if not np.all(np.isfinite(found)):
            return f"{name} has values that are NaN or infinite"
    return None


def too_far(arrays: Mapping[str, NDArray[Any]], sent: Mapping[str, NDArray[Any]], max_update: float) -> str | None:
    import numpy as np

    differences = [arrays[name].astype(np.float64) - sent[name] for name in sent]
    update, before = norm(differences), norm(sent.values())
    if update <= max_update * before:
        return None
    return f"its update has norm {update:.3g}, more than max_update = {max_update:g} times the weights' {before:.3g}"


def norm(arrays: Any) -> float:
    """Give the L2 norm of all arrays together."""
    import numpy as np

    return math.sqrt(sum(float(np.sum(np.square(array, dtype=np.float64))) for array in arrays))


def wrong_metrics(content: Any) -> str | None:
    """Say why an answer's figures cannot be used, or None."""
    metrics = content.metric_records.get("metrics")
    if metrics is None:
        return "it has no metrics"
    examples, loss = metrics.get("num-examples"), metrics.get("loss")
    if type(examples) is not int or not 1 <= examples <= MOST_EXAMPLES:
        return f"it trained on {examples} examples"
    if type(loss) not in (int, float) or not abs(loss) <= MOST_LOSS:
        return f"its loss is {loss}"
    if len(metrics) > MOST_METRICS or any(len(name) > METRIC_NAME or not name.isprintable() for name in metrics):
        return f"it has {len(metrics)} metrics, or such as have no plain name"
    return None
