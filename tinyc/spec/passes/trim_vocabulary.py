"""The pass `trim_vocabulary`: keep the word pieces that the training sentences use."""

from __future__ import annotations

from typing import ClassVar, Literal, Self, TypedDict

from pydantic import Field, model_validator

from tinyc.core.units import Fraction
from tinyc.spec.contract import Kind, Pass
from tinyc.spec.effects import Effects

AMOUNTS = ("coverage", "size", "count")

Spelt = TypedDict("Spelt", {
    "unknown_before_fraction": Fraction | None, "tokens_a_sentence_before": float | None, "sentences_cut_before": int,
    "unknown_after_fraction": Fraction | None, "tokens_a_sentence_after": float | None, "sentences_cut_after": int,
})  # fmt: skip
"""How the sentences of one split are spelled."""
TrimFacts = TypedDict("TrimFacts", {
    "pieces_before": int, "pieces_after": int, "params_before": int, "params_after": int, "params_saved": int,
    "training_coverage": Fraction | None, "training": Spelt, "validation": Spelt, "source_accuracy": Fraction | None,
    "source_accuracy_on_trimmed": Fraction | None,
}, total=False)  # fmt: skip
"""What went, and what the source makes of sentences in the pieces that stay."""


class TrimVocabulary(Pass, frozen=True, extra="forbid"):
    """Keep the word pieces that the training sentences use, in the tokenizer and in the network's table.

    Words whose piece goes are spelled with shorter pieces; special pieces and the single characters of the training
    sentences always stay, so that each of their words still has a spelling. Nothing is trained. Give one of `coverage`,
    `size` and `count`.
    """

    takes: ClassVar[Kind] = "net"
    gives: ClassVar[Kind] = "net"
    facts: ClassVar[type] = TrimFacts

    use: Literal["trim_vocabulary"] = "trim_vocabulary"
    coverage: float | None = Field(None, gt=0, le=1, description="share of the training tokens whose piece stays")
    size: int | None = Field(None, ge=8, le=10_000_000, description="pieces that stay, at most: the most frequent")
    count: int | None = Field(None, ge=1, le=10_000_000, description="times a piece must occur in the training data")

    @model_validator(mode="after")
    def one_amount(self) -> Self:
        """Ask for exactly one amount."""
        given = [key for key in AMOUNTS if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of `coverage`, `size` and `count`; given: {', '.join(given) or 'none'}")
        return self

    @property
    def effects(self) -> Effects:
        """Another tokenizer, which a student has too."""
        return Effects(outlives=True)
