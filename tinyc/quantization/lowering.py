"""The conversion that the keys of `quantize` ask for, and what one scale for each Dense layer costs under it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from tinyc.core.errors import TinycError
from tinyc.data.task import Task
from tinyc.network.contract import Context
from tinyc.quantization import one_scale
from tinyc.quantization.calibration import Clip
from tinyc.quantization.quantized import Lowered, Wanted, lower
from tinyc.quantization.weights import Ready, excluded_layers
from tinyc.spec.passes.quantize import OneScaleDense, Quantize


def lowered_as_asked(
    options: Quantize, model: Any, samples: NDArray[Any], ready: Ready, task: Task, context: Context
) -> Lowered:
    """Convert with the ranges and bits that are asked for; gives facts on what that changed.

    Args:
        model: what is converted: `ready.model`, or that trained under int8 rounding.
        samples: (examples, *input_shape) as the network sees them.

    Raises:
        UserError: an operation has no such form, or TensorFlow Lite Micro cannot run it.
    """
    wanted = Wanted(
        per_channel_dense=options.per_channel,
        clip=None if options.calibrate == "minmax" else Clip(options.calibrate, options.percentile),
        int16=options.activations == "int16",
        exclude=excluded_layers(model, options.exclude),
        halved=None if options.weights == "int4" else ready.halved,
        bias_correction=options.bias_correction,
    )
    lowered = lower(model, samples, wanted, task, context)
    if options.how == "qat" or options.per_channel or context.rehearse is not None:
        return lowered
    if not one_scale.coarse(lowered.content):
        return lowered
    beside = "with the bits chosen here" if options.flash else ""
    found = cost_of_one_scale(lowered, model, samples, wanted, task, context, beside)
    return lowered.then(lowered.content, one_scale_dense=found)


def cost_of_one_scale(
    lowered: Lowered, model: Any, samples: NDArray[Any], wanted: Wanted, task: Task, context: Context, beside: str
) -> OneScaleDense:
    """Measure what one scale for each Dense layer costs against a scale for each output.

    Args:
        beside: what else the conversion has, for the sentence.
    """
    try:
        apart = lower(model, samples, replace(wanted, per_channel_dense=True), task, context)
        return one_scale.cost(lowered.content, apart.content, context.data, task, context.seed, beside)
    except TinycError as error:
        return {"unmeasured": f"per_channel_dense = true: {error.problem}"}
