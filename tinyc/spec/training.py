"""How a network is trained: the options that the fit loop reads.

A pass carries the same keys flat, each as one field of a type from `tinyc.spec.training_keys`
(`epochs: Epochs = 4`), and hands `fit_options(self)` to the training.
"""

from __future__ import annotations

from pydantic import BaseModel

from tinyc.spec.training_keys import (
    Augment,
    Batch,
    Epochs,
    LabelSmoothing,
    LearningRate,
    Loss,
    Optimizer,
    Schedule,
    Taught,
    Teach,
    Warmup,
    WeightDecay,
    refuse_unheard,
)

__all__ = [
    "TRAINING",
    "Augment",
    "Batch",
    "Epochs",
    "FitOptions",
    "LabelSmoothing",
    "LearningRate",
    "Loss",
    "Optimizer",
    "Schedule",
    "Taught",
    "Teach",
    "Warmup",
    "WeightDecay",
    "fit_options",
    "refuse_unheard",
]

TRAINING = "0.1.0"
"""What the same options train the same network to: in the key of every training, of features and of soft labels.

Another word when that changes, whatever the package's version is.
"""


class FitOptions(BaseModel, frozen=True, extra="forbid"):
    """The options of one training; ranges and units stand at each type."""

    epochs: Epochs = 4
    batch: Batch = 64
    optimizer: Optimizer = "adam"
    learning_rate: LearningRate = 1e-3
    schedule: Schedule = "cosine"
    warmup: Warmup = 0.0
    weight_decay: WeightDecay = 0.0
    augment: Augment = ()
    label_smoothing: LabelSmoothing = 0.0
    loss: Loss = "auto"
    teach: Taught = None


def fit_options(keys: BaseModel) -> FitOptions:
    """Pick the options out of a pass (or a `train` table) by name; what it does not have keeps its default."""
    own = type(keys).model_fields
    return FitOptions(**{name: getattr(keys, name) for name in FitOptions.model_fields if name in own})
