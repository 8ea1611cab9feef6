"""The pass `factorize`: two thin layers in place of one wide, by singular values; then fine-tune."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from tinyc.spec.contract import Kind
from tinyc.spec.training import (
    Augment,
    Batch,
    Epochs,
    LabelSmoothing,
    LearningRate,
    Loss,
    Optimizer,
    Schedule,
    Taught,
    Warmup,
    WeightDecay,
    refuse_unheard,
)

AMOUNTS = ("rank", "energy", "params")


class Factorize(BaseModel, frozen=True, extra="forbid"):
    """Replace Dense layers, 1x1 convolutions and token tables by two thin layers each, where that saves parameters.

    A truncated singular value decomposition gives the factors, and fine-tuning follows. NAME_down goes before NAME,
    which keeps bias and activation; a table keeps its name and NAME_up, a Dense layer without bias, follows it (as in
    ALBERT, Lan et al. 2019). Zeros of an earlier magnitude pruning are lost in the layers that are factorized. Give
    one of `rank`, `energy` and `params`.
    """

    takes: ClassVar[Kind] = "net"
    gives: ClassVar[Kind] = "net"

    use: Literal["factorize"] = "factorize"
    rank: int | None = Field(None, ge=1, le=65536, description="width between the two layers, the same for each")
    energy: float | None = Field(
        None, gt=0, lt=1, description="share of the squared singular values that each layer keeps"
    )
    params: float | None = Field(
        None, gt=0, lt=1, description="share of the selected kernels' elements that stays, at most; ranks follow"
    )
    only: tuple[str, ...] = Field((), description="layers to factorize: selectors; else all that can be")
    skip: tuple[str, ...] = Field((), description="layers to leave alone, whatever `only` says: selectors")
    epochs: Epochs = 4
    batch: Batch = 32
    optimizer: Optimizer = "adam"
    learning_rate: LearningRate = 1e-3
    schedule: Schedule = "cosine"
    warmup: Warmup = 0.0
    weight_decay: WeightDecay = 0.0
    augment: Augment = ()
    label_smoothing: LabelSmoothing = 0.0
    loss: Loss = "auto"
    teach: Taught = None

    @model_validator(mode="after")
    def one_amount(self) -> Self:
        """Ask for exactly one amount, and for teachers that are heard."""
        given = [key for key in AMOUNTS if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of `rank`, `energy` and `params`; given: {', '.join(given) or 'none'}")
        refuse_unheard(self)
        return self

    @property
    def ranked(self) -> bool:
        """Trained weights decide the shape, so that a plan gives a range."""
        return self.rank is None
