"""The pass `quantize`: int8 throughout, from ranges that are measured (PTQ) or trained with the network (QAT)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, NotRequired, Self, TypedDict

from pydantic import AfterValidator, Field, model_validator

from tinyc.core import units
from tinyc.core.units import Bytes, Fraction, Points
from tinyc.devices.runtime import Runtime
from tinyc.spec.contract import Kind
from tinyc.spec.data import DataSpec
from tinyc.spec.effects import Effects, Made, Need, Place, Rule, Want
from tinyc.spec.facts import Rewritten
from tinyc.spec.training import FineTuned, LearningRate, Trained

TRAINING = (
    "epochs", "batch", "optimizer", "learning_rate", "schedule", "warmup", "weight_decay", "augment",
    "label_smoothing", "loss", "teach",
)  # fmt: skip
POST_TRAINING = ("weights", "activations", "exclude", "bias_correction", "equalize")


def size(text: str | None) -> str | None:
    """Check a size such as "96 KiB"."""
    if text is not None and units.parse(text, "bytes") <= 0:
        raise ValueError(f"{text!r} is nothing")
    return text


Judged = TypedDict("Judged", {"accuracy": Fraction, "loss": float, "examples": int})
Effect = TypedDict("Effect", {"accuracy": Fraction | None, "output_error": Fraction | None})
Change = TypedDict("Change", {"before": Effect, "after": Effect, "examples": int, "split": str})
"""What a step changed: accuracy, and the root mean square error of the outputs against the float network's."""
Widest = TypedDict("Widest", {"tensor": str, "measured": list[float], "chosen": list[float], "fraction_left": Fraction})
Effected = TypedDict("Effected", {"effect": Change}, total=False)
Clipped = TypedDict("Clipped", {"activations": int, "clipped": int, "largest": NotRequired[Widest]})
Reestimated = TypedDict("Reestimated", {"training_examples": int, "before": Judged, "after": Judged, "split": str})
Equalized = TypedDict("Equalized", {
    "pairs": list[list[str]], "largest_factor": float, "difference": float, "effect": NotRequired[Change],
})  # fmt: skip
Stored = TypedDict("Stored", {"as": str, "bits": int, "bytes": Bytes, "loss": float})
Mixed = TypedDict("Mixed", {
    "loss_before": float, "loss_after": float, "accuracy_before": Fraction, "accuracy_after": Fraction, "examples": int,
    "split": str,
})  # fmt: skip
Precision = TypedDict("Precision", {
    "flash_asked": Bytes, "flash_predicted": Bytes, "flash_least": Bytes, "kernels": dict[str, Stored],
    "measured": NotRequired[Mixed],
})  # fmt: skip
"""The bits that were chosen by layer; `loss` of a kernel is what it alone brings (nats)."""
Excluded = TypedDict("Excluded", {"layers": list[str], "operators": int, "effect": NotRequired[Change]})
Halved = TypedDict("Halved", {"layers": list[str], "others": list[str], "effect": NotRequired[Change]})
Corrected = TypedDict("Corrected", {
    "layers": int, "calibration_examples": int, "largest_steps": float, "effect": NotRequired[Change],
})  # fmt: skip
PerChannelDense = TypedDict("PerChannelDense", {"layers": list[str], "runtimes": str})
"""Dense layers with a scale for each output, and which firmware computes them."""
Scaled = TypedDict("Scaled", {"per_channel_dense": PerChannelDense}, total=False)
OneScaleDense = TypedDict("OneScaleDense", {
    "metric": str, "one_scale_a_layer": Fraction, "a_scale_for_each_output": Fraction, "gain": Points,
    "gain_low": Points | None, "gain_high": Points | None, "examples": int, "split": str, "runtime": str | None,
    "layers": list[str], "says": str, "unmeasured": str,
}, total=False)  # fmt: skip
"""What one scale for each Dense layer costs, with its paired 95 % interval; or `unmeasured`, the reason."""
ParityFacts = TypedDict("ParityFacts", {
    "examples": int, "layers": int, "largest": float, "at": str, "tolerance": float, "mended": list[dict[str, Any]],
})  # fmt: skip
Begun = TypedDict("Begun", {
    "accuracy": Fraction, "ptq_accuracy": Fraction | None, "change": Points | None, "change_low": Points | None,
    "change_high": Points | None, "examples": int, "split": str,
})  # fmt: skip
"""A network right after wrapping, before any training, beside its post-training quantization."""
QuantizeFacts = TypedDict("QuantizeFacts", {
    "how": str, "calibrate": str, "calibration": dict[str, int], "input": dict[str, Any], "output": dict[str, Any],
    "ops": dict[str, int], "float_tensors": int, "zero_weights_before": Fraction, "zero_weights_after": Fraction,
    "tables": dict[str, int], "tables_unseen": list[str], "tables_joined": dict[str, int],
    "per_channel_dense": PerChannelDense, "reestimate": Reestimated, "equalize": Equalized, "precision": Precision,
    "ranges": Clipped, "exclude": Excluded, "int4": Halved, "bias_correction": Corrected,
    "one_scale_dense": OneScaleDense, "fine_tune": Trained, "parity": ParityFacts, "start": Begun, "ranges_kept": int,
    "rewritten": list[Rewritten], "scaled_before": list[str], "notes": list[str],
}, total=False)  # fmt: skip
"""What the conversion made, and what each key that asks for more than that did."""


