"""The pass `quantize`: int8 throughout, from ranges that are measured (PTQ) or trained with the network (QAT)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from tinyc.core import units
from tinyc.spec.contract import Kind
from tinyc.spec.effects import Effects, Made, Place, Rule, Want
from tinyc.spec.training import FineTuned, LearningRate

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
        )
