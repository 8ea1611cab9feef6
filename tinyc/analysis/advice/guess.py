"""A state that only guesses, as it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.analysis.advice.guessing import chance, only_answer
from tinyc.analysis.advice.missed import Ran
from tinyc.analysis.advice.symptoms import Symptoms
from tinyc.core import units
from tinyc.measure import Ledger
from tinyc.spec.amounts import Scaling
from tinyc.spec.training import Trained


@dataclass(frozen=True)
class Guess:
    """All that the reasons look at.

    Attributes:
        state: how it is called: "source", "1 distill".
        ledger: its figures; labels: of the test examples, (examples,); predicted: what it says of them.
        classes: their names.
        uses: the recipe's passes in order.
        keys: where the keys of its training stand, "source.train" or "pass.1"; empty where nothing trained it.
        options: those keys with their values.
        training: what the training found out; None where nothing did.
        seconds: what the training took, the measuring included; None where it is not known.
        examples: how many training examples there are.
        symptoms: what was measured of the network; None where nothing was.
        scale, offset: those of `[data]` now.
        quantize: the place of the pass `quantize`, from 1, where it stands later; `reestimates`: it measures the
            statistics of batch normalization again.
        use: the pass that gave the state, or "source"; `ran`: what it cost and took away.
    """

    state: str
    ledger: Ledger
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    classes: tuple[str, ...]
    uses: Sequence[str]
    keys: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Trained | None = None
    seconds: float | None = None
    examples: int = 0
    symptoms: Symptoms | None = None
    scale: Scaling = 1.0
    offset: Scaling = 0.0
    quantize: int | None = None
    reestimates: bool = False
    use: str = "source"
    ran: Ran | None = None

    @property
    def chance(self) -> float:
        return chance(self.ledger.metric, self.labels, len(self.classes))

    @property
    def share(self) -> float:
        """The share of the most frequent label, or of one class where all are alike."""
        return chance("accuracy", self.labels, len(self.classes))

    @property
    def losses(self) -> list[float]:
        return self.training["loss"] if self.training else []

    def says(self) -> str:
        """Say how accurate it is, what guessing gives, and whether it says one class alone."""
        ledger = self.ledger
        span = ""
        if ledger.accuracy_low is not None and ledger.accuracy_high is not None:
            span = f" ({ledger.accuracy_low * 100:.2f} to {ledger.accuracy_high * 100:.2f})"
        shown = f"{ledger.metric} {units.show(ledger.accuracy, 'fraction')}{span}"
        return f"{shown} cannot be told from guessing, which gives {self.guessing()}{self.constant()}"

    def constant(self) -> str:
        """Say which class it takes nearly all examples for; nothing where there is none."""
        only = only_answer(self.predicted)
        if only is None:
            return ""
        count, examples = int((self.predicted == only).sum()), len(self.labels)
        share = f"all {examples:,}" if count == examples else f"{count:,} of {examples:,}"
        return f"; it answers {self.classes[only]!r} for {share}"

    def guessing(self) -> str:
        text = units.show(self.chance, "fraction")
        if self.ledger.metric != "accuracy":
            return text
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return f"{text} by always saying {self.classes[int(counts.argmax())]!r}"
