"""95 % intervals: of a share, of a difference of shares on the same examples, and of any metric by resampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054
RESAMPLES = 1000
SEED = 20_240_229


def wilson(successes: int, examples: int) -> tuple[float, float]:
    """Give the score interval of a share (Wilson 1927)."""
    share, weight = successes / examples, Z * Z / examples
    centre = (share + weight / 2) / (1 + weight)
    half = Z * math.sqrt(share * (1 - share) / examples + weight / (4 * examples)) / (1 + weight)
    return max(0.0, centre - half), min(1.0, centre + half)


def paired(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[float, float]:
    """Give the interval of the share of `first` minus the share of `second`, on the same examples.

    Method 10 of Newcombe, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", Statistics in Medicine 17 (1998): Wilson's intervals of both shares, joined with their correlation.
    """
    n = len(first)
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    p, q = (both + only_first) / n, (both + only_second) / n
    (p_low, p_high), (q_low, q_high) = wilson(both + only_first, n), wilson(both + only_second, n)
    phi = correlation(both, only_first, only_second, neither)
    down = (p - p_low) ** 2 - 2 * phi * (p - p_low) * (q_high - q) + (q_high - q) ** 2
    up = (p_high - p) ** 2 - 2 * phi * (p_high - p) * (q - q_low) + (q - q_low) ** 2
    return p - q - math.sqrt(max(0.0, down)), p - q + math.sqrt(max(0.0, up))


def correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    """Correlate two paired outcomes, with Newcombe's continuity correction where it is positive."""
    n = both + only_first + only_second + neither
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if margins == 0:
        return 0.0
    product = both * neither - only_first * only_second
    return (max(0.0, product - n / 2) if product > 0 else product) / math.sqrt(margins)


def bootstrap(statistic: Callable[[NDArray[Any]], float], examples: int) -> tuple[float, float]:
    """Give the percentile interval of a statistic over resampled examples (Efron 1979), the same at every call.

    Args:
        statistic: from how often each example was drawn, (examples,), to the value.
        examples: how many examples there are.
    """
    random = np.random.default_rng(SEED)
    draws = (random.integers(0, examples, examples) for _ in range(RESAMPLES))
    values = [statistic(np.bincount(draw, minlength=examples)) for draw in draws]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
