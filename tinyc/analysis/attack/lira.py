"""The likelihood ratio attack (Carlini et al. 2022): how likely a network with this confidence saw the example.

Each example is compared with itself, in networks that saw it and in networks that did not, so that a hard example is
no less suspicious than an easy one, and people who differ are not taken for people who are remembered.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

ONLINE = 16
"""Shadows from which on both Gaussians are fitted; with fewer, that of networks without the example alone."""
OWN_SPREAD = 64
"""Shadows from which on each example has a spread of its own; with fewer, all share one (the paper's section VI.B)."""
LEAST = 1e-6
Values = NDArray[np.float64]
Method = Literal["online", "offline"]


def scores(target: Values, shadows: Values, trained: NDArray[np.bool_]) -> tuple[Values, Method]:
    """Score each example: high where the target's confidence is that of a network that saw it.

    Each network's confidences are first shifted and stretched to mean 0 and deviation 1 over the examples, the same
    for members and others: target and shadows differ in how long they trained, in temperature and in rounding.

    Args:
        target: confidences of the artifact, (examples,).
        shadows: confidences of each shadow, (shadows, examples).
        trained: whether the shadow saw the example, (shadows, examples); each example by at least one and not by all.

    Returns:
        online: log N(c; in) - log N(c; out); offline: the deviations that c lies above the mean of `out`.
    """
    mine, theirs = standard(target[None])[0], standard(shadows)
    out, spread_out = gaussian(theirs, ~trained)
    if len(shadows) < ONLINE:
        return (mine - out) / spread_out, "offline"
    seen, spread_in = gaussian(theirs, trained)
    return log_density(mine, seen, spread_in) - log_density(mine, out, spread_out), "online"


def standard(rows: Values) -> Values:
    """Shift and stretch each row to mean 0 and deviation 1."""
    spread = np.maximum(rows.std(axis=1, keepdims=True), LEAST)
    return np.asarray((rows - rows.mean(axis=1, keepdims=True)) / spread)


def gaussian(rows: Values, chosen: NDArray[np.bool_]) -> tuple[Values, Values]:
    """Fit a mean for each example over the chosen shadows, and a deviation, of its own or of all; (examples,) each."""
    counts = chosen.sum(axis=0)
    means = np.where(chosen, rows, 0.0).sum(axis=0) / counts
    squares = np.where(chosen, (rows - means) ** 2, 0.0).sum(axis=0)
    if len(rows) >= OWN_SPREAD:
        return means, np.maximum(np.sqrt(squares / (counts - 1)), LEAST)
    free = float((counts - 1).sum())
    shared = float(np.sqrt(squares.sum() / free)) if free else 1.0
    return means, np.full(len(means), max(shared, LEAST))


def log_density(values: Values, means: Values, spreads: Values) -> Values:
    """Log density of a Gaussian, up to a constant."""
    return np.asarray(-np.log(spreads) - (values - means) ** 2 / (2 * spreads**2))
