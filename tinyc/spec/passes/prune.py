"""The pass `prune`: remove whole channels, or set single weights to zero; then fine-tune."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from tinyc.compression.pruning.selection import Selection, aims_of, refuse_amounts
from tinyc.network.contract import Context, Outcome
from tinyc.spec.budget import Budget
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
    from tinyc.compression.pruning.aims import Aims
    from tinyc.compression.pruning.structured import Ranking
    from tinyc.network.state import Net
    from tinyc.training.fine_tuning import Part

AMOUNTS = ("fraction", "budget", "sensitivity")
NOTHING = "nothing was cut: the amount rounds down to no channel, or `keep_least`, `round_to` or the budget keeps all"
OWN = {
    "channels": (*AMOUNTS, "drop", "scope", "importance", "per", "round_to", "keep_least", "rounds"),
    "magnitude": ("sparsity", "pattern", "sparsity_schedule"),
}
"""The keys that one `how` has and the other does not."""


class Prune(BaseModel, frozen=True, extra="forbid"):
    """Remove channels or attention heads, which makes layers smaller, or set weights to zero (how = "magnitude").

    how = "channels" removes filters and units, such as the feed-forward width of a transformer, and leaves heads alone;
    how = "heads" removes whole heads from an Attention and the Dense layers around it, and nothing else. Selectors name
    the Attention or its query, key or value. MultiHeadAttention of Keras is rewritten into these first.
    Channels that belong together, as across a residual Add, go together; layer names stay, and fine-tuning follows.
    Channels that a LayerNorm normalizes together stay whole. Give one of `fraction`, `budget` and `sensitivity`.
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
    budget: Budget | None = Field(
        None,
        description="what may remain of the network that enters the pass, all channels ranked together: "
        '{ params = "10 %", macs = "15 M", file = "96 KiB" }',
    )
    sensitivity: str | None = Field(
        None, description="file of `tinyc sensitivity`: each group loses the most that stays within `drop`"
    )
    drop: float | None = Field(
        None, ge=0, lt=1, description="accuracy that each group's cut may cost on its own, a fraction: 0.01 is 1 pp"
    )
    scope: Literal["group", "global"] = Field(
        "group",
        description='take the share of each group or layer, or of all channels or heads ranked together ("global")',
    )
    importance: Literal["l1", "l2", "bn_scale", "taylor", "gate"] | None = Field(
        None,
        description="rank by filter norm (l1, l2), BatchNormalization scale (bn_scale), or loss gradients on training "
        "data (taylor, gate); by default l1, and under a budget taylor, since norms of different layers say little",
    )
    per: Literal["channel", "byte", "mac"] | None = Field(
        None,
        description="ranked together: importance for each channel, byte of int8 weights, or MAC saved; by default "
        "channel, and under a budget what is still over it",
    )
    round_to: int = Field(1, ge=1, le=256, description="keep a multiple of this many channels in each group, or heads")
    keep_least: float = Field(0.0, ge=0, lt=1, description="share of each group's channels that stays at least")
    rounds: int = Field(
        1,
        ge=1,
        le=100,
        description="cut in so many equal steps, rank anew and fine-tune after each; they share `epochs`",
    )
    sparsity: float | None = Field(None, gt=0, lt=1, description="magnitude: share of weights that end as zero")
    pattern: Literal["unstructured", "2:4"] = Field(
        "unstructured", description="magnitude: zeros anywhere, or two in each four input channels (0.5, no `sparsity`)"
    )
    sparsity_schedule: Literal["polynomial", "constant"] = Field(
        "polynomial", description="magnitude: climb from 0 over the first two thirds of training, or start at the end's"
    )
    only: tuple[str | Selection, ...] = Field(
        (),
        description="layers to prune: selectors, or tables { match, fraction | sparsity, keep_least }; the last wins",
    )
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
    def fits_how(self) -> Self:
        """Refuse keys of the other `how`, and ask for the amount."""
        other = "channels" if self.how == "magnitude" else "magnitude"
        for key in OWN[other]:
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f'`{key}` belongs to how = "{other}"; this pass has how = "{self.how}"')
        if self.how == "heads" and self.importance == "bn_scale":
            raise ValueError('heads have no BatchNormalization to rank by; take importance = "taylor", "gate" or "l1"')
        if self.how == "magnitude" and self.pattern == "2:4" and self.sparsity is not None:
            raise ValueError('pattern = "2:4" fixes the sparsity at 0.5; remove `sparsity`')
        if self.how == "magnitude" and self.pattern != "2:4" and self.sparsity is None:
            raise ValueError('how = "magnitude" needs `sparsity`, e.g. sparsity = 0.5, or pattern = "2:4"')
        return self

    @model_validator(mode="after")
    def amount_fits(self) -> Self:
        """Ask for one amount of channels, and refuse what does not go with it."""
        given = [key for key in AMOUNTS if getattr(self, key) is not None]
        if self.how != "magnitude" and not given:
            raise ValueError(f'how = "{self.how}" needs `fraction`, e.g. fraction = 0.3, or `budget`, or `sensitivity`')
        if len(given) > 1:
            raise ValueError(f"give one of `fraction`, `budget` and `sensitivity`; given: {', '.join(given)}")
        if (self.drop is None) != (self.sensitivity is None):
            raise ValueError('`sensitivity` and `drop` go together: sensitivity = "sensitivity.json", drop = 0.01')
        if self.scope == "global" and self.fraction is None:
            raise ValueError(f'scope = "global" goes with `fraction`; `{given[0]}` decides over all layers by itself')
        if self.per is not None and self.scope == "group" and self.budget is None:
            raise ValueError('`per` ranks all layers together: it needs `budget`, or scope = "global"')
        return self

    @model_validator(mode="after")
    def training_fits(self) -> Self:
        """Refuse rounds without an epoch each, and teachers that nobody would hear."""
        if self.rounds > max(1, self.epochs):
            raise ValueError(f"{self.rounds} rounds need at least {self.rounds} epochs; `epochs` is {self.epochs}")
        refuse_unheard(self)
        return self

    @model_validator(mode="after")
    def selections_fit(self) -> Self:
        """Refuse amounts in `only` that this pass could not keep."""
        rivals = {
            'scope = "global"': self.scope == "global",
            'pattern = "2:4"': self.pattern == "2:4",
            "`budget`": self.budget is not None,
            "`sensitivity`": self.sensitivity is not None,
        }
        rival = next((option for option, given in rivals.items() if given), None)
        tables = [entry for entry in self.only if isinstance(entry, Selection)]
        refuse_amounts(tables, self.how == "magnitude", rival)
        return self

    @property
    def amount(self) -> float:
        """The share to prune where a layer has none of its own."""
        return (self.sparsity if self.how == "magnitude" else self.fraction) or 0.5

    @property
    def ranked_by(self) -> Literal["l1", "l2", "bn_scale", "taylor", "gate"]:
        """The importance that is meant where none is given."""
        return self.importance or ("taylor" if self.budget else "l1")

    @property
    def ranked(self) -> bool:
        """Trained weights decide the shape, so that a plan gives a range."""
        return self.budget is not None

    def apply(self, state: Net, context: Context) -> Outcome:
        """Prune a copy of the network and fine-tune it.

        Raises:
            UserError: the network is subclassed, a selector matches nothing, or nothing can be pruned.
        """
        from tinyc.compression.pruning import aims
        from tinyc.network.checks import require_functional

        require_functional(state.model)
        magnitude = self.how == "magnitude"
        only = aims_of(self.only, magnitude)
        found = aims.resolve(state.model, self.amount, only, self.skip, self.use, self.keep_least)
        return self.sparsify(state, found, context) if magnitude else self.cut(state, found, context)

    def cut(self, state: Net, aims: Aims, context: Context) -> Outcome:
        """Remove channels or heads, and fine-tune after each round."""
        from tinyc.compression.clustering.keep import keep_structure
        from tinyc.compression.pruning import structured
        from tinyc.compression.pruning.facts import reached
        from tinyc.compression.pruning.heads import opened
        from tinyc.compression.pruning.importance import NEED_EXAMPLES, drawn
        from tinyc.training.fine_tuning import Part
        from tinyc.training.resume import outliving

        model, rewritten = opened(state, context.data, self.use) if self.how == "heads" else (state.model, [])
        rounds = 1 if context.rehearse else self.rounds
        tuned: list[dict[str, Any]] = []

        def tune(smaller: Any, number: int) -> None:
            tuned.append(
                self.tune(smaller, context, keep_structure(smaller), Part.of_round(self.epochs, number, rounds, kept))
            )

        blind = self.ranked_by not in NEED_EXAMPLES or context.rehearse
        examples = None if blind else drawn(context.data, context.seed)
        with outliving() as kept:
            pruned = structured.channels(model, self.ranking(model, context), aims, self.use, examples, rounds, tune)
        facts = {
            "how": self.how,
            "importance": self.ranked_by,
            "scope": self.scope,
            "params_before": state.model.count_params(),
            "params_after": pruned.model.count_params(),
            **reached(pruned, tuned, "heads" if self.how == "heads" else "channels"),
            **({"budget": self.budget.model_dump(exclude_none=True)} if self.budget else {}),
            **({"rewritten": rewritten} if rewritten else {}),
            **({"notes": [NOTHING]} if pruned.model.count_params() == model.count_params() else {}),
            "fine_tune": tuned[-1],
        }
        return Outcome(state.with_model(pruned.model), facts, skipped=pruned.skipped)

    def ranking(self, model: Any, context: Context) -> Ranking:
        """Say how channels are chosen; amounts by sensitivity are read from their file, which must fit the network."""
        from tinyc.compression.pruning.structured import Ranking

        part: Literal["channels", "heads"] = "heads" if self.how == "heads" else "channels"
        amounts = None
        if self.sensitivity is not None:
            from tinyc.analysis.sensitivity.cuts import amounts_from

            amounts = amounts_from(context.find(self.sensitivity), model, self.drop or 0.0)
        return Ranking(
            self.amount, self.ranked_by, self.scope, self.round_to, context.rehearse, part, self.per, self.budget,
            amounts,
        )  # fmt: skip

    def sparsify(self, state: Net, aims: Aims, context: Context) -> Outcome:
        """Train under TFMOT's schedule until the weights are zero."""
        from tinyc.compression.clustering.keep import keep_structure
        from tinyc.compression.pruning import magnitude

        tuned: dict[str, Any] = {}

        def train(wrapped: Any, callbacks: list[Any]) -> None:
            tuned.update(self.tune(wrapped, context, [*callbacks, *keep_structure(wrapped)]))

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

    def tune(self, model: Any, context: Context, callbacks: list[Any], part: Part | None = None) -> dict[str, Any]:
        """Train the network in place with the recipe's losses, for one round's part of the epochs."""
        from tinyc.training.fine_tuning import fine_tune

        title = f"prune: {self.how}" + (part.name if part else "")
        own = replace(context, seed=context.seed + (part.number if part else 0))  # rounds see batches of their own
        return fine_tune(model, fit_options(self), own, title, callbacks, part)
