"""A network lowered with the bits and ranges that `quantize` asks for, each step beyond int8 measured and tried."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Unpack

from numpy.typing import NDArray

from tinyc.core import progress
from tinyc.data.task import Task
from tinyc.network.contract import Context, Skipped
from tinyc.quantization import convert
from tinyc.quantization.bias_correction import correct_biases
from tinyc.quantization.calibration import Clip, clip_ranges
from tinyc.quantization.effect import Gauge, refuse_unless_it_runs
from tinyc.quantization.exclusion import outputs_of
from tinyc.quantization.int4 import to_int4
from tinyc.quantization.int8_facts import clipped
from tinyc.spec.passes.quantize import Corrected, Effected, Excluded, Halved, QuantizeFacts
from tinyc.tflite.read.counterparts import heavy, unpack
from tinyc.tflite.write.integer import require_integer

UNTRIED = "whether TensorFlow Lite Micro runs {} could not be tried: it is not installed here"


@dataclass(frozen=True)
class Wanted:
    """How to lower a network.

    Attributes:
        clip: how to choose ranges; by extremes where None.
        exclude: layers to leave in float.
        halved: layers whose weights shall have four bits; all that can where None.
    """

    per_channel_dense: bool = False
    clip: Clip | None = None
    int16: bool = False
    exclude: tuple[str, ...] = ()
    halved: tuple[str, ...] | None = ()
    bias_correction: bool = False

    @property
    def in_two_steps(self) -> bool:
        """Whether the converter's calibrated float file is needed."""
        return bool(self.exclude or self.bias_correction or self.halved is None or self.halved)


@dataclass(frozen=True)
class Lowered:
    """A .tflite, what was found out on the way, and what was left as it was."""

    content: bytes
    facts: QuantizeFacts = field(default_factory=QuantizeFacts)
    left: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def then(self, content: bytes, left: tuple[Skipped, ...] = (), **facts: Unpack[QuantizeFacts]) -> Lowered:
        return replace(self, content=content, facts={**self.facts, **facts}, left=(*self.left, *left))

    def noted(self, note: str) -> Lowered:
        return replace(self, notes=(*self.notes, note))


@dataclass(frozen=True)
class StepCheck:
    """What each step is measured and tried with."""

    network: Any
    samples: NDArray[Any]
    task: Task
    context: Context

    def effect(self, before: bytes, after: bytes) -> Effected:
        """Measure a step; a rehearsal's network is untrained, so that there is nothing to measure."""
        if self.context.rehearse is not None:
            return {}
        gauge = Gauge(self.network, self.context.data, self.task, self.context.seed)
        return {"effect": gauge.compare(before, after)}

    def tried(self, lowered: Lowered, key: str, remedy: str) -> Lowered:
        """Run one example under TFLM, which must take what `key` brought about."""
        ran = refuse_unless_it_runs(lowered.content, self.samples[:1], f"quantize: {key}", remedy)
        return lowered if ran else lowered.noted(UNTRIED.format(f"what `{key}` makes"))


def lower(model: Any, samples: NDArray[Any], wanted: Wanted, task: Task, context: Context) -> Lowered:
    """Convert a network as wanted.

    Raises:
        UserError: an operation has no such form, or TensorFlow Lite Micro cannot run it.
    """
    check = StepCheck(model, samples, task, context)
    if wanted.int16:
        made = Lowered(convert.to_int16_tflite(model, samples, wanted.per_channel_dense))
        made = check.tried(made, "activations", 'write activations = "int8"')
        source = convert.calibrated(model, samples, wanted.per_channel_dense) if wanted.bias_correction else b""
    elif wanted.in_two_steps:
        source, made = two_steps(model, wanted, check)
    else:
        return one_step(model, samples, wanted)
    if wanted.bias_correction and context.rehearse is None:
        made = corrected(made, source, check)
    return made


def one_step(model: Any, samples: NDArray[Any], wanted: Wanted) -> Lowered:
    """Convert to int8 throughout."""
    if wanted.clip is None:
        return Lowered(convert.to_int8_tflite(model, samples, wanted.per_channel_dense))
    content, ranges = convert.to_clipped_int8_tflite(model, samples, wanted.per_channel_dense, wanted.clip)
    return Lowered(content, {"ranges": clipped(ranges)})


def two_steps(model: Any, wanted: Wanted, check: StepCheck) -> tuple[bytes, Lowered]:
    """Calibrate and quantize apart; gives the calibrated float file too."""
    source = convert.calibrated(model, check.samples, wanted.per_channel_dense)
    facts: QuantizeFacts = {}
    if wanted.clip is not None:
        source, ranges = clip_ranges(source, check.samples, wanted.clip)
        facts["ranges"] = clipped(ranges)
    content = convert.from_calibrated(source, model.name, wanted.per_channel_dense)
    if not wanted.exclude:
        require_integer(content, model)
    made = Lowered(content, facts)
    if wanted.exclude:
        made = excluding(made, source, wanted, check)
    if wanted.halved is None or wanted.halved:
        made = halving(made, source, wanted, check)
    return source, made


def excluding(made: Lowered, source: bytes, wanted: Wanted, check: StepCheck) -> Lowered:
    """Leave layers in float."""
    names = outputs_of(source, wanted.exclude, "quantize: exclude")
    content = convert.from_calibrated(source, check.network.name, wanted.per_channel_dense, names)
    require_integer(content, check.network, names)
    told: Excluded = {"layers": list(wanted.exclude), "operators": len(names), **check.effect(made.content, content)}
    remedy = "name other layers in `exclude`, or none"
    return check.tried(made.then(content, exclude=told), "exclude", remedy)


def halving(made: Lowered, source: bytes, wanted: Wanted, check: StepCheck) -> Lowered:
    """Give weights four bits where kernels take them."""
    found = to_int4(made.content, source, wanted.halved)
    kept = [work.layer for work in heavy(unpack(found.content)) if work.layer not in found.layers]
    told: Halved = {"layers": list(found.layers), "others": kept, **check.effect(made.content, found.content)}
    return check.tried(made.then(found.content, found.left, int4=told), "weights", 'write weights = "int8"')


def corrected(made: Lowered, source: bytes, check: StepCheck) -> Lowered:
    """Take the mean error of each channel out of its bias."""
    layers = sum(1 for _ in heavy(unpack(made.content)))
    with progress.task(check.context.progress, "quantize: correct biases", layers) as shown:
        found = correct_biases(made.content, source, check.samples, shown.advance)
    told: Corrected = {
        "layers": len(found.layers),
        "calibration_examples": found.examples,
        "largest_steps": max(found.layers.values(), default=0.0),
        **check.effect(made.content, found.content),
    }
    return made.then(found.content, found.left, bias_correction=told)
