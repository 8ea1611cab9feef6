"""The pass `factorize`: two thin layers in place of one wide, by singular values; then fine-tune."""

from __future__ import annotations

from typing import ClassVar, Literal, Self, TypedDict

from pydantic import Field, model_validator

from tinyc.core.units import Fraction
from tinyc.spec.contract import Kind
from tinyc.spec.effects import Effects, Rule
from tinyc.spec.training import FineTuned, Trained

AMOUNTS = ("rank", "energy", "params")

Split = TypedDict("Split", {
    "layer": str, "shape": str, "rank": int, "energy": Fraction, "params_before": int, "params_after": int,
    "relative_error": Fraction,
})  # fmt: skip
"""One factorized layer; parameters are those of its kernel or table, without a bias."""
FactorizeFacts = TypedDict("FactorizeFacts", {
    "params_before": int, "params_after": int, "layers": list[Split], "fine_tune": Trained,
})  # fmt: skip


class Factorize(FineTuned, frozen=True, extra="forbid"):
    """Replace Dense layers, 1x1 convolutions and token tables by two thin layers each, where that saves parameters.

    A truncated singular value decomposition gives the factors, and fine-tuning follows. NAME_down goes before NAME,
    which keeps bias and activation; a table keeps its name and NAME_up, a Dense layer without bias, follows it (as in
    ALBERT, Lan et al. 2019). Zeros of an earlier magnitude pruning are lost in the layers that are factorized. Give
    one of `rank`, `energy` and `params`.
    """

    takes: ClassVar[Kind] = "net"
    gives: ClassVar[Kind] = "net"
    facts: ClassVar[type] = FactorizeFacts

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

    @model_validator(mode="after")
    def one_amount(self) -> Self:
        """Ask for exactly one amount, and for teachers that the loss uses."""
        given = [key for key in AMOUNTS if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of `rank`, `energy` and `params`; given: {', '.join(given) or 'none'}")
        return self

    @property
    def effects(self) -> Effects:
        """New weights in the layers that it splits."""
        lost = "computes new weights: the {what} of {{maker}} before it are lost in the layers that it splits; "
        rules = tuple(Rule(trace, lost.format(what=trace) + "put factorize first") for trace in ("zeros", "tables"))
        return Effects(trains=self.epochs > 0, ranked=self.rank is None, loses=rules)
