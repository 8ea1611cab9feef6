"""Windows of people: those of the test split move less clearly, so that any network is less sure of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyc.data.dataset import Dataset, Split
from tinyc.data.task import Task
from tinyc.network import backend

CLASSES = ("rest", "turn")
FEATURES = 4


def dataset(subjects: int = 24, windows: int = 20, grouped: bool = True, clear: float = 0.6) -> Dataset:
    """Half of the subjects train, the others test; `clear` is how far the classes lie apart in the test split."""
    random = np.random.default_rng(6)
    place = np.repeat(np.arange(subjects), windows)
    y = (np.arange(len(place)) % 2).astype(np.int64)
    tests = place >= subjects // 2
    apart = np.where(tests, clear, 2.0)
    x = random.normal(size=(len(place), FEATURES)) + (apart * (2 * y - 1))[:, None] * np.array([1.0, 0.5, 0, 0])
    columns = {"subject": place, "recording": place * 2 + (np.arange(len(place)) % windows >= windows // 2)}

    def part(rows: Any) -> Split:
        groups = {name: column[rows] for name, column in columns.items()} if grouped else {}
        return Split(x[rows].astype(np.float32), y[rows], rows, groups)

    train, test = part(np.flatnonzero(~tests)), part(np.flatnonzero(tests))
    return Dataset("people", Task(CLASSES, (FEATURES,)), train, part(np.arange(0)), train, test, "digest")


def network() -> Any:
    """A linear classifier, which has no room to remember anyone."""
    backend.seed_everything(1)
    keras = backend.keras()
    given = keras.Input((FEATURES,))
    return keras.Model(given, keras.layers.Dense(2, name="logits")(given))
