"""The task's metrics on weighted examples: weights of 1 give the metric itself, resampling counts its bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.spec.data_keys import MetricName

Weights = NDArray[Any]
Scorer = Callable[[Weights], float]


def scorer(metric: MetricName, labels: NDArray[np.int64], scores: NDArray[Any]) -> Scorer:
    """Prepare a metric over (examples, classes) scores, to be evaluated for many weightings of the examples."""
    if metric == "auc":
        return macro_auc(labels, probabilities(scores))
    predicted = scores.argmax(axis=1)
    if metric == "f1":
        return macro_f1(labels, predicted, scores.shape[1])
    right = predicted == labels
    return lambda weights: float(weights[right].sum() / weights.sum())


def macro_f1(labels: NDArray[np.int64], predicted: NDArray[Any], classes: int) -> Scorer:
    """F1 averaged over the classes that occur in labels or predictions, each class alike."""
    cells = labels * classes + predicted

    def score(weights: Weights) -> float:
        table = np.bincount(cells, weights, minlength=classes * classes).reshape(classes, classes)
        occurring = table.sum(axis=0) + table.sum(axis=1)
        shown = occurring > 0
        return float(np.mean(2 * np.diag(table)[shown] / occurring[shown]))

    return score


def macro_auc(labels: NDArray[np.int64], odds: NDArray[Any]) -> Scorer:
    """Area under the ROC curve of each class against the rest, averaged over the classes; ties count half.

    The area is the chance that a random example of the class scores above a random other (Hanley & McNeil 1982).
    """
    prepared = []
    for one in range(odds.shape[1]):
        order = np.argsort(odds[:, one], kind="stable")
        ordered = odds[order, one]
        groups = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        prepared.append((order, labels[order] == one, groups))

    def score(weights: Weights) -> float:
        areas = [area(weights[order], positive, groups) for order, positive, groups in prepared]
        known = [found for found in areas if found is not None]
        return float(np.mean(known)) if known else float("nan")

    return score


def area(weights: Weights, positive: NDArray[np.bool_], groups: NDArray[Any]) -> float | None:
    """Return one class's area over examples in ascending order; `groups` are the starts of runs of equal scores."""
    above = np.add.reduceat(np.where(positive, weights, 0), groups)
    below = np.add.reduceat(np.where(positive, 0, weights), groups)
    pairs = above.sum() * below.sum()
    if not pairs:
        return None
    return float((above * (np.cumsum(below) - below / 2)).sum() / pairs)


def probabilities(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Turn logits into probabilities; an artifact may give (quantized) probabilities already."""
    exact = scores.astype(np.float64)
    if are_probabilities(exact):
        return exact
    return softmax(exact)


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Turn logits, (examples, classes), into probabilities."""
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def are_probabilities(scores: NDArray[Any]) -> bool:
    """Say whether scores, (examples, classes), are probabilities already, if in steps of 1/256 as an artifact's are.

    Each is then off by up to half a step, and the sum by as much for each class.
    """
    apart = 0.05 + scores.shape[1] / 512
    return bool((scores >= 0).all() and (scores < 1.001).all() and (np.abs(scores.sum(axis=1) - 1) < apart).all())


def recalls(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of each true class that was found, (classes,); NaN for a class without examples."""
    totals = confusion.sum(axis=1).astype(np.float64)
    return np.divide(np.diag(confusion), totals, out=np.full(len(totals), np.nan), where=totals > 0)
