"""The pass `quantize`: int8 throughout, from ranges that are measured (PTQ) or trained with the network (QAT)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from tinyc.core import units
from tinyc.core.errors import TinycError, UserError
from tinyc.data.task import Task
from tinyc.network.contract import Context, Outcome, Skipped
from tinyc.network.state import Flat, Net
from tinyc.spec.contract import Kind
from tinyc.spec.training_keys import (
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
    refuse_unheard,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tinyc.quantization.qat import Aware
    from tinyc.quantization.quantized import Lowered, Wanted
    from tinyc.quantization.weights import Ready

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


class Quantize(BaseModel, frozen=True, extra="forbid"):
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
    epochs: Epochs = 4
    batch: Batch = 32
    optimizer: Optimizer = "adam"
    learning_rate: LearningRate = 2e-4
    schedule: Schedule = "cosine"
    warmup: Warmup = 0.0
    weight_decay: WeightDecay = 0.0
    augment: Augment = ()
    label_smoothing: LabelSmoothing = 0.0
    loss: Loss = "auto"
    teach: Taught = None

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
        refuse_unheard(self)
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
    def ranked(self) -> bool:
        """Trained weights decide the sizes, so that a plan gives a range."""
        return self.precision == "auto"

    def apply(self, state: Net, context: Context) -> Outcome:
        """Convert the network, after training it where asked.

        Raises:
            UserError: a layer has no int8 form, the network cannot be trained under int8 rounding, or TensorFlow Lite
                Micro cannot run what was asked for.
        """
        from tinyc.analysis.diagnosis.columns import input_notes
        from tinyc.compression.clustering.check import few_valued_after, joined_notes
        from tinyc.compression.clustering.keep import tables
        from tinyc.data import inputs
        from tinyc.devices import dense_scales
        from tinyc.quantization.calibration import with_padding
        from tinyc.quantization.input_scaling import pulled_out
        from tinyc.quantization.int8_facts import calibration_notes, describe, per_channel_notes, zeros
        from tinyc.quantization.rewrite import legal
        from tinyc.tflite.read import flatbuffer

        pulled = pulled_out(state)
        if pulled:
            state, context = pulled.net, replace(context, data=replace(context.data, task=pulled.net.task))
        drawn = context.data.calibration
        samples = with_padding(inputs(drawn.x[: self.calibration], state.task))
        legal_model, rewritten = legal(state.model, samples)
        ready = self.ready(legal_model, samples, state, context)
        model, trained, skipped = self.prepare(ready.model, samples, state, context)
        lowered = self.convert(model, samples, ready, state, context)
        facts = {
            "how": self.how,
            "calibrate": self.calibrate,
            "calibration": class_counts(drawn.y[: self.calibration], state.task.classes),
            **describe(lowered.content),
            **zeros(state.model, lowered.content),
            **few_valued_after(lowered.content, tables(ready.model)),
            **dense_scales.facts(flatbuffer.describe(lowered.content)),
            **ready.facts,
            **lowered.facts,
            **trained,
        }
        if rewritten:
            facts["rewritten"] = [asdict(each) for each in rewritten]
        is_asked = "calibration" in self.model_fields_set
        taken = calibration_notes(self.calibration, is_asked, len(drawn), len(context.data.train))
        if pulled:
            facts["scaled_before"], taken = list(pulled.layers), [*pulled.notes, *taken]
        notes = [*taken, *ready.notes, *trained.get("notes", ()), *lowered.notes, *joined_notes(facts)]
        notes += input_notes(samples, flatbuffer.describe(lowered.content))
        if notes := [*notes, *per_channel_notes(lowered.content)]:
            facts["notes"] = notes
        return Outcome(Flat(lowered.content, replace(state.task, heard=None)), facts, skipped=(*skipped, *lowered.left))

    def ready(self, model: Any, samples: NDArray[Any], state: Net, context: Context) -> Ready:
        """Change the weights as asked: statistics, ranges of channels, bits by layer."""
        from tinyc.quantization import weights

        ready = weights.Ready(model)
        if self.reestimate:
            ready = weights.reestimated(ready, state.task, context)
        if self.equalize:
            self.refuse_lost_tables(context)
            ready = weights.equalized(ready, samples, self.per_channel, state.task, context)
        if self.flash is not None:
            bytes_ = int(units.parse(self.flash, "bytes"))
            # TFMOT trains Dense layers with one scale, and knows no weights of four bits.
            per_channel, int4 = self.how == "ptq" and self.per_channel, self.how == "ptq"
            leave = weights.named(model, self.exclude)
            ready = weights.by_layer(ready, weights.Aim(bytes_, int4, per_channel, leave), samples, state.task, context)
        return ready

    def convert(self, model: Any, samples: NDArray[Any], ready: Ready, state: Net, context: Context) -> Lowered:
        """Convert with the ranges and bits that are asked for; gives facts on what that changed."""
        from tinyc.quantization import quantized, weights
        from tinyc.quantization.calibration import Clip

        clip = None if self.calibrate == "minmax" else Clip(self.calibrate, self.percentile)
        wanted = quantized.Wanted(
            per_channel_dense=self.per_channel,
            clip=clip,
            int16=self.activations == "int16",
            exclude=weights.named(model, self.exclude),
            halved=None if self.weights == "int4" else ready.halved,
            bias_correction=self.bias_correction,
        )
        lowered = quantized.lower(model, samples, wanted, state.task, context)
        if self.how == "qat" or self.per_channel or context.rehearse is not None:
            return lowered
        return self.with_cost(lowered, model, samples, wanted, state, context)

    def with_cost(
        self, lowered: Lowered, model: Any, samples: NDArray[Any], wanted: Wanted, state: Net, context: Context
    ) -> Lowered:
        """Measure what one scale for each Dense layer costs, where some output has few steps left under it."""
        from tinyc.analysis.diagnosis import one_scale
        from tinyc.quantization import quantized

        if not one_scale.coarse(lowered.content):
            return lowered
        found: Mapping[str, Any]
        try:
            apart = quantized.lower(model, samples, replace(wanted, per_channel_dense=True), state.task, context)
            pair, beside = (lowered.content, apart.content), "with the bits chosen here" if self.flash else ""
            found = one_scale.cost(*pair, context.data, state.task, context.seed, beside)
        except TinycError as error:
            found = {"unmeasured": f"per_channel_dense = true: {error.problem}"}
        return lowered.then(lowered.content, one_scale_dense=found)

    def refuse_lost_tables(self, context: Context) -> None:
        """Refuse to equalize what shares values: each input channel would get another factor.

        Raises:
            UserError: an earlier pass has made tables.
        """
        if any(each.use == "cluster" for each in context.earlier):
            problem = "would undo the tables of `cluster`: it multiplies each channel by a factor of its own"
            raise UserError("quantize: equalize", problem, "remove `equalize`, or the pass `cluster`")

    @property
    def per_channel(self) -> bool:
        """Dense layers get a scale for each output: only where the recipe asks for it."""
        return self.per_channel_dense is True

    def prepare(
        self, model: Any, samples: NDArray[Any], state: Net, context: Context
    ) -> tuple[Any, dict[str, Any], tuple[Skipped, ...]]:
        """Give the network to convert: as it is, or trained under int8 rounding, from the ranges that it came with."""
        if self.how == "ptq":
            return model, {}, ()
        from tinyc.quantization import fixed_ranges, qat, untrained

        if qat.has_blocks(model):
            from tinyc.quantization import fake_quant

            aware = fake_quant.wrap(model, samples, self.per_channel)
            begun = self.begin(aware, model, samples, state.task, context)
            facts = {"fine_tune": self.fine_tune(aware.model, context), **begun}
            return fake_quant.unwrap(aware.model, model), facts, aware.skipped
        self.refuse_for_tfmot()
        aware = qat.quantization_aware(model, samples)
        untrained.require_int8(aware.model, model, samples)
        kept = fixed_ranges.write(aware.model, state.ranges)
        begun = self.begin(aware, model, samples, state.task, context)
        facts = {"fine_tune": self.fine_tune(aware.model, context), **begun}
        qat.settle(aware.model)
        if state.ranges:
            facts["ranges_kept"] = kept
        return aware.model, facts, aware.skipped

    def begin(self, aware: Aware, model: Any, samples: NDArray[Any], task: Task, context: Context) -> dict[str, Any]:
        """Say what the training begins with: what wrapping kept, and how accurate that is beside PTQ."""
        from tinyc.analysis.diagnosis.start import start

        facts: dict[str, Any] = {"parity": aware.parity.to_json()}
        if context.rehearse is not None:
            return facts
        found = start(aware.model, model, samples, self.per_channel, task, context)
        facts["start"] = found.to_json()
        if found.is_far:
            context.progress.say(f"quantize: {found.warning()}")
            facts["notes"] = [found.warning()]
        return facts

    def fine_tune(self, wrapped: Any, context: Context) -> dict[str, Any]:
        """Train a network in wrappers on, keeping its zeros and tables."""
        from tinyc.compression.clustering.keep import keep_structure
        from tinyc.spec.training import fit_options
        from tinyc.training.fine_tuning import fine_tune

        return fine_tune(wrapped, fit_options(self), context, "quantize: qat", keep_structure(wrapped))

    def refuse_for_tfmot(self) -> None:
        """Refuse the keys that TFMOT's scheme has no place for.

        Raises:
            UserError: it trains Dense layers with one scale, and ranges with the weights.
        """
        for key, wanted, why in (
            ("per_channel_dense", self.per_channel, "TFMOT trains Dense layers with one scale in any case"),
            ("calibrate", self.calibrate != "minmax", "TFMOT trains the ranges with the weights"),
        ):
            if wanted:
                problem = f'has no effect with how = "qat" on a network that is no transformer: {why}'
                raise UserError(f"quantize: {key}", problem, f'remove `{key}`, or write `how = "ptq"`')


def class_counts(labels: NDArray[np.int64], classes: tuple[str, ...]) -> dict[str, int]:
    """Count the calibration examples of each class."""
    return {name: int((labels == index).sum()) for index, name in enumerate(classes)}
