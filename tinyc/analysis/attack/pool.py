"""Which examples each shadow trains on: halves of those that are asked about, and all that the target knew besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.analysis.attack.membership_split import MembershipSplit
from tinyc.core.errors import UserError
from tinyc.data.dataset import Dataset, Split

HALVES = 32
"""Stream of the halves, apart from others of the same seed."""
FEWEST = 4


@dataclass(frozen=True)
class Shares:
    """Examples by the unit that a shadow gets whole or not at all: themselves, or their subject or recording.

    Attributes:
        examples: the training split, and after it the test split.
        place: the unit of each, (examples,), or -1.
        background: training examples of which no one asks; every shadow trains on them, as the target did.
        scored: the unit of each example that is asked about, members first.
        units: how many units there are.
    """

    examples: Split
    place: NDArray[np.int64]
    background: NDArray[np.bool_]
    scored: NDArray[np.int64]
    units: int

    def half(self, index: int, seed: int) -> NDArray[np.bool_]:
        """Say which units shadow `index` trains on; two that follow each other share them out."""
        order = np.random.default_rng([seed, HALVES, index // 2]).permutation(self.units)
        first = order < self.units / 2
        return first if index % 2 == 0 else ~first

    def rows(self, index: int, seed: int) -> NDArray[np.int64]:
        """Rows of `examples` that shadow `index` trains on."""
        chosen = np.append(self.half(index, seed), False)
        return np.flatnonzero(self.background | chosen[self.place])


def shares(dataset: Dataset, sides: MembershipSplit) -> Shares:
    """Deal out the units of the examples that are asked about.

    Where the target learnt whole subjects or recordings, so do the shadows: a window whose neighbours a shadow saw is
    none that it did not see. Test examples of other units are in no shadow.

    Raises:
        UserError: there are too few units.
    """
    examples = joined(dataset.train, dataset.test)
    names = examples.ids if sides.unit is None else examples.groups[sides.unit]
    asked = [split.ids if sides.unit is None else split.groups[sides.unit] for split in (sides.members, sides.others)]
    known = np.unique(np.concatenate(asked))
    if len(known) < FEWEST or min(sides.units) < 2:
        problem = (
            f"has {sides.units[0]} values of {sides.unit!r} to train and {sides.units[1]} to test, too few to halve"
        )
        raise UserError(dataset.name, problem, "leave --shadows out, or give data of more of them")
    place = np.where(np.isin(names, known), np.searchsorted(known, names), -1)
    background = (place < 0) & (np.arange(len(examples)) < len(dataset.train))
    return Shares(examples, place, background, np.searchsorted(known, np.concatenate(asked)), len(known))


def joined(first: Split, second: Split) -> Split:
    """Put two splits behind each other, with the columns that both have."""
    both: Mapping[str, Any] = {
        name: np.concatenate([column, second.groups[name]])
        for name, column in first.groups.items()
        if name in second.groups
    }
    x, y, ids = (np.concatenate(pair) for pair in ((first.x, second.x), (first.y, second.y), (first.ids, second.ids)))
    return Split(x, y, ids, both)
