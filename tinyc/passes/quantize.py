"""The pass `quantize`: int8 throughout, from ranges that are measured (PTQ) or trained with the network (QAT)."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from tinyc.contract import Context, Outcome, Skipped
from tinyc.errors import UserError
from tinyc.sources.training_keys import (
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
)
from tinyc.state import Flat, Kind, Net

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TRAINING = (
    "epochs", "batch", "optimizer", "learning_rate", "schedule", "warmup", "weight_decay", "augment",
    "label_smoothing", "loss",
)  # fmt: skip


class Quantize(BaseModel, frozen=True, extra="forbid"):
    """Turn the network into an int8 .tflite, int8 in and out, with no float left inside.

    how = "ptq" takes the ranges of activations from calibration examples; how = "qat" trains the network on under
    int8 rounding first, by the recipe's latest distillation or by labels. Zeros of earlier pruning are kept. Token ids
    stay int32. Transformers are trained in wrappers of tinyc's own and get their ranges from the calibration examples
    afterwards; all else in those of TFMOT, which trains the ranges too.
    """

    takes: ClassVar[Kind] = "net"
    gives: ClassVar[Kind] = "flat"

    use: Literal["quantize"]
    how: Literal["ptq", "qat"] = Field("ptq", description="post-training, or quantization-aware training")
    per_channel_dense: bool | None = Field(
        None,
        description="one scale for each output of a Dense layer; by default true, and false for transformers, which "
        "tflite-runtime 2.14 would get wrong; false for TFLM firmware before September 2024",
    )
    calibrate: Literal["minmax", "percentile", "mse"] = Field(
        "minmax", description="an activation's range: its extremes, or clipped at a percentile or at the least error"
    )
    percentile: float = Field(
        99.99, ge=50, le=100, description='for calibrate = "percentile": absolute values that are not clipped, in %'
    )
    calibration: int = Field(
        500, ge=1, le=100_000, description="most calibration examples to take, of those that `[data]` sets aside"
    )
    epochs: Epochs = 4
    batch: Batch = 64
    optimizer: Optimizer = "adam"
    learning_rate: LearningRate = 2e-4
    schedule: Schedule = "cosine"
    warmup: Warmup = 0.0
    weight_decay: WeightDecay = 0.0
    augment: Augment = ()
    label_smoothing: LabelSmoothing = 0.0
    loss: Loss = "auto"

    @model_validator(mode="after")
    def fits_how(self) -> Self:
        """Refuse keys that would not be read."""
        for key in TRAINING if self.how == "ptq" else ():
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f'`{key}` belongs to how = "qat"; this pass has how = "ptq"')
        if self.calibrate != "percentile" and self.percentile != type(self).model_fields["percentile"].default:
            raise ValueError(f'`percentile` belongs to calibrate = "percentile"; this pass has "{self.calibrate}"')
        return self

    def apply(self, state: Net, context: Context) -> Outcome:
        """Convert the network, after training it where asked.

        Raises:
            UserError: a layer has no int8 form, or the network cannot be trained under int8 rounding.
        """
        from tinyc.data import inputs
        from tinyc.lowering.calibration import with_padding
        from tinyc.lowering.int8_facts import describe, per_channel_notes, zeros
        from tinyc.lowering.rewrite import legal

        drawn = context.data.calibration
        samples = with_padding(inputs(drawn.x[: self.calibration], state.task))
        legal_model, rewritten = legal(state.model, samples)
        model, trained, skipped = self.prepare(legal_model, samples, context)
        content, ranges = self.convert(model, samples)
        facts = {
            "how": self.how,
            "calibrate": self.calibrate,
            "calibration": class_counts(drawn.y[: self.calibration], state.task.classes),
            **describe(content),
            **zeros(state.model, content),
            **ranges,
            **trained,
        }
        if rewritten:
            facts["rewritten"] = [asdict(each) for each in rewritten]
        if notes := per_channel_notes(content):
            facts["notes"] = notes
        return Outcome(Flat(content, state.task), facts, skipped=skipped)

    def convert(self, model: Any, samples: NDArray[Any]) -> tuple[bytes, dict[str, Any]]:
        """Convert with the ranges that are asked for; gives facts on what was clipped."""
        from tinyc.lowering.calibration import Clip
        from tinyc.lowering.convert import to_clipped_int8_tflite, to_int8_tflite
        from tinyc.lowering.int8_facts import clipped

        if self.calibrate == "minmax":
            return to_int8_tflite(model, samples, self.per_channel(model)), {}
        clip = Clip(self.calibrate, self.percentile)
        content, ranges = to_clipped_int8_tflite(model, samples, self.per_channel(model), clip)
        return content, {"ranges": clipped(ranges)}

    def per_channel(self, model: Any) -> bool:
        """Say whether Dense layers get a scale for each output."""
        from tinyc.lowering.qat import has_blocks

        return not has_blocks(model) if self.per_channel_dense is None else self.per_channel_dense

    def prepare(
        self, model: Any, samples: NDArray[Any], context: Context
    ) -> tuple[Any, dict[str, Any], tuple[Skipped, ...]]:
        """Give the network to convert: as it is, or trained under int8 rounding."""
        if self.how == "ptq":
            return model, {}, ()
        from tinyc.lowering import qat

        if qat.has_blocks(model):
            from tinyc.lowering import fake_quant

            wrapped, skipped = fake_quant.wrap(model, samples, self.per_channel(model))
            tuned = self.fine_tune(wrapped, context)
            return fake_quant.unwrap(wrapped, model), {"fine_tune": tuned}, skipped
        self.refuse_for_tfmot()
        aware = qat.quantization_aware(model, samples)
        tuned = self.fine_tune(aware.model, context)
        qat.settle(aware.model)
        return aware.model, {"fine_tune": tuned}, aware.skipped

    def fine_tune(self, wrapped: Any, context: Context) -> dict[str, Any]:
        """Train a network in wrappers on, keeping its zeros."""
        from tinyc.pruning.zeros import keep_zeros
        from tinyc.training import fine_tune
        from tinyc.training.options import fit_options

        return fine_tune(wrapped, fit_options(self), context, "quantize: qat", keep_zeros(wrapped))

    def refuse_for_tfmot(self) -> None:
        """Refuse the keys that TFMOT's scheme has no place for.

        Raises:
            UserError: it trains Dense layers with one scale, and ranges with the weights.
        """
        for key, why in (
            ("per_channel_dense", "TFMOT trains Dense layers with one scale in any case"),
            ("calibrate", "TFMOT trains the ranges with the weights"),
        ):
            if getattr(self, key) != type(self).model_fields[key].default:
                problem = f'has no effect with how = "qat" on a network that is no transformer: {why}'
                raise UserError(f"quantize: {key}", problem, f'remove `{key}`, or write `how = "ptq"`')


def class_counts(labels: NDArray[np.int64], classes: tuple[str, ...]) -> dict[str, int]:
    """Count the calibration examples of each class."""
    return {name: int((labels == index).sum()) for index, name in enumerate(classes)}
