"""The losses against their formulas in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyc.tasks.classification.objectives import cross_entropy, distillation, divergence, imitation

RANDOM = np.random.default_rng(0)
STUDENT, TEACHER = (RANDOM.standard_normal((6, 4)).astype(np.float32) * 3 for _ in range(2))
TRUTH = np.array([0, 1, 2, 3, 0, 1], np.int32)


def log_softmax(logits: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))


def kullback_leibler(temperature: float) -> float:
    log_p, log_q = log_softmax(TEACHER / temperature), log_softmax(STUDENT / temperature)
    return float((np.exp(log_p) * (log_p - log_q)).sum(-1).mean())


def entropy(smoothing: float = 0.0) -> float:
    target = np.eye(4)[TRUTH] * (1 - smoothing) + smoothing / 4
    return float(-(target * log_softmax(STUDENT)).sum(-1).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy(smoothing: float) -> None:
    assert float(cross_entropy(STUDENT, TRUTH, smoothing)) == pytest.approx(entropy(smoothing), rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_divergence(temperature: float) -> None:
    assert float(divergence(TEACHER, STUDENT, temperature)) == pytest.approx(kullback_leibler(temperature), rel=1e-4)
    assert float(divergence(TEACHER, TEACHER + 5, temperature)) == pytest.approx(0, abs=1e-5)


def test_distillation_weighs_both_parts() -> None:
    loss = distillation(4.0, 0.7, 0.1, lambda epoch: (0, epoch), lambda *_: ()).loss
    expected = 0.7 * 16 * kullback_leibler(4.0) + 0.3 * entropy(0.1)
    assert float(loss(STUDENT, TRUTH, (TEACHER,))) == pytest.approx(expected, rel=1e-4)


def test_hints_are_weighted_squared_distances() -> None:
    loss = imitation((2.0, 0.5), lambda epoch: (0, epoch), lambda *_: ()).loss
    got = float(loss([STUDENT, TEACHER], TRUTH, (TEACHER, TEACHER * 2)))
    expected = 2 * np.square(STUDENT - TEACHER).mean() + 0.5 * np.square(TEACHER).mean()
    assert got == pytest.approx(float(expected), rel=1e-5)
