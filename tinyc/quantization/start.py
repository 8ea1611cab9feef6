"""What a training under int8 rounding begins with, beside what post-training quantization makes of the same network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core import units
from tinyc.core.errors import UserError
from tinyc.data.task import Task
from tinyc.measure import resampling
from tinyc.network.contract import Context
from tinyc.quantization.convert import to_int8_tflite
from tinyc.quantization.effect import Gauge
from tinyc.spec.passes.quantize import Begun
from tinyc.training.predict import predictor

CALIBRATED = 100
"""Most samples that set the ranges of post-training quantization here."""
FAR = 0.02
"""What is far below, as a fraction of the examples: the whole 95 % interval of the difference lies beyond it."""


@dataclass(frozen=True)
class Start:
    """Accuracies before any training, fractions of `examples`; None where no interpreter could run the artifact.

    Attributes:
        wrapped: of the network in wrappers, rounding at the ranges that it starts with.
        post_training: of the same network quantized without training.
        change: the first minus the second, with the ends of its 95 % interval, on the same examples.
    """

    wrapped: float
    post_training: float | None
    change: tuple[float | None, float | None, float | None]
    examples: int
    split: str

    @property
    def is_far(self) -> bool:
        high = self.change[2]
        return high is not None and high < -FAR

    def to_json(self) -> Begun:
        change, low, high = (None if each is None else round(each, 6) for each in self.change)
        return {
            "accuracy": self.wrapped, "ptq_accuracy": self.post_training, "change": change,
            "change_low": low, "change_high": high, "examples": self.examples, "split": self.split,
        }  # fmt: skip

    def warning(self) -> str:
        """Say that the training has to win back first what wrapping lost."""
        change, low, high = (units.show(each, "pp") for each in self.change)
        return (
            f"right after wrapping, before any training, {units.show(self.wrapped, 'fraction')} of {self.examples} "
            f"{self.split} examples are right, and {units.show(self.post_training, 'fraction')} after post-training "
            f"quantization of the same network ({change}, {low} to {high}): training under int8 rounding has to win "
            'that back first; look at the layers that were left alone, or write how = "ptq"'
        )


def start(
    wrapped: Any, model: Any, samples: NDArray[Any], per_channel_dense: bool, task: Task, context: Context
) -> Start:
    """Judge a network in wrappers and its post-training quantization on at most 512 examples.

    Args:
        model: the network that was wrapped.
        samples: (examples, *input_shape) as the network sees them, to set ranges by.
    """
    gauge = Gauge(model, context.data, task, context.seed)
    mine = gauge.right(predictor(wrapped)(gauge.x)[0])
    places = np.linspace(0, len(samples) - 1, min(CALIBRATED, len(samples))).astype(int)
    theirs = None
    try:
        outputs = gauge.outputs(to_int8_tflite(model, samples[places], per_channel_dense))
        theirs = None if outputs is None else gauge.right(outputs)
    except UserError:
        # What has no int8 form is said where the trained network is converted.
        theirs = None
    share = round(float(mine.mean()), 6)
    if theirs is None:
        return Start(share, None, (None, None, None), len(mine), gauge.split)
    limits = resampling.of_difference(mine, theirs, gauge.recordings)
    change = float(mine.mean() - theirs.mean())
    return Start(share, round(float(theirs.mean()), 6), (change, *limits), len(mine), gauge.split)
