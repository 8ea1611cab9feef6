"""How sure an artifact is of each example's true class, on a scale on which Gaussians fit.

The scale is log(p / (1 - p)) of the true class (Carlini et al. 2022, section V.A). The cross-entropy is a falling
function of it, so that a threshold on the one is a threshold on the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def confidences(outputs: NDArray[Any], labels: NDArray[np.int64], softmax: bool) -> NDArray[np.float64]:
    """Give log(p / (1 - p)) of the true class, (examples,), without going through p where logits are known.

    Args:
        outputs: (examples, classes), dequantized: logits, or probabilities where `softmax`.
        labels: (examples,).
        softmax: the outputs are probabilities. Those that were rounded to 0 or 1 count as half of the least that shows.
    """
    exact = np.asarray(outputs, np.float64).reshape(len(labels), -1)
    rows = np.arange(len(labels))
    if softmax:
        shown = exact[exact > 0]
        least = float(shown.min()) / 2 if len(shown) else 0.5
        p = np.clip(exact[rows, labels], least, 1 - least)
        return np.asarray(np.log(p) - np.log1p(-p))
    others = exact.copy()
    others[rows, labels] = -np.inf
    highest = others.max(axis=1)
    return np.asarray(exact[rows, labels] - highest - np.log(np.exp(others - highest[:, None]).sum(axis=1)))


def losses(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the cross-entropy of each example in nats, from its confidence."""
    return np.asarray(np.logaddexp(0.0, -found))
