"""The schema of `[source]`: the network to compress, where its weights come from, and how it is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from tinyc.spec.builders import Builder
from tinyc.spec.training import Epochs, TrainingKeys


class TrainSpec(TrainingKeys, frozen=True, extra="forbid"):
    """How the source is trained on the labels (`[source] train`); from its weights on, where it has some."""

    epochs: Annotated[Epochs, Field(ge=1)] = 12


class SourceSpec(BaseModel, frozen=True, extra="forbid"):
    """One network: built by a function, read from a file, or taken from a checkpoint."""

    build: Builder | None = Field(None, description="a function 'file.py:function' that gives a Keras network")
    file: str | None = Field(None, min_length=1, description="a saved network: .h5, .keras or a SavedModel folder")
    checkpoint: str | None = Field(
        None, min_length=1, description="a BERT-like checkpoint: its folder, or 'hf:organisation/name'"
    )
    pool: Literal["mean", "first"] = Field(
        "mean", description="of a checkpoint: the vector of a sentence is the mean of its tokens, or the first token"
    )
    weights: str | None = Field(None, min_length=1, description="weights for the built network: .h5, .keras or .npz")
    train: TrainSpec | None = Field(None, description="train it first; required where there are no weights")

    @model_validator(mode="after")
    def is_one_network(self) -> SourceSpec:
        given = [key for key in ("build", "file", "checkpoint") if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"exactly one of `build`, `file` and `checkpoint` is needed; {found} given")
        if self.weights and not self.build:
            raise ValueError(f"`weights` belong to `build`; a `{given[0]}` brings its own")
        if self.checkpoint and not self.train:
            raise ValueError("a checkpoint has no head for the task yet; add `train = { epochs = 3 }`")
        if self.pool != "mean" and not self.checkpoint:
            raise ValueError("`pool` belongs to `checkpoint`; a network says itself how it pools")
        if self.build and not (self.weights or self.train):
            raise ValueError(
                'a built network has no weights yet; add `weights = "file.h5"` or `train = { epochs = 12 }`'
            )
        return self
