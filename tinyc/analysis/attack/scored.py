"""Scores of members and of others, and what they tell the two apart by: area, advantage, rates at few false alarms."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.measure import resampling
from tinyc.measure.intervals import SEED, Z, wilson
from tinyc.measure.resampling import RESAMPLES, Limits

BLOCK = 100
"""Resamples that are drawn at once."""
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval; no limits where nothing could be resampled."""

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, value: float, limits: Limits) -> Figure:
        return cls(value, *limits)


@dataclass(frozen=True)
class Scored:
    """A score for each example, high where it looks like a member's.

    Attributes:
        members: scores of examples that were trained on, (members,).
        others: scores of those that were not, (others,).
        groups: what each member and each other stands or falls with (its recording), or None where it is by itself.
    """

    members: Values
    others: Values
    groups: tuple[NDArray[Any], NDArray[Any]] | None = None

    def places(self) -> tuple[tuple[NDArray[np.int64], int], tuple[NDArray[np.int64], int]]:
        """Assign a number to each group of both sides; without groups, to each example."""
        if self.groups is None:
            return (np.arange(len(self.members)), len(self.members)), (np.arange(len(self.others)), len(self.others))
        return resampling.numbered(self.groups[0]), resampling.numbered(self.groups[1])


def auc(scored: Scored) -> Figure:
    """Give the chance that a member scores above another example, ties half, with its interval.

    DeLong, DeLong and Clarke-Pearson 1988; where there are groups, both sides' are drawn anew, whole. Where one side
    lies wholly above the other, neither shows a spread, and the interval is Newcombe's with each group as one example.
    """
    beaten = wins(scored.members, scored.others)
    value = float(beaten.mean())
    (_, first), (_, second) = scored.places()
    if scored.groups is not None and min(first, second) < 2:
        return Figure(value, None, None)
    if value in (0.0, 1.0):
        return Figure.of(value, at_the_end(value, first, second))
    if scored.groups is None:
        lost = wins(scored.others, scored.members)
        half = Z * math.sqrt(variance(beaten) + variance(lost))
        return Figure(value, max(0.0, value - half), min(1.0, value + half))
    return Figure.of(value, resampling.percentiles(areas(scored)))


def wins(scores: Values, against: Values) -> Values:
    """Give for each score the share of `against` that lies below it, ties half."""
    ordered = np.sort(against)
    below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return np.asarray(below / (2 * len(against)))


def variance(parts: Values) -> float:
    """Variance of a mean."""
    return float(parts.var(ddof=1)) / len(parts) if len(parts) > 1 else 0.0


def areas(scored: Scored) -> Values:
    """Resample the area over groups, (RESAMPLES,): each pair of groups has a fixed number of wins."""
    (place, count), (other_place, other_count) = scored.places()
    won = np.zeros((count, other_count))
    for group in range(other_count):
        against = scored.others[other_place == group]
        won[:, group] = np.bincount(place, wins(scored.members, against) * len(against), minlength=count)
    sizes, other_sizes = np.bincount(place), np.bincount(other_place)
    found = [
        np.einsum("rc,cd,rd->r", a, won, b, optimize=True) / ((a @ sizes) * (b @ other_sizes))
        for a, b in zip(draws(count, 0), draws(other_count, 1), strict=True)
    ]
    return np.concatenate(found)


def draws(count: int, stream: int) -> Iterator[NDArray[np.int64]]:
    """Draw groups with replacement, in blocks of (resamples, groups); the sides have streams of their own."""
    random = np.random.default_rng([SEED, stream])
    for _ in range(RESAMPLES // BLOCK):
        yield random.multinomial(count, np.full(count, 1 / count), BLOCK)


def at_the_end(value: float, members: int, others: int) -> Limits:
    """Give the interval of an area of 0 or 1: all areas from which it is at most 1.96 deviations away.

    Method 5 of Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic,
    part 2", Statistics in Medicine 25 (2006).
    """
    average = (members + others) / 2 - 1

    def near(area: float) -> bool:
        spread = 1 + average * ((1 - area) / (2 - area) + area / (1 + area))
        return (1 - area) ** 2 <= Z * Z * area * (1 - area) * spread / (members * others)

    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if near(middle) else (middle, high)
    return (high, 1.0) if value else (0.0, 1.0 - high)


def advantage(scored: Scored, seed: int) -> Figure:
    """Give true minus false alarms, that is twice the balanced accuracy less one (Yeom et al. 2018, definition 4).

    The threshold for each half of the examples is the best one for the other half, so that it is judged where it was
    not chosen. Groups stay whole, but for a single one. The interval takes the thresholds as given.
    """
    (place, count), (other_place, other_count) = scored.places()
    random = np.random.default_rng(seed)
    first, second = halves(place, count, random), halves(other_place, other_count, random)
    named, falsely = np.zeros(len(place), bool), np.zeros(len(other_place), bool)
    for half in (False, True):
        least = threshold(scored.members[first == half], scored.others[second == half])
        named[first != half] = scored.members[first != half] >= least
        falsely[second != half] = scored.others[second != half] >= least
    value = float(named.mean() - falsely.mean())
    if scored.groups is None:
        return Figure.of(value, difference(named, falsely))
    if min(count, other_count) < 2:
        return Figure(value, None, None)
    parts = [
        (a @ np.bincount(place, named)) / (a @ np.bincount(place))
        - (b @ np.bincount(other_place, falsely)) / (b @ np.bincount(other_place))
        for a, b in zip(draws(count, 0), draws(other_count, 1), strict=True)
    ]
    return Figure.of(value, resampling.percentiles(np.concatenate(parts)))


def halves(place: NDArray[np.int64], count: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Put half of the groups into the first half, (examples,); of a single one, half of its examples."""
    if count < 2:
        place, count = np.arange(len(place)), len(place)
    chosen: NDArray[np.bool_] = random.permutation(count)[place] < count / 2
    return chosen


def threshold(members: Values, others: Values) -> float:
    """Give the score from which on to say "member", so that true minus false alarms are most."""
    candidates = np.append(np.unique(np.concatenate([members, others])), np.inf)
    true = 1 - np.searchsorted(np.sort(members), candidates, "left") / len(members)
    false = 1 - np.searchsorted(np.sort(others), candidates, "left") / len(others)
    return float(candidates[int((true - false).argmax())])


def difference(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Limits:
    """Give the interval of a difference of two shares of different examples (Newcombe 1998, method 10 for two)."""
    (p, n), (q, m) = (float(first.mean()), len(first)), (float(second.mean()), len(second))
    (p_low, p_high), (q_low, q_high) = wilson(int(first.sum()), n), wilson(int(second.sum()), m)
    down, up = math.hypot(p - p_low, q_high - q), math.hypot(p_high - p, q - q_low)
    return p - q - down, p - q + up


def true_rate(scored: Scored, false_rate: float) -> float | None:
    """Give the share of members found at no more than this share of false alarms; None below 1 / rate others."""
    allowed = math.floor(false_rate * len(scored.others) + 1e-9)
    if allowed < 1:
        return None
    above = float(np.sort(scored.others)[-1 - allowed])
    return float((scored.members > above).mean())
