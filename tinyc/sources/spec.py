"""The schema of `[source]`: the network to compress, where its weights come from, and how it is trained."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from tinyc.builders import Builder
from tinyc.sources.training_keys import (
    Augment,
    Batch,
    Epochs,
    LabelSmoothing,
    LearningRate,
    Optimizer,
    Schedule,
    Warmup,
    WeightDecay,
)


class TrainSpec(BaseModel, frozen=True, extra="forbid"):
    """How the source is trained on the labels (`[source] train`); from its weights on, where it has some."""

    epochs: Annotated[Epochs, Field(ge=1)] = 12
    batch: Batch = 64
    optimizer: Optimizer = "adam"
    learning_rate: LearningRate = 1e-3
    schedule: Schedule = "cosine"
    warmup: Warmup = 0.0
    weight_decay: WeightDecay = 0.0
    augment: Augment = ()
    label_smoothing: LabelSmoothing = 0.0


class SourceSpec(BaseModel, frozen=True, extra="forbid"):
    """One network: built by a function, or read from a file."""

    build: Builder | None = Field(None, description="a function 'file.py:function' that gives a Keras network")
    file: str | None = Field(None, min_length=1, description="a saved network: .h5, .keras or a SavedModel folder")
    checkpoint: str | None = Field(None, min_length=1, description="a checkpoint of another framework (not built yet)")
    weights: str | None = Field(None, min_length=1, description="weights for the built network: .h5 or .npz")
    train: TrainSpec | None = Field(None, description="train it first; required where there are no weights")

    @model_validator(mode="after")
    def is_one_network(self) -> SourceSpec:
        if self.checkpoint is not None:
            raise ValueError("`checkpoint` is not built yet; give `build` or `file`")
        if (self.build is None) == (self.file is None):
            given = "both" if self.build else "neither"
            raise ValueError(f"exactly one of `build` and `file` is needed; {given} was given")
        if self.file and self.weights:
            raise ValueError("`weights` belong to `build`; a `file` brings its own")
        if self.build and not (self.weights or self.train):
            raise ValueError(
                'a built network has no weights yet; add `weights = "file.h5"` or `train = { epochs = 12 }`'
            )
        return self
