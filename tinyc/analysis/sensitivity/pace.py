"""How long the measuring will take, said before it begins; a slow network is measured on fewer examples."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tinyc.data.dataset import TrainingData
from tinyc.data.task import Task
from tinyc.training.predict import Predict, predictor
from tinyc.training.probe import Probe

BATCH = 64
"""Examples of an inference: few enough that fewer examples cost less time."""
LIMIT_SECONDS = 10 * 60.0
"""For the measuring, so that with the start, on a machine that others use too, it ends in a quarter of an hour."""


@dataclass(frozen=True)
class Pace:
    """A network's compiled inference, and the seconds that a batch of it takes."""

    predict: Predict
    batch_seconds: float

    def seconds(self, probes: int, examples: int) -> float:
        """Foretell how long `probes` take."""
        return probes * -(-examples // BATCH) * self.batch_seconds

    def affordable(self, probes: int, examples: int) -> int:
        """Lessen `examples` to what `probes` can afford: whole batches, at least one."""
        batches = int(LIMIT_SECONDS / (max(probes, 1) * max(self.batch_seconds, 1e-9)))
        return min(examples, max(batches, 1) * BATCH)


def measure(model: Any, data: TrainingData, task: Task, seed: int) -> Pace:
    """Compile a network's inference, and time one batch of it."""
    probe = Probe(model, data, task, seed, BATCH)
    probe.predict = predictor(model, BATCH)
    probe.score()
    began = time.monotonic()
    probe.score()
    return Pace(probe.predict, time.monotonic() - began)


def probe_of(pace: Pace, model: Any, data: TrainingData, task: Task, seed: int, examples: int) -> Probe:
    """Make a probe that uses the inference already compiled."""
    probe = Probe(model, data, task, seed, examples)
    probe.predict = pace.predict
    return probe
