"""The work of the pass `quantize`: a network is made ready, trained where asked, and converted to an int8 .tflite."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.clustering.check import few_valued_after, joined_notes
from tinyc.compression.clustering.keep import tables
from tinyc.core import units
from tinyc.core.errors import UserError
from tinyc.data.inputs import inputs
from tinyc.network.contract import Context, Outcome
from tinyc.network.state import Flat, Net
from tinyc.quantization import weights
from tinyc.quantization.aware_training import trained_where_asked
from tinyc.quantization.calibration import with_padding
from tinyc.quantization.columns import input_notes
from tinyc.quantization.input_scaling import pulled_out
from tinyc.quantization.int8_facts import calibration_notes, describe, per_channel_notes, zeros
from tinyc.quantization.lowering import lowered_as_asked
from tinyc.quantization.rewrite import legal
from tinyc.quantization.weights import Ready
from tinyc.spec.passes.quantize import Quantize, QuantizeFacts
from tinyc.tflite import dense_scales
from tinyc.tflite.read import flatbuffer


def quantize(options: Quantize, state: Net, context: Context) -> Outcome:
    """Convert the network, after training it where asked.

    Raises:
        UserError: a layer has no int8 form, the network cannot be trained under int8 rounding, or TensorFlow Lite
            Micro cannot run what was asked for.
    """
    pulled = pulled_out(state)
    if pulled:
        state, context = pulled.net, replace(context, data=replace(context.data, task=pulled.net.task))
    drawn = context.data.calibration
    samples = with_padding(inputs(drawn.x[: options.calibration], state.task))
    legal_model, rewritten = legal(state.model, samples)
    ready = made_ready(options, legal_model, samples, state, context)
    model, trained, skipped = trained_where_asked(options, ready.model, samples, state, context)
    lowered = lowered_as_asked(options, model, samples, ready, state.task, context)
    described = flatbuffer.describe(lowered.content)
    facts: QuantizeFacts = {
        "how": options.how,
        "calibrate": options.calibrate,
        "calibration": class_counts(drawn.y[: options.calibration], state.task.classes),
        **describe(lowered.content),
        **zeros(state.model, lowered.content),
        **few_valued_after(lowered.content, tables(ready.model)),
        **dense_scales.facts(described),
        **ready.facts,
        **lowered.facts,
        **trained,
    }
    if rewritten:
        facts["rewritten"] = list(rewritten)
    is_asked = "calibration" in options.model_fields_set
    taken = calibration_notes(options.calibration, is_asked, len(drawn), len(context.data.train))
    if pulled:
        facts["scaled_before"], taken = list(pulled.layers), [*pulled.notes, *taken]
    notes = [*taken, *ready.notes, *trained.get("notes", ()), *lowered.notes, *joined_notes(facts)]
    notes += [*input_notes(samples, described), *per_channel_notes(lowered.content)]
    if notes:
        facts["notes"] = notes
    return Outcome(
        Flat(lowered.content, replace(state.task, source_scaling=None)), facts, skipped=(*skipped, *lowered.left)
    )


def made_ready(options: Quantize, model: Any, samples: NDArray[Any], state: Net, context: Context) -> Ready:
    """Change the weights as asked: statistics, ranges of channels, bits by layer."""
    ready = Ready(model)
    if options.reestimate:
        ready = weights.reestimated(ready, state.task, context)
    if options.equalize:
        refuse_lost_tables(context)
        ready = weights.equalized(ready, samples, options.per_channel, state.task, context)
    if options.flash is not None:
        bytes_ = int(units.parse(options.flash, "bytes"))
        # TFMOT trains Dense layers with one scale, and knows no weights of four bits.
        per_channel, int4 = options.how == "ptq" and options.per_channel, options.how == "ptq"
        leave = weights.excluded_layers(model, options.exclude)
        ready = weights.by_layer(
            ready, weights.ByteTarget(bytes_, int4, per_channel, leave), samples, state.task, context
        )
    return ready


def refuse_lost_tables(context: Context) -> None:
    """Refuse to equalize what shares values: each input channel would get another factor.

    Raises:
        UserError: an earlier pass has made tables.
    """
    if any(each.use == "cluster" for each in context.earlier):
        problem = "would undo the tables of `cluster`: it multiplies each channel by a factor of its own"
        raise UserError("quantize: equalize", problem, "remove `equalize`, or the pass `cluster`")


def class_counts(labels: NDArray[np.int64], classes: tuple[str, ...]) -> dict[str, int]:
    """Count the calibration examples of each class."""
    return {name: int((labels == index).sum()) for index, name in enumerate(classes)}
