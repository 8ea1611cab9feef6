"""The pass `prune`: remove whole channels, or set single weights to zero; then fine-tune."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, TypedDict

from pydantic import Field, model_validator

from tinyc.core.units import Bytes, Fraction
from tinyc.spec.budget import Budget
from tinyc.spec.contract import Kind
from tinyc.spec.effects import Effects, Made, Rule
from tinyc.spec.facts import Rewritten
from tinyc.spec.selection import Selection, refuse_amounts
from tinyc.spec.training import FineTuned, Trained

AMOUNTS = ("fraction", "budget", "sensitivity")
OWN = {
    "channels": (*AMOUNTS, "drop", "scope", "importance", "per", "round_to", "keep_least", "rounds"),
    "magnitude": ("sparsity", "pattern", "sparsity_schedule"),
}
"""The keys that one `how` has and the other does not."""
Round = TypedDict("Round", {"params": int | None, "macs": int | None, "file": Bytes | None, "fine_tune": Trained})
PruneFacts = TypedDict("PruneFacts", {
    "how": str, "fine_tune": Trained, "importance": str | None, "scope": str,
    "params_before": int, "params_after": int, "macs_before": int | None,
    "macs_after": int | None, "macs_not_counted_of": list[str],
    "int8_bytes_before": Bytes | None, "int8_bytes_after": Bytes | None,
    "groups": list[dict[str, Any]], "rounds": list[Round],
    "budget": dict[str, Any], "rewritten": list[Rewritten], "notes": list[str],
    "pattern": str, "sparsity": dict[str, Fraction],
}, total=False)  # fmt: skip
"""What channels, heads or weights went; int8 bytes are estimated as `budget` says, MACs are those of one inference."""


class Prune(FineTuned, frozen=True, extra="forbid"):
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
    facts: ClassVar[type] = PruneFacts

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
        description="number of equal steps in which to cut; after each, rank again and fine-tune; they share `epochs`",
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
        """Refuse rounds without an epoch each, and teachers that the loss would ignore."""
        if self.rounds > max(1, self.epochs):
            raise ValueError(f"{self.rounds} rounds need at least {self.rounds} epochs; `epochs` is {self.epochs}")
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
    def effects(self) -> Effects:
        """Single zeros are kept by later trainings, and would break the tables that these keep, too."""
        label, trains = f"prune ({self.how})", self.epochs > 0
        if self.how != "magnitude":
            return Effects(label=label, trains=trains, ranked=self.scope == "global" or self.budget is not None)
        broken = Rule(
            "tables",
            'how = "magnitude" stands after {maker}, and single zeros would break its tables',
            "move it before {maker}, which keeps the zeros",
        )
        return Effects(
            label=label,
            trains=trains,
            makes=(Made("zeros"),),
            breaks=() if self.only or self.skip else (broken,),  # selectors may miss the layers with tables
            notes=('prune how = "magnitude" makes zeros, which save no byte of flash; how = "channels" does',),
        )
