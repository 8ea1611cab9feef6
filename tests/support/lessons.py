"""A few hundred real images, a tiny network and a context, for tests that train."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from support import contexts, datasets
from tinyc.data.dataset import TrainingData
from tinyc.network import backend
from tinyc.network.contract import Context
from tinyc.network.state import Net

TASK = datasets.CLOTHES


def lesson(train: int = 200, validation: int = 60) -> TrainingData:
    held = slice(600, 600 + validation)
    return datasets.training(TASK, datasets.clothes(700), slice(train), held, slice(20), f"digest-{train}")


def network(width: int = 8, seed: int = 1, dropout: float = 0.0) -> Any:
    """Two convolutions, batch normalization and a head of logits."""
    keras = backend.keras()
    layers = keras.layers
    backend.seed_everything(seed)
    image = keras.Input((28, 28, 1), name="image")
    x = layers.Conv2D(width, 5, 4, name="first")(image)
    x = layers.ReLU(name="first_relu")(layers.BatchNormalization(name="norm")(x))
    x = layers.Conv2D(2 * width, 3, 2, activation="relu", name="second")(x)
    x = layers.Dropout(dropout, name="drop")(layers.Flatten(name="flat")(x))
    return keras.Model(image, layers.Dense(10, name="logits")(x))


def digest(model: Any) -> str:
    return hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()


@dataclass
class Notes:
    """A progress that keeps what it is told; `fail_at` raises once so many examples are done, like a killed run."""

    fail_at: int | None = None
    said: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    done: int = 0

    def start(self, title: str, total: int) -> None:
        self.titles.append(title)
        self.done = 0

    def advance(self, amount: int, note: str = "") -> None:
        self.done += amount
        if self.fail_at is not None and self.done >= self.fail_at:
            raise KeyboardInterrupt

    def finish(self) -> None: ...

    def say(self, text: str) -> None:
        self.said.append(text)


def context(folder: Path, data: TrainingData | None = None) -> Context:
    """Lend examples and an untrained source; paths are found in the folder, and what is said is kept."""
    made = contexts.context(folder, data or lesson(), Net(network(), TASK))
    return replace(made, find=folder.joinpath, progress=Notes())


def notes(lent: Context) -> Notes:
    """What was said to the progress of a context."""
    assert isinstance(lent.progress, Notes)
    return lent.progress
