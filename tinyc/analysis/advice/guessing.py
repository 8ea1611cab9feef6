"""What guessing gives, by metric, and whether a figure differs from it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tinyc.measure import Ledger
from tinyc.measure.intervals import wilson

MOSTLY = 0.95
"""A network that says one class of so many examples says nothing else."""


def chance(metric: str, labels: NDArray[np.int64], classes: int) -> float:
    """Return what the best guess without a look at the examples scores, a fraction.

    Accuracy: always the most frequent label. F1, macro: each label as often as it occurs, one over the classes that
    occur. AUC: a half.

    Args:
        labels: (examples,), in [0, classes).
    """
    counts = np.bincount(labels, minlength=classes)
    if metric == "auc":
        return 0.5
    if metric == "f1":
        return 1 / int((counts > 0).sum())
    return max(float(counts.max() / len(labels)), 1 / classes)


def is_guessing(ledger: Ledger, labels: NDArray[np.int64], classes: int) -> bool:
    """Say whether the metric is not above chance: its 95 % interval, or the figure itself, does not lie above it."""
    if ledger.accuracy is None or not math.isfinite(ledger.accuracy):
        return False
    low = ledger.accuracy if ledger.accuracy_low is None else ledger.accuracy_low
    return low <= chance(ledger.metric, labels, classes)


def beats_guessing(right: int, examples: int, share: float) -> bool:
    """Say whether so many right answers lie above a share, by the lower end of Wilson's 95 % interval."""
    return examples > 0 and wilson(right, examples)[0] > share


def only_answer(predicted: NDArray[np.int64]) -> int | None:
    """Return the class that nearly all examples are taken for; None where there is none."""
    counts = np.bincount(predicted)
    top = int(counts.argmax())
    return top if counts[top] >= MOSTLY * len(predicted) else None


def order(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64] | None:
    """Find the output that each label comes out as, (classes,), where the classes stand in another order.

    It is read off one half of the examples and has to be right on the other: by more than half of what lies between
    guessing and perfection. None where it is not, or where every label is its own output.
    """
    given, held = np.array_split(np.random.default_rng(0).permutation(len(labels)), 2)
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (labels[given], predicted[given]), 1)
    found = matched(table)
    if (found == np.arange(classes)).all() or not len(labels[held]):
        return None
    share = chance("accuracy", labels, classes)
    right = int((found[labels[held]] == predicted[held]).sum())
    return found if beats_guessing(right, len(labels[held]), (1 + share) / 2) else None


def matched(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each label (row) an output (column) of its own, the most frequent pairs first."""
    found = np.full(len(table), -1, np.int64)
    for pair in np.argsort(-table, axis=None, kind="stable"):
        label, output = divmod(int(pair), len(table))
        if found[label] < 0 and output not in found:
            found[label] = output
    return found
