"""The pass `quantize`: int8 throughout, from ranges that are measured (PTQ) or trained with the network (QAT)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from tinyc.contract import Context, Outcome, Skipped
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
    int8 rounding first, by the recipe's latest distillation or by labels. Zeros of earlier pruning are kept.
    """

    takes: ClassVar[Kind] = "net"
    gives: ClassVar[Kind] = "flat"

    use: Literal["quantize"]
    how: Literal["ptq", "qat"] = Field("ptq", description="post-training, or quantization-aware training (TFMOT)")
    per_channel_dense: bool = Field(
        True, description="one scale for each output of a Dense layer; false for TFLM firmware before September 2024"
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
        """Refuse keys of the other `how`."""
        keys = TRAINING if self.how == "ptq" else ("per_channel_dense",)
        for key in keys:
            if getattr(self, key) != type(self).model_fields[key].default:
                other = "qat" if self.how == "ptq" else "ptq"
                why = "" if self.how == "ptq" else " (TFMOT trains Dense layers with one scale in any case)"
                raise ValueError(f'`{key}` belongs to how = "{other}"; this pass has how = "{self.how}"{why}')
        return self

    def apply(self, state: Net, context: Context) -> Outcome:
        """Convert the network, after training it where asked.

        Raises:
            UserError: a layer has no int8 form, or the network cannot be trained in TFMOT's wrappers.
        """
        from tinyc.data import inputs
        from tinyc.lowering.convert import to_int8_tflite

        drawn = context.data.calibration
        samples = inputs(drawn.x[: self.calibration], state.task)
        model, trained, skipped = self.prepare(state, samples, context)
        content = to_int8_tflite(model, samples, self.per_channel_dense)
        counts = class_counts(drawn.y[: self.calibration], state.task.classes)
        facts = {"how": self.how, "calibration": counts, **describe(content), **zeros(state.model, content), **trained}
        return Outcome(Flat(content, state.task), facts, skipped=skipped)

    def prepare(
        self, state: Net, samples: NDArray[np.float32], context: Context
    ) -> tuple[Any, dict[str, Any], tuple[Skipped, ...]]:
        """Give the network to convert: as it is, or wrapped and trained under int8 rounding."""
        if self.how == "ptq":
            return state.model, {}, ()
        from tinyc.lowering.qat import quantization_aware, settle
        from tinyc.pruning.zeros import keep_zeros
        from tinyc.training import fine_tune
        from tinyc.training.options import fit_options

        aware = quantization_aware(state.model, samples)
        tuned = fine_tune(aware.model, fit_options(self), context, "quantize: qat", keep_zeros(aware.model))
        settle(aware.model)
        return aware.model, {"fine_tune": tuned}, aware.skipped


def class_counts(labels: NDArray[np.int64], classes: tuple[str, ...]) -> dict[str, int]:
    """Count the calibration examples of each class."""
    return {name: int((labels == index).sum()) for index, name in enumerate(classes)}


def describe(content: bytes) -> dict[str, Any]:
    """State what the artifact takes and gives, and which operators it is made of."""
    from collections import Counter

    from tinyc.interpreters import flatbuffer
    from tinyc.lowering.integer import float_tensors

    described = flatbuffer.describe(content)
    given, made = described.inputs[0], described.outputs[0]
    return {
        "input": {"scale": given.scales[0], "zero_point": given.zero_points[0]},
        "output": {"scale": made.scales[0], "zero_point": made.zero_points[0]},
        "ops": dict(sorted(Counter(op.name for op in described.ops).items())),
        "float_tensors": float_tensors(content),
    }


def zeros(model: Any, content: bytes) -> dict[str, float]:
    """Compare the share of zero weights before and after; rounding may add some, and must lose none."""
    import numpy as np

    from tinyc.lowering.integer import zero_weights

    kernels = [weight.numpy().ravel() for weight in model.trainable_weights if len(weight.shape) > 1]
    flat = np.concatenate(kernels or [np.ones(1)])
    before = 1.0 - np.count_nonzero(flat) / flat.size
    return {"zero_weights_before": round(before, 6), "zero_weights_after": round(zero_weights(content), 6)}
