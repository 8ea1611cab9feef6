"""Who is asked about: examples that were trained on, as many that were not, and what the two differ in besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.data.cutting import take
from tinyc.data.dataset import Dataset, Split

RECORDING = "recording"
FEWEST = 8
DRAW = 31
"""Stream of the random draw of examples, apart from others of the same seed."""


@dataclass(frozen=True)
class MembershipSplit:
    """Members and others, as many of each.

    Attributes:
        members: examples of the training split.
        others: examples of the test split, which no pass sees.
        unit: the column whose values are wholly on one side (subject, recording), the coarsest; None where examples
            were dealt one by one.
        cluster: the column whose values intervals draw anew, or None.
        units: how many values of `unit` there are among the members and among the others.
    """

    members: Split
    others: Split
    unit: str | None
    cluster: str | None
    units: tuple[int, int]

    def groups(self) -> tuple[NDArray[Any], NDArray[Any]] | None:
        if self.cluster is None:
            return None
        return self.members.groups[self.cluster], self.others.groups[self.cluster]


def draw(dataset: Dataset, examples: int, seed: int) -> MembershipSplit:
    """Draw at most so many of each side, as many of the one as of the other.

    Raises:
        UserError: there are too few to tell anything.
    """
    count = min(examples, len(dataset.train), len(dataset.test))
    if count < FEWEST:
        problem = f"has {len(dataset.train)} training and {len(dataset.test)} test examples, too few to tell apart"
        raise UserError(dataset.name, problem, f"give at least {FEWEST} of each")
    members = sample(dataset.train, count, seed)
    others = sample(dataset.test, count, seed)
    unit = coarsest(dataset.train.groups, dataset.test.groups)
    cluster = RECORDING if RECORDING in members.groups and RECORDING in others.groups else unit
    return MembershipSplit(members, others, unit, cluster, (values(members, unit), values(others, unit)))


def sample(split: Split, count: int, seed: int) -> Split:
    """Draw examples of a split, in their order."""
    rows = np.random.default_rng([seed, DRAW]).choice(len(split), min(count, len(split)), replace=False)
    return take(split, np.sort(rows))


def values(split: Split, column: str | None) -> int:
    """Count the different values of a column; of none, the examples."""
    return len(split) if column is None else len(np.unique(split.groups[column]))


def coarsest(train: Mapping[str, NDArray[Any]], test: Mapping[str, NDArray[Any]]) -> str | None:
    """Find the column of fewest values that has none on both sides, and at least two on each where one has."""
    found = []
    for name in train:
        first, second = set(train[name].tolist()), set(test[name].tolist()) if name in test else set()
        if second and not first & second:
            found.append((min(len(first), len(second)) < 2, len(first) + len(second), name))
    return min(found)[2] if found else None
