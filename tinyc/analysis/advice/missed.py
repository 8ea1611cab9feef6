"""What a missed bound was measured on: the passes as they ran, what each cost, and what each took away."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tinyc.analysis.advice.remarks import Advice, Change, spelled
from tinyc.core import units
from tinyc.measure import Ledger
from tinyc.spec.bounds import Bound, Check
from tinyc.spec.facts import part
from tinyc.spec.metrics import METRICS
from tinyc.spec.passes import facts_of
from tinyc.spec.training import Trained

CUTS = ("channels", "heads")
"""How `prune` takes parameters out."""
SIZES: Mapping[str, str] = {
    "params": "params", "params_reduction": "params", "macs": "macs", "macs_reduction": "macs", "file": "file_bytes",
    "file_reduction": "file_bytes", "flash": "flash_bytes",
}  # fmt: skip
"""The figure of the ledger that each bound on a size is about."""


@dataclass(frozen=True)
class Ran:
    """One pass as it ran.

    Attributes:
        place: from 1.
        options: its keys with their values, the defaults among them.
        seconds: what it took, the measuring included.
        facts: what it found out.
        cut: the parameters that each layer lost, the most first.
    """

    place: int
    use: str
    options: Mapping[str, Any]
    before: Ledger
    after: Ledger
    seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    cut: tuple[tuple[str, int], ...] = ()

    @property
    def lost(self) -> float:
        """The accuracy that it lost, a fraction; below 0 where it gained."""
        return (self.before.accuracy or 0.0) - (self.after.accuracy or 0.0)

    @property
    def gone(self) -> int:
        """The parameters that it took away."""
        return max(0, (self.before.params or 0) - (self.after.params or 0))

    @property
    def share_gone(self) -> float:
        return self.gone / max(1, self.before.params or 1)

    def share_left(self, figure: Literal["params", "macs"]) -> float:
        """Return the share of the parameters, or of the multiplications, that it left."""
        return (getattr(self.after, figure) or 0) / max(1, getattr(self.before, figure) or 1)

    @property
    def tuning(self) -> Trained | None:
        """What its training found out; None where it did not train."""
        found = part(Trained, self.facts, facts_of(self.use))
        return found if found and found["loss"] else None


@dataclass(frozen=True)
class Peak:
    """The most bytes that activations take at once, and the operator at which they do."""

    bytes: int
    where: str


@dataclass(frozen=True)
class Miss:
    """One bound that was not met.

    Attributes:
        check, bound: the verdict and what was asked.
        source: the source's figures; `train` are the keys of its training, with what it took where that is known.
        passes: those that the bound judges: all for a target, one for an `expect`.
        is_expect: it is the bound of one pass.
        uses: all passes of the recipe in order.
        others: the bounds on the whole run, this one left out.
        guesses: the states that cannot be told from guessing; what helps is said there.
        input_bytes: of one example in int8.
        peak: where the artifact's activations take most; None of a network.
    """

    check: Check
    bound: Bound
    source: Ledger
    passes: Sequence[Ran]
    uses: Sequence[str]
    is_expect: bool = False
    train: Mapping[str, Any] | None = None
    train_seconds: float | None = None
    others: Sequence[Bound] = ()
    guesses: Sequence[str] = ()
    input_bytes: int = 0
    peak: Peak | None = None

    @property
    def about(self) -> str:
        ran = self.passes[0]
        return about(f"{pass_name(ran)}: " if self.is_expect else "", self.check)

    @property
    def quantize(self) -> int | None:
        """The place of the pass `quantize`, from 1."""
        return next((place for place, use in enumerate(self.uses, 1) if use == "quantize"), None)

    @property
    def first(self) -> Ledger:
        """What the bound compares with."""
        return self.passes[0].before if self.is_expect else self.source

    @property
    def final(self) -> Ledger:
        return self.passes[-1].after

    @property
    def most(self) -> float | None:
        """The most that the figure of a bound on a size may be; None for other bounds and unmeasured figures."""
        if self.check.metric not in SIZES:
            return None
        if METRICS[self.check.metric].how == "figure":
            return self.bound.limit
        whole = getattr(self.first, SIZES[self.check.metric])
        return None if whole is None else (1 - self.bound.limit) * whole


def about(place: str, check: Check) -> str:
    """Name a bound as the recipe writes it, and the pass whose `expect` it is."""
    return f"{place}{check.metric} {check.bound}"


def pass_name(ran: Ran) -> str:
    return f"pass {ran.place} ({ran.use})"


def whole_percent(share: float) -> str:
    """Return a share in whole percent."""
    return f"{share * 100:.0f} %"


def budget_share(options: Mapping[str, Any]) -> float | None:
    """Return the share of the parameters that a budget leaves; None where it has none, or another amount."""
    budget = options.get("budget")
    text = budget.get("params") if isinstance(budget, Mapping) else None
    return units.parse(text, "fraction") if isinstance(text, str) and text.strip().endswith("%") else None


def percent(share: float) -> str:
    """Return a share as a budget takes it, rounded down to a tenth of a percent."""
    return f"{math.floor(share * 1000 + 1e-6) / 10:g} %"


def advice(miss: Miss, because: str, made: Sequence[tuple[str, Any]], cost: str) -> Advice:
    """Advise keys to set."""
    changes = tuple(Change("set", key, value) for key, value in made)
    return Advice(because, ", ".join(spelled(change, miss.uses) for change in changes), cost, changes=changes)
