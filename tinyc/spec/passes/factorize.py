"""The pass `factorize`: two thin layers in place of one wide, by singular values; then fine-tune."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from tinyc.network.contract import Context, Outcome
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
    from tinyc.compression.factoring.factorize import Thin
    from tinyc.network.state import Net

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

    def apply(self, state: Net, context: Context) -> Outcome:
        """Factorize a copy of the network and fine-tune it.

        Raises:
            UserError: the network is subclassed, a selector matches nothing, nothing can be factorized, or `params`
                is too little for rank 1.
        """
        from tinyc.compression.clustering.keep import keep_structure
        from tinyc.compression.factoring.factorize import factorize
        from tinyc.compression.factoring.ranks import Amount
        from tinyc.compression.pruning import aims
        from tinyc.network.checks import require_functional
        from tinyc.training.fine_tuning import fine_tune

        require_functional(state.model)
        only = [aims.Aim(selector) for selector in self.only]
        selected = aims.resolve(state.model, 1.0, only, self.skip, self.use)
        amount = Amount(self.rank, self.energy, self.params, context.rehearse)
        found = factorize(state.model, amount, selected, self.use)
        tuned = fine_tune(found.model, fit_options(self), context, self.use, keep_structure(found.model))
        facts = {
            "params_before": state.model.count_params(),
            "params_after": found.model.count_params(),
            "layers": [row(thin) for thin in found.layers],
            "fine_tune": tuned,
        }
        return Outcome(state.with_model(found.model), facts, skipped=found.skipped)


def row(thin: Thin) -> dict[str, Any]:
    """One factorized layer for the report; parameters are those of its kernel or table, without a bias."""
    rows, columns = thin.factors.shape
    return {
        "layer": thin.factors.layer,
        "shape": f"{rows}x{columns}",
        "rank": thin.rank,
        "energy": round(thin.energy, 6),
        "params_before": thin.factors.size,
        "params_after": thin.rank * thin.factors.price,
        "relative_error": round(thin.error, 6),
    }
