"""A dataset with its splits kept apart: what trains, what validates, and what only the ledger may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data.task import Task
from tinyc.data.text.lexicon import Lexicon

GREY = "are read as grey images"


@dataclass(frozen=True)
class Split:
    """Examples with their labels and the ids that follow them through every pass.

    Attributes:
        x: raw examples, (examples, *input_shape), uint8 or float32, before `scale` and `offset`;
            or sentences, (examples,) objects of type str, before they are tokenized.
        y: labels, (examples,), int64 in [0, classes).
        ids: (examples,), int64, unique over the whole dataset; randomness is drawn from them.
        groups: what else is known of each example, by column (subject, recording, ...), each (examples,).
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    ids: NDArray[np.int64]
    groups: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class TrainingData:
    """What a pass may see: never the test split.

    `calibration` is drawn from `train`, class by class in turn. `lexicon` knows the neighbours of the words of `train`,
    where the source has vectors for words.
    """

    task: Task
    train: Split
    validation: Split
    calibration: Split
    digest: str
    lexicon: Lexicon | None = None


@dataclass(frozen=True)
class Dataset:
    """A whole dataset; `test` is for the ledger alone.

    `digest` is the SHA-256 of the data's bytes, and of the keys of `[data]` that shape its splits; it enters
    every step's key. `warnings` say what was noticed and let pass, one line each.
    """

    name: str
    task: Task
    train: Split
    validation: Split
    calibration: Split
    test: Split
    digest: str
    warnings: tuple[str, ...] = ()
    lexicon: Lexicon | None = None

    def without_channel(self) -> Dataset:
        """Give examples of (height, width, 1) as (height, width), which are a signal's time steps and channels."""
        splits = {
            name: replace(split, x=split.x[..., 0])
            for name in ("train", "validation", "calibration", "test")
            for split in [getattr(self, name)]
        }
        notes = tuple(note for note in self.warnings if GREY not in note)
        shape = self.task.input_shape[:-1]
        return replace(self, task=replace(self.task, input_shape=shape), warnings=notes, **splits)

    def for_training(self) -> TrainingData:
        return TrainingData(self.task, self.train, self.validation, self.calibration, self.digest, self.lexicon)
