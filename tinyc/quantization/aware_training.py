"""Training under int8 rounding as the keys of `quantize` ask for it: in tinyc's own wrappers, or in those of TFMOT."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tinyc.compression.clustering.keep import keep_structure
from tinyc.core.errors import UserError
from tinyc.data.task import Task
from tinyc.network.contract import Context, Skipped
from tinyc.network.rewriting.function_layers import is_function
from tinyc.network.state import Net
from tinyc.quantization import fake_quant, fixed_ranges, qat
from tinyc.quantization.convert import to_int8_tflite
from tinyc.quantization.parity import PTQ
from tinyc.quantization.qat import Aware
from tinyc.quantization.start import start
from tinyc.spec.passes.quantize import Quantize, QuantizeFacts
from tinyc.spec.training import fit_options
from tinyc.training import fine_tuning

Trained = tuple[Any, QuantizeFacts, tuple[Skipped, ...]]
"""The network to convert, facts, and the layers that were left alone."""
EXAMPLES = 4
"""How many are converted with, to see before a training that what it ends in can be."""


def trained_where_asked(options: Quantize, model: Any, samples: NDArray[Any], state: Net, context: Context) -> Trained:
    """Give the network to convert: as it is, or trained under int8 rounding, from the ranges that it came with.

    Args:
        samples: (examples, *input_shape) as the network sees them; they set the ranges that training begins with.

    Raises:
        UserError: a key has no effect on this network, or a layer cannot be trained under int8 rounding.
    """
    if options.how == "ptq":
        return model, {}, ()
    if qat.has_blocks(model):
        aware = fake_quant.wrap(model, samples, options.per_channel)
        facts = train(options, aware, model, samples, state.task, context)
        return fake_quant.unwrap(aware.model, model), facts, aware.skipped
    refuse_for_tfmot(options)
    aware = qat.quantization_aware(model, samples)
    require_int8(aware.model, model, samples)
    kept = fixed_ranges.set_ranges(aware.model, state.ranges)
    facts = train(options, aware, model, samples, state.task, context)
    qat.settle(aware.model)
    if state.ranges:
        facts["ranges_kept"] = kept
    return aware.model, facts, aware.skipped


def train(
    options: Quantize, aware: Aware, model: Any, samples: NDArray[Any], task: Task, context: Context
) -> QuantizeFacts:
    """Train a network in wrappers on, keeping its zeros and tables; gives facts on its start and its course."""
    begun = begin(options, aware, model, samples, task, context)
    keep = keep_structure(aware.model)
    tuned = fine_tuning.fine_tune(aware.model, fit_options(options), context, "quantize: qat", keep)
    return {"fine_tune": tuned, **begun}


def begin(
    options: Quantize, aware: Aware, model: Any, samples: NDArray[Any], task: Task, context: Context
) -> QuantizeFacts:
    """Say what the training begins with: what wrapping kept, and how accurate that is beside PTQ."""
    facts: QuantizeFacts = {"parity": aware.parity.to_json()}
    if context.rehearse is not None:
        return facts
    found = start(aware.model, model, samples, options.per_channel, task, context)
    facts["start"] = found.to_json()
    if found.is_far:
        context.progress.say(f"quantize: {found.warning()}")
        facts["notes"] = [found.warning()]
    return facts


def refuse_for_tfmot(options: Quantize) -> None:
    """Refuse the keys that TFMOT's scheme has no place for.

    Raises:
        UserError: it trains Dense layers with one scale, and ranges with the weights.
    """
    for key, wanted, why in (
        ("per_channel_dense", options.per_channel, "TFMOT trains Dense layers with one scale in any case"),
        ("calibrate", options.calibrate != "minmax", "TFMOT trains the ranges with the weights"),
    ):
        if wanted:
            problem = f'has no effect with how = "qat" on a network that is not a transformer: {why}'
            raise UserError(f"quantize: {key}", problem, f'remove `{key}`, or write `how = "ptq"`')


def require_int8(wrapped: Any, model: Any, samples: NDArray[Any]) -> None:
    """Convert a network in wrappers as it is, where it holds what TFMOT does not know.

    Args:
        model: the network that was wrapped.
        samples: (examples, *input_shape) as the network sees them.

    Raises:
        UserError: an operator has no int8 form; says whether post-training quantization has one.
    """
    if not any(is_function(layer) or type(layer).__module__ == "tinyc.network.arithmetic" for layer in model.layers):
        return
    try:
        to_int8_tflite(wrapped, samples[:EXAMPLES], False)
    except UserError as error:
        to_int8_tflite(model, samples[:EXAMPLES], False)
        raise UserError(error.where, f"{error.problem} once it is trained under int8 rounding", PTQ) from error
