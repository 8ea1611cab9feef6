"""The pass `cluster`: give the weights of each channel few values, which weight tables can hold; then fine-tune."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from tinyc.core import units
from tinyc.core.errors import UserError
from tinyc.network.contract import Context, Outcome, Skipped
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
    fit_options,
    refuse_unheard,
)

if TYPE_CHECKING:
    from tinyc.compression.clustering.cluster import Means, Row
    from tinyc.compression.clustering.kernels import Kernel
    from tinyc.network.state import Net

NOTE = "no byte is saved without a later `compact`: the values are fewer, but each still takes its full width"

WHY_DENSE = "a table would lose more than its bytes are worth here"


class Selection(BaseModel, frozen=True, extra="forbid"):
    """Layers that share a number of values of their own: `{ match = "conv5_*", clusters = 8 }`."""

    match: str = Field(description="a layer's name, a glob, re:..., or type:...")
    clusters: int | None = Field(None, ge=2, le=128, description="values of each channel; else the pass's")


class Cluster(BaseModel, frozen=True, extra="forbid"):
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
    epochs: Epochs = 4
    batch: Batch = 32
    optimizer: Optimizer = "adam"
    learning_rate: LearningRate = 5e-4
    schedule: Schedule = "cosine"
    warmup: Warmup = 0.0
    weight_decay: WeightDecay = 0.0
    augment: Augment = ()
    label_smoothing: LabelSmoothing = 0.0
    loss: Loss = "auto"
    teach: Taught = None

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
        """Refuse teachers that nobody would hear."""
        refuse_unheard(self)
        return self

    @property
    def ranked(self) -> bool:
        """Trained weights decide the sizes, so that a plan gives a range."""
        return self.bits == "auto"

    def apply(self, state: Net, context: Context) -> Outcome:
        """Cluster a copy of the network and fine-tune it.

        Raises:
            UserError: the network is subclassed, a selector matches nothing, nothing can be clustered, or the budget
                is too small.
        """
        from tinyc.compression.clustering import cluster, latent
        from tinyc.compression.clustering.cluster import Means
        from tinyc.compression.clustering.keep import keep_structure
        from tinyc.network.checks import require_functional
        from tinyc.training.fine_tuning import fine_tune

        require_functional(state.model)
        made = state.clone()
        means = Means(self.per, self.start, context.seed)
        wanted, skipped, found = self.choose(made, means, context)
        others = keep_structure(made.model)  # zeros everywhere, and tables of an earlier pass
        before = {kernel: kernel.read(made.model) for kernel in wanted}
        rows = cluster.apply(made.model, wanted, means)
        callbacks = [*others, latent.follow(made.model, before, self.per)]
        tuned = fine_tune(made.model, fit_options(self), context, self.use, callbacks)
        cluster.verify(made.model, wanted)
        return Outcome(made, self.facts(rows, found, tuned), skipped=tuple(skipped))

    def choose(
        self, made: Net, means: Means, context: Context
    ) -> tuple[dict[Kernel, int], list[Skipped], dict[str, Any]]:
        """Give each weight its number of values, and what the search found out."""
        from tinyc.compression.clustering import cluster

        selected, skipped = self.selected(made.model)
        found: dict[str, Any] = {}
        if self.bits == "auto":
            bits, found = self.search(made, means, list(selected), context)
            skipped += [
                Skipped(each.layer, f"{each.weight}: {WHY_DENSE}") for each, width in bits.items() if width == 8
            ]
            skipped += cluster.worthwhile(made.model, {each: 4 for each in selected if each not in bits})[1]
            return {each: 2**width for each, width in bits.items() if width < 8}, skipped, found
        wanted, small = cluster.worthwhile(made.model, selected)
        if not wanted:
            where, why = "cluster", "no selected layer would be smaller as a table"
            raise UserError(where, f"{why}; {small[0].layer}: {small[0].why}", "give fewer `clusters`, or other layers")
        return wanted, skipped + small, found

    def selected(self, model: Any) -> tuple[dict[Kernel, int], list[Skipped]]:
        """Give the selected weights with their number of values; say which selected layers have none that fit.

        Raises:
            UserError: a selector matches no layer, or none that can be clustered.
        """
        from tinyc.compression.clustering.kernels import kernels
        from tinyc.network import selectors

        amount = self.clusters or 0
        chosen = {} if self.only else {layer.name: amount for layer in model.layers}
        for entry in self.only:
            match, own = (entry, None) if isinstance(entry, str) else (entry.match, entry.clusters)
            named = selectors.select(model, [match], "cluster.only")
            chosen.update({layer.name: own or amount for layer in named})
        for layer in selectors.select(model, self.skip, "cluster.skip"):
            chosen.pop(layer.name, None)
        able = {each: chosen[each.layer] for each in kernels(model) if each.layer in chosen}
        if not able:
            raise UserError("cluster", "no selected layer has weights for a table", "name other layers in `only`")
        rest = [layer for layer in model.layers if layer.name in chosen and layer.name not in {k.layer for k in able}]
        left = [layer for layer in rest if any("kernel" in weight.name for weight in layer.weights)]
        return able, [Skipped(layer.name, without_table(layer)) for layer in left]

    def search(
        self, made: Net, means: Means, kernels: list[Kernel], context: Context
    ) -> tuple[dict[Kernel, int], dict[str, Any]]:
        """Search bits by layer; a rehearsal guesses them from the weights."""
        from tinyc.compression.clustering import search
        from tinyc.training.probe import Probe

        goal: Any = ("drop", self.drop) if self.budget is None else ("budget", units.parse(self.budget, "bytes"))
        if context.rehearse is not None:
            return dict(search.rehearsed(made.model, kernels, means, goal, context.rehearse).bits), {}
        probe = Probe(made.clone().model, context.data, made.task, context.seed)
        found = search.search(probe, kernels, means, goal)
        return dict(found.bits), {"search": dict(found.facts)}

    def facts(self, rows: list[Row], found: dict[str, Any], tuned: dict[str, Any]) -> dict[str, Any]:
        return {
            "per": self.per,
            "start": self.start,
            "table_bytes": sum(row.table_bytes for row in rows),
            "dense_bytes": sum(row.dense_bytes for row in rows),
            "layers": [asdict(row) for row in rows],
            **found,
            "notes": [NOTE],
            "fine_tune": tuned,
        }


def without_table(layer: Any) -> str:
    """Say why a layer with a kernel gets no table."""
    from tinyc.network.signal_layers import WHY_FIXED, is_fixed

    return WHY_FIXED if is_fixed(layer.name) else f"{type(layer).__name__} has no table here"
