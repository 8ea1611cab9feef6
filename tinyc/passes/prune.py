"""The pass `prune`: remove whole channels, or set single weights to zero; then fine-tune."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from tinyc.contract import Context, Outcome
from tinyc.state import Kind
from tinyc.training.options import (
    Augment,
    Batch,
    Epochs,
    LabelSmoothing,
    LearningRate,
    Loss,
    Optimizer,
    Schedule,
    Warmup,
    WeightDecay,
    fit_options,
)

if TYPE_CHECKING:
    from tinyc.pruning.aims import Aim, Aims
    from tinyc.pruning.importance import Examples
    from tinyc.state import Net

GRADIENT_EXAMPLES = 256
OWN = {
    "channels": ("fraction", "scope", "importance", "round_to"),
    "magnitude": ("sparsity", "pattern", "sparsity_schedule"),
}
"""The keys that one `how` has and the other does not."""


class Selection(BaseModel, frozen=True, extra="forbid"):
    """Layers that share an amount of their own: `{ match = "conv5_*", fraction = 0.5 }`."""

    match: str = Field(description="a layer's name, a glob, re:..., or type:...")
    fraction: float | None = Field(None, gt=0, lt=1, description="share of each group's channels; else the pass's")
    sparsity: float | None = Field(None, gt=0, lt=1, description="share of weights set to zero; else the pass's")


class Prune(BaseModel, frozen=True, extra="forbid"):
    """Remove channels or attention heads, which makes layers smaller, or set weights to zero (how = "magnitude").

    how = "channels" removes filters and units, such as the feed-forward width of a transformer, and leaves heads alone;
    how = "heads" removes whole heads from an Attention and the Dense layers around it, and nothing else. Selectors name
    the Attention or its query, key or value. MultiHeadAttention of Keras is rewritten into these first.
    Channels that belong together, as across a residual Add, go together; layer names stay, and fine-tuning follows.
    Channels that a LayerNorm normalizes together stay whole.
    Zeros of magnitude pruning do not shrink a .tflite; they shrink its gzip and serve kernels that skip them. They are
    kept by every later fine-tuning of this pass and by QAT; a later distillation starts a fresh student without them,
    and a later channel pruning removes whole channels of them, so that its sparsity may shift a little.
    """

    takes: ClassVar[Kind] = "net"
    gives: ClassVar[Kind] = "net"

    use: Literal["prune"] = "prune"
    how: Literal["channels", "heads", "magnitude"] = Field(
        description="remove channels, remove heads of attention, or set single weights to zero"
    )
    fraction: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="share of each group's channels, or layer's heads, to remove, rounded down; one stays",
    )
    scope: Literal["group", "global"] = Field(
        "group",
        description='take the share of each group or layer, or of all channels or heads ranked together ("global")',
    )
    importance: Literal["l1", "l2", "bn_scale", "taylor", "gate"] = Field(
        "l1",
        description="rank by filter norm, BatchNormalization scale, or loss gradients on training data (taylor, gate)",
    )
    round_to: int = Field(1, ge=1, le=256, description="keep a multiple of this many channels in each group, or heads")
    sparsity: float | None = Field(None, gt=0, lt=1, description="magnitude: share of weights that end as zero")
    pattern: Literal["unstructured", "2:4"] = Field(
        "unstructured", description="magnitude: zeros anywhere, or two in each four input channels (0.5, no `sparsity`)"
    )
    sparsity_schedule: Literal["polynomial", "constant"] = Field(
        "polynomial", description="magnitude: climb from 0 over the first two thirds of training, or start at the end's"
    )
    only: tuple[str | Selection, ...] = Field(
        (),
        description="layers to prune: selectors, or tables { match, fraction | sparsity }; the last match wins",
    )
    skip: tuple[str, ...] = Field((), description="layers to leave alone, whatever `only` says: selectors")
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

    @model_validator(mode="after")
    def fits_how(self) -> Self:
        """Refuse keys of the other `how`, and ask for the amount."""
        other = "channels" if self.how == "magnitude" else "magnitude"
        for key in OWN[other]:
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f'`{key}` belongs to how = "{other}"; this pass has how = "{self.how}"')
        if self.how != "magnitude" and self.fraction is None:
            raise ValueError(f'how = "{self.how}" needs `fraction`, e.g. fraction = 0.3')
        if self.how == "heads" and self.importance == "bn_scale":
            raise ValueError('heads have no BatchNormalization to rank by; take importance = "taylor", "gate" or "l1"')
        if self.how == "magnitude" and self.pattern == "2:4" and self.sparsity is not None:
            raise ValueError('pattern = "2:4" fixes the sparsity at 0.5; remove `sparsity`')
        if self.how == "magnitude" and self.pattern != "2:4" and self.sparsity is None:
            raise ValueError('how = "magnitude" needs `sparsity`, e.g. sparsity = 0.5, or pattern = "2:4"')
        return self

    @model_validator(mode="after")
    def selections_fit(self) -> Self:
        """Refuse amounts in `only` that this pass could not keep."""
        own, other = ("sparsity", "fraction") if self.how == "magnitude" else ("fraction", "sparsity")
        for table in (entry for entry in self.only if isinstance(entry, Selection)):
            if getattr(table, other) is not None:
                raise ValueError(f'`only` of {table.match!r}: `{other}` does not go with how = "{self.how}"')
            if getattr(table, own) is not None and (self.scope == "global" or self.pattern == "2:4"):
                option = 'scope = "global"' if self.scope == "global" else 'pattern = "2:4"'
                raise ValueError(f"`only` of {table.match!r}: no `{own}` of its own under {option}")
        return self

    @property
    def amount(self) -> float:
        """The share to prune where a layer has none of its own."""
        return (self.sparsity if self.how == "magnitude" else self.fraction) or 0.5

    def apply(self, state: Net, context: Context) -> Outcome:
        """Prune a copy of the network and fine-tune it.

        Raises:
            UserError: the network is subclassed, a selector matches nothing, or nothing can be pruned.
        """
        from tinyc.pruning import aims, graph

        graph.require_functional(state.model)
        found = aims.resolve(state.model, self.amount, [self.aim(entry) for entry in self.only], self.skip, "prune")
        return self.sparsify(state, found, context) if self.how == "magnitude" else self.cut(state, found, context)

    def aim(self, entry: str | Selection) -> Aim:
        from tinyc.pruning.aims import Aim

        if isinstance(entry, str):
            return Aim(entry)
        return Aim(entry.match, entry.sparsity if self.how == "magnitude" else entry.fraction)

    def cut(self, state: Net, aims: Aims, context: Context) -> Outcome:
        """Remove channels or heads, then fine-tune."""
        from tinyc.pruning import structured, zeros
        from tinyc.pruning.importance import NEED_EXAMPLES

        part: Literal["channels", "heads"] = "heads" if self.how == "heads" else "channels"
        model, rewritten = self.with_heads(state, context)
        ranking = structured.Ranking(self.amount, self.importance, self.scope, self.round_to, context.rehearse, part)
        examples = self.examples(context) if self.importance in NEED_EXAMPLES and not context.rehearse else None
        pruned = structured.channels(model, ranking, aims, "prune", examples)
        tuned = self.tune(pruned.model, context, zeros.keep_zeros(pruned.model))
        facts = {
            "how": self.how,
            "importance": self.importance,
            "scope": self.scope,
            "params_before": state.model.count_params(),
            "params_after": pruned.model.count_params(),
            "groups": [
                {"layers": list(group.layers), f"{part}_before": group.before, f"{part}_after": group.after}
                for group in pruned.groups
            ],
            **({"rewritten": rewritten} if rewritten else {}),
            "fine_tune": tuned,
        }
        return Outcome(state.with_model(pruned.model), facts, skipped=pruned.skipped)

    def with_heads(self, state: Net, context: Context) -> tuple[Any, list[dict[str, Any]]]:
        """Rewrite Keras' MultiHeadAttention, and what stands beside it, where heads are to go; give the facts of it."""
        from dataclasses import asdict

        from tinyc.data import inputs
        from tinyc.sources.forms import in_blocks
        from tinyc.sources.rewriting import SAMPLES

        if self.how != "heads" or not any(type(layer).__name__ == "MultiHeadAttention" for layer in state.model.layers):
            return state.model, []
        samples = inputs(context.data.train.x[:SAMPLES], state.task)
        model, rewritten = in_blocks(state.model, samples, "prune")
        return model, [asdict(each) for each in rewritten]

    def sparsify(self, state: Net, aims: Aims, context: Context) -> Outcome:
        """Train under TFMOT's schedule until the weights are zero."""
        from tinyc.pruning import magnitude, zeros

        tuned: dict[str, Any] = {}

        def train(wrapped: Any, callbacks: list[Any]) -> None:
            tuned.update(self.tune(wrapped, context, [*callbacks, *zeros.keep_zeros(wrapped)]))

        options = magnitude.Sparsification(aims.fractions, self.pattern, self.sparsity_schedule, self.steps(context))
        pruned = magnitude.magnitude(state.model, options, None if context.rehearse else train, "prune")
        facts = {
            "how": self.how,
            "pattern": self.pattern,
            "sparsity": {name: round(reached, 6) for name, reached in pruned.reached.items()},
            "fine_tune": tuned,
        }
        return Outcome(state.with_model(pruned.model), facts, skipped=pruned.skipped)

    def steps(self, context: Context) -> int:
        """Count the training steps: an epoch's last partial batch is left out."""
        examples = len(context.data.train)
        return self.epochs * (examples // max(1, min(self.batch, examples)))

    def tune(self, model: Any, context: Context, callbacks: list[Any]) -> dict[str, Any]:
        """Train the network in place with the recipe's losses."""
        from tinyc.training import fine_tune

        return fine_tune(model, fit_options(self), context, f"prune: {self.how}", callbacks)

    def examples(self, context: Context) -> Examples:
        """Draw training examples for importance by gradients."""
        import numpy as np

        from tinyc.data import inputs
        from tinyc.pruning.importance import Examples

        train = context.data.train
        count = min(GRADIENT_EXAMPLES, len(train))
        rows = np.sort(np.random.default_rng(context.seed).choice(len(train), count, replace=False))
        return Examples(inputs(train.x[rows], context.data.task), train.y[rows])
