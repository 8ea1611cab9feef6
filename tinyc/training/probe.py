"""What a change of one layer's weights costs, on a few validation examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data.dataset import TrainingData
from tinyc.data.inputs import inputs
from tinyc.data.task import Task
from tinyc.training.predict import predictor

EXAMPLES = 512


@dataclass(frozen=True)
class Score:
    """Accuracy (a fraction) and mean cross-entropy (nats) on `examples` examples."""

    accuracy: float
    loss: float
    examples: int


class Probe:
    """A network's score on at most `EXAMPLES` validation examples (training ones where none are set aside).

    Changes of weights are tried in place and taken back, so that the inference compiled once serves all of them.
    The network must be a copy of the caller's own.
    """

    def __init__(self, model: Any, data: TrainingData, task: Task, seed: int, examples: int = EXAMPLES) -> None:
        self.split = "validation" if len(data.validation) else "train"
        split = getattr(data, self.split)
        count = min(examples, len(split))
        rows = np.sort(np.random.default_rng(seed).choice(len(split), count, replace=False))
        self.model = model
        self.x, self.y = inputs(split.x[rows], task), split.y[rows]
        self.predict = predictor(model)

    def score(self) -> Score:
        """Score the network as it is now."""
        logits = np.asarray(self.predict(self.x)[0], np.float64).reshape(len(self.y), -1)
        shifted = logits - logits.max(axis=1, keepdims=True)
        chosen = shifted[np.arange(len(self.y)), self.y]
        loss = float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - chosen))
        return Score(float((logits.argmax(axis=1) == self.y).mean()), loss, len(self.y))

    def with_weights(self, changed: Mapping[str, list[NDArray[Any]]]) -> Score:
        """Score the network with other weights in the named layers, and put the old ones back."""
        with self.changed(changed):
            return self.score()

    @contextmanager
    def changed(self, changed: Mapping[str, list[NDArray[Any]]]) -> Iterator[None]:
        """Hold other weights in the named layers while the block runs."""
        before = {name: self.model.get_layer(name).get_weights() for name in changed}
        try:
            for name, weights in changed.items():
                self.model.get_layer(name).set_weights(weights)
            yield
        finally:
            for name, weights in before.items():
                self.model.get_layer(name).set_weights(weights)
