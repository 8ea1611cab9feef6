"""The pass `cluster`: give the weights of each channel few values, which weight tables can hold; then fine-tune."""

from __future__ import annotations

from typing import ClassVar, Literal, Self, TypedDict

from pydantic import BaseModel, Field, field_validator, model_validator

from tinyc.core import units
from tinyc.core.units import Bytes, Fraction
from tinyc.spec.contract import Kind
from tinyc.spec.effects import Effects, Made, Want
from tinyc.spec.training import FineTuned, LearningRate, Trained


class Selection(BaseModel, frozen=True, extra="forbid"):
    """Layers that share a number of values of their own: `{ match = "conv5_*", clusters = 8 }`."""

    match: str = Field(description="a layer's name, a glob, re:..., or type:...")
    clusters: int | None = Field(None, ge=2, le=128, description="values of each channel; else the pass's")


Row = TypedDict("Row", {
    "layer": str, "weight": str, "clusters": int, "values_before": int, "values_after": int,
    "mean_squared_error": float, "table_bytes": Bytes, "dense_bytes": Bytes,
})  # fmt: skip
Tried = TypedDict("Tried", {"layer": str, "weight": str, "bits": int, "bytes": Bytes, "loss": float})
Searched = TypedDict("Searched", {
    "split": str, "examples": int, "accuracy_before": Fraction, "accuracy_shared": Fraction, "loss_before": float,
    "loss_expected": float, "loss_shared": float, "bytes": Bytes, "tried": list[Tried],
})  # fmt: skip
"""The search for bits by layer: before, and with the values shared; losses in nats."""
ClusterFacts = TypedDict("ClusterFacts", {
    "per": str, "start": str, "table_bytes": Bytes, "dense_bytes": Bytes, "layers": list[Row],
    "search": Searched, "notes": list[str], "fine_tune": Trained,
}, total=False)  # fmt: skip
"""What shares values now; bytes are estimates of what `compact` will make of it."""


class Cluster(FineTuned, frozen=True, extra="forbid"):
    """Give weights few values by k-means, and train the values on: 16 values are 4-bit indices after `compact`.

    Clusters convolutions (depthwise and transposed too), Dense layers and token tables. Int8 scales are per channel,
    and so are tables, hence each channel has values of its own; a Dense layer and a token table have one in all. Zeros
    of earlier pruning stay zero and count as one value. In this pass's fine-tuning a number may change its cluster: it
    takes the value nearest to what it would be on its own. In every later pass, `quantize` with how = "qat" included,
    clusters stay as they are and move as one; a later distillation starts a fresh student. Give `clusters`, or
    bits = "auto" with `budget` or `drop`.
    """

    takes: ClassVar[Kind] = "net"
    gives: ClassVar[Kind] = "net"
    facts: ClassVar[type] = ClusterFacts

    use: Literal["cluster"] = "cluster"
    clusters: int | None = Field(None, ge=2, le=128, description="distinct values of each channel, or of each layer")
    bits: Literal["auto"] | None = Field(
        None, description='"auto" gives each layer 2 to 7 bits, or none, by what it loses on validation examples'
    )
    budget: str | None = Field(
        None, description='for bits = "auto": bytes of the selected weights, tables included, e.g. "24 KiB"'
    )
    drop: float | None = Field(
        None, gt=0, lt=1, description='for bits = "auto": validation accuracy, a fraction, to lose before fine-tuning'
    )
    per: Literal["channel", "layer"] = Field(
        "channel", description="values for each channel, or the same for a whole layer, which takes as many bytes"
    )
    start: Literal["kmeans++", "density", "linear"] = Field(
        "kmeans++", description="where the values begin: drawn far apart, at quantiles, or evenly spaced"
    )
    only: tuple[str | Selection, ...] = Field(
        (), description="layers to cluster: selectors, or tables { match, clusters }; the last match wins"
    )
    skip: tuple[str, ...] = Field((), description="layers to leave alone, whatever `only` says: selectors")
    learning_rate: LearningRate = 5e-4

    @field_validator("budget")
    @classmethod
    def is_size(cls, text: str | None) -> str | None:
        if text is not None and units.parse(text, "bytes") < 1:
            raise ValueError(f"{text!r} leaves no byte")
        return text

    @model_validator(mode="after")
    def one_amount(self) -> Self:
        """Ask for a number of values, or for a goal of the search."""
        goals = [key for key in ("budget", "drop") if getattr(self, key) is not None]
        if self.bits is None and self.clusters is None:
            raise ValueError('give `clusters`, e.g. clusters = 16, or bits = "auto" with `budget` or `drop`')
        if self.bits is None and goals:
            raise ValueError(f'`{goals[0]}` belongs to bits = "auto"; this pass has clusters = {self.clusters}')
        if self.bits == "auto" and self.clusters is not None:
            raise ValueError('bits = "auto" chooses the number of values; remove `clusters`')
        if self.bits == "auto" and len(goals) != 1:
            raise ValueError(f'bits = "auto" needs one of `budget` and `drop`; given: {", ".join(goals) or "none"}')
        own = [each.match for each in self.only if isinstance(each, Selection) and each.clusters is not None]
        if self.bits == "auto" and own:
            raise ValueError(f'`only` of {own[0]!r}: no `clusters` of its own under bits = "auto"')
        return self

    @model_validator(mode="after")
    def training_fits(self) -> Self:
        """Refuse teachers that the loss would ignore."""
        return self

    @property
    def effects(self) -> Effects:
        """Tables of few values, which save bytes once the file holds them."""
        unused = "leaves few values a tensor, which save no byte of flash without a compact pass after quantize"
        return Effects(
            trains=self.epochs > 0,
            ranked=self.bits == "auto",
            makes=(Made("tables"),),
            wants=(Want(("stored tables", "student"), "after", unused),),
        )
