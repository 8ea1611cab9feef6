"""Keras networks to .tflite bytes, int8 throughout: one example at a time, the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.core.scope import FEED_FORWARD
from tinyc.network import backend
from tinyc.network.float_tflite import converter, inference, run
from tinyc.quantization.calibration import Clip, Ranges, clip_ranges
from tinyc.tflite.write.integer import is_left_by_chance, require_integer

CALLS = 30
"""How often the second step of a conversion is taken at most, before an operator counts as one without an int8 form."""
BRANCHES = frozenset({"While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase"})


def to_int8_tflite(model: Any, samples: NDArray[Any], per_channel_dense: bool = False) -> bytes:
    """Convert a network to int8 weights, activations, input and output, with a static batch of 1.

    An input of token ids stays int32.

    Args:
        model: a Keras network, plain or with TFMOT's quantization wrappers (whose ranges are then used).
        samples: (examples, *input_shape) as the network sees them; they set the ranges of what has none.
        per_channel_dense: whether Dense weights get a scale for each output, which much firmware computes wrongly
            (`devices.dense_scales`), rather than one for the layer.

    Raises:
        UserError: an operation has no int8 form or would stay in float; names it.
    """
    content = run(int8_converter(model, samples, per_channel_dense).convert, model.name)
    if is_left_by_chance(content):
        content = from_calibrated(calibrated(model, samples, per_channel_dense), model.name, per_channel_dense)
    require_integer(content, model)
    return content


def to_clipped_int8_tflite(
    model: Any, samples: NDArray[Any], per_channel_dense: bool, clip: Clip
) -> tuple[bytes, Ranges]:
    """Convert a network to int8 as `to_int8_tflite` does, with ranges of activations that outliers do not set.

    The converter itself works in two steps: a float network with a range at each tensor, and its quantization. In
    between the ranges are measured again and clipped.

    Raises:
        UserError: an operation has no int8 form or would stay in float; names it.
    """
    given, ranges = clip_ranges(calibrated(model, samples, per_channel_dense), samples, clip)
    content = from_calibrated(given, model.name, per_channel_dense)
    require_integer(content, model)
    return content, ranges


def to_int16_tflite(model: Any, samples: NDArray[Any], per_channel_dense: bool) -> bytes:
    """Convert a network to int8 weights and int16 activations, input and output, with a static batch of 1.

    Args:
        samples: (examples, *input_shape) as the network sees them; they set the ranges.

    Raises:
        UserError: an operation has no such form or would stay in float; names it.
    """
    tf = backend.tensorflow()
    lowered = int8_converter(model, samples, per_channel_dense)
    lowered.target_spec.supported_ops = [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    lowered.inference_input_type = lowered.inference_output_type = tf.int16
    content = run(lowered.convert, model.name)
    require_integer(content, model)
    return content


def calibrated(model: Any, samples: NDArray[Any], per_channel_dense: bool) -> bytes:
    """Take the converter's first step: a float .tflite, batch normalization folded in, with a range at each tensor."""
    lowered = int8_converter(model, samples, per_channel_dense)
    lowered._experimental_calibrate_only = True
    return run(lowered.convert, model.name)


def from_calibrated(content: bytes, network: str, per_channel_dense: bool, in_float: Sequence[str] = ()) -> bytes:
    """Take the converter's second step: int8 throughout but for the operators with these outputs, where that exists.

    The step takes up the operators in an order that changes from one call to the next, and in some orders leaves the
    SPLIT of an unrolled LSTM in float (up to two calls in five); it is taken again until none is.
    """
    for _ in range(CALLS):
        made = run(lambda: quantized(content, per_channel_dense, in_float), network)
        if not is_left_by_chance(made, in_float):
            break
    return made


def int8_converter(model: Any, samples: NDArray[Any], per_channel_dense: bool) -> Any:
    """Set up a converter to int8 throughout."""
    tf = backend.tensorflow()
    function = inference(model)
    refuse_branches(function.graph, model.name)
    lowered = converter(function)
    lowered.optimizations = [tf.lite.Optimize.DEFAULT]
    lowered.representative_dataset = lambda: one_by_one(samples, function)
    lowered.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    lowered.inference_input_type = lowered.inference_output_type = tf.int8
    lowered._experimental_disable_per_channel_quantization_for_dense_layers = not per_channel_dense
    return lowered


def quantized(content: bytes, per_channel_dense: bool, in_float: Sequence[str] = ()) -> bytes:
    """Quantize a calibrated float .tflite in the way that the converter does itself."""
    tf, lite = backend.tensorflow(), backend.lite()
    made = lite._mlir_quantize(
        content, False, input_data_type=tf.int8, output_data_type=tf.int8, denylisted_nodes=list(in_float) or None,
        disable_per_channel_for_dense_layers=not per_channel_dense,
    )  # fmt: skip
    return bytes(lite._deduplicate_readonly_buffers(made))


def refuse_branches(graph: Any, network: str) -> None:
    """Refuse loops and conditions: the converter's calibration crashes the whole process on them.

    Raises:
        UserError: names the layer that loops or branches, such as a recurrent one.
    """
    definition = graph.as_graph_def()
    branching = {
        function.signature.name
        for function in definition.library.function
        if any(node.op in BRANCHES for node in function.node_def)
    }
    for node in definition.node:
        if node.op in BRANCHES or (node.op.endswith("PartitionedCall") and node.attr["f"].func.name in branching):
            name = node.name.removesuffix("/PartitionedCall").rpartition("/")[2]
            raise UserError(f"{network}, layer {name!r}", "loops or branches, which has no int8 form", FEED_FORWARD)


def one_by_one(samples: NDArray[Any], function: Any) -> Iterator[list[Any]]:
    """Feed calibration samples as batches of one, in the network's input type."""
    kind = function.inputs[0].dtype.as_numpy_dtype
    for sample in samples:
        yield [sample[None].astype(kind)]