class Quantize(FineTuned, frozen=True, extra="forbid"):
    """Turn the network into an int8 .tflite, int8 in and out, with no float left inside but what `exclude` names.

    how = "ptq" takes the ranges of activations from calibration examples; how = "qat" trains the network on under
    int8 rounding first, by the recipe's latest distillation or by labels. Zeros of earlier pruning are kept. Token ids
    stay int32. Transformers are trained in wrappers of tinyc's own and get their ranges from the calibration examples
    afterwards; all else in those of TFMOT, which trains the ranges too.

    weights = "int4" halves the weights of convolutions and dense layers; precision = "auto" chooses each layer's bits
    for a flash target, with values to share that the pass `compact` makes tables of. activations = "int16" is for
    networks that int8 is too coarse for: its input and output are int16 as well.
    """

    takes: ClassVar[Kind] = "net"
    gives: ClassVar[Kind] = "flat"
    facts: ClassVar[type] = QuantizeFacts

    use: Literal["quantize"]
    how: Literal["ptq", "qat"] = Field("ptq", description="post-training, or quantization-aware training")
    per_channel_dense: bool | None = Field(
        None,
        description="one scale for each output of a Dense layer, not one in all; by default false, since much firmware "
        "(Arduino's ports of TensorFlow Lite Micro, all from before September 2024) computes true wrongly and says "
        "nothing; after ptq, the run says where false costs accuracy",
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
    weights: Literal["int8", "int4"] = Field(
        "int8", description="bits of weights; int4 where TensorFlow Lite Micro's kernels take them, the rest in int8"
    )
    activations: Literal["int8", "int16"] = Field(
        "int8", description="bits of activations, the input and the output; int16 keeps weights in int8"
    )
    exclude: tuple[str, ...] = Field((), description="layers to leave in float: names, globs, re:... or type:...")
    reestimate: bool = Field(
        False, description="measure the statistics of batch normalization again, over at most 4096 training examples"
    )
    equalize: bool = Field(
        False, description="give the channels of layers that a ReLU joins one range (cross-layer equalization)"
    )
    bias_correction: bool = Field(
        False, description="take each channel's mean error over 64 calibration examples out of its bias"
    )
    precision: Literal["uniform", "auto"] = Field(
        "uniform",
        description='bits by layer: as `weights` says, or chosen to meet `flash` with the least loss ("auto")',
    )
    flash: Annotated[str | None, AfterValidator(size)] = Field(
        None, description='for precision = "auto": what the artifact may take once stripped and compacted, "96 KiB"'
    )
    learning_rate: LearningRate = 2e-4

    @model_validator(mode="after")
    def fits_how(self) -> Self:
        """Refuse keys that would not be read."""
        for key in TRAINING if self.how == "ptq" else ():
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f'`{key}` belongs to how = "qat"; this pass has how = "ptq"')
        if self.calibrate != "percentile" and self.percentile != type(self).model_fields["percentile"].default:
            raise ValueError(f'`percentile` belongs to calibrate = "percentile"; this pass has "{self.calibrate}"')
        for key in POST_TRAINING if self.how == "qat" else ():
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f'`{key}` belongs to how = "ptq"; this pass has how = "qat"')
        return self

    @model_validator(mode="after")
    def fits_precision(self) -> Self:
        """Refuse bits that no kernel has together, and a flash target that nothing aims at."""
        if self.activations == "int16":
            for key in ("weights", "exclude", "calibrate", "precision"):
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(f'`{key}` belongs to activations = "int8"; this pass has activations = "int16"')
        if self.precision == "auto" and self.weights == "int4":
            raise ValueError('precision = "auto" chooses the weights\' bits layer by layer; remove `weights`')
        if (self.precision == "auto") != (self.flash is not None):
            raise ValueError('precision = "auto" and `flash` belong together: flash = "96 KiB" is what auto aims at')
        return self

    def on(self, runtime: Runtime, data: DataSpec) -> Self:
        """Give Dense layers a scale for each output where the runtime is known to compute that rightly.

        Not over sentences: tflite-runtime 2.14 gets it wrong there, and `verify` compares with that.
        """
        if self.per_channel_dense is not None or runtime.per_channel_dense != "right" or data.is_text:
            return self
        return self.model_copy(update={"per_channel_dense": True})

    @property
    def per_channel(self) -> bool:
        """Dense layers get a scale for each output: only where the recipe asks for it."""
        return self.per_channel_dense is True

    @property
    def effects(self) -> Effects:
        """The network becomes a .tflite; factors of channels break tables, and four bits take their place."""
        breaks = [Rule("client networks", "stands after {maker} {said}", "{instead}")]
        if self.equalize:
            problem = "has equalize = true after {maker}, and a factor for each channel would break its tables"
            breaks.append(Rule("tables", problem, "remove `equalize`, or the {maker} pass"))
        displaced = (
            'has weights = "int4" after {maker}: four bits take the place of the tables; leave one of the two out'
        )
        untabled = (
            'has precision = "auto", which counts on tables: without a compact pass after it they save no byte, and '
            "`flash` is missed"
        )
        searches = self.precision == "auto"
        return Effects(
            place=Place.CONVERT,
            trains=self.how == "qat" and self.epochs > 0,
            ranked=searches,
            makes=(Made("mixed bits"),) if searches else (),
            uses=("ranges",) if self.how == "qat" else (),
            breaks=tuple(breaks),
            loses=(Rule("tables", displaced),) if self.weights == "int4" else (),
            wants=(Want(("stored tables",), "after", untabled),) if searches else (),
            needs=tuple(self.needs()),
        )

    def needs(self) -> Iterator[Need]:
        """Yield what the keys ask of the runtime on the device."""
        if self.per_channel_dense:
            yield Need("per-channel Dense", "has per_channel_dense = true", "write per_channel_dense = false")
        if self.activations == "int16":
            yield Need("int16 activations", 'has activations = "int16"', 'write activations = "int8"')
        if self.weights == "int4":
            yield Need("int4 weights", 'has weights = "int4"', 'write weights = "int8"')
        if self.precision == "auto":
            uniform = "leave `precision` and `flash` out"
            yield Need("weight tables", 'has precision = "auto", which counts on weight tables', uniform)
            yield Need("int4 weights", 'has precision = "auto", which counts on four bits', uniform)
