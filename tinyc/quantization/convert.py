"""Keras networks to .tflite bytes: float32, or int8 throughout; one example at a time, the same bytes every time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.core.quiet import hushed, thrifty
from tinyc.core.scope import FEED_FORWARD
from tinyc.network import backend
from tinyc.quantization.calibration import Clip, Ranges, clip_ranges
from tinyc.tflite.write.integer import is_left_by_chance, require_integer

UNSUPPORTED = re.compile(r"[Qq]uantization not yet supported for op: '([^']*)'")
CUSTOM = re.compile(r"(?:Custom|Flex|Select TF) ops?: ([\w, ]+)")
FORMLESS = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")
REMEDY = "replace the layer by one that has, or write it from elementary operations"
CALLS = 30
"""How often the second step of a conversion is taken at most, before an operator counts as one without an int8 form."""
BRANCHES = frozenset({"While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase"})


def to_float_tflite(model: Any) -> bytes:
    """Convert a network to a float32 .tflite with a static batch of 1.

    Raises:
        UserError: an operation has no TensorFlow Lite counterpart.
    """
    return run(converter(inference(model)).convert, model.name)


def to_int8_tflite(model: Any, samples: NDArray[Any], per_channel_dense: bool = False) -> bytes:
    """Convert a network to int8 weights, activations, input and output, with a static batch of 1.

    An input of token ids stays int32.

    Args:
        model: a Keras network, plain or with TFMOT's quantization wrappers (whose ranges are then used).
        samples: (examples, *input_shape) as the network sees them; they set the ranges of what has none.
        per_channel_dense: whether Dense weights get a scale for each output, which much firmware computes wrongly
            (`interpreters.dense_scales`), rather than one for the layer.

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


def inference(model: Any) -> Any:
    """Trace what the network computes for one example, training set aside, as a concrete function.

    A static batch keeps SHAPE, STRIDED_SLICE and PACK out. The function is pruned to the network's own last tensor,
    so that every operation's output is named after its layer; a `tf.function` would call it "Identity".
    """
    tf = backend.tensorflow()
    spec = input_spec(model)
    with hushed():
        whole = tf.compat.v1.wrap_function(lambda x: model(x, training=False), [spec])
        output = whole.outputs[0]
        while output.op.type == "Identity":
            output = output.op.inputs[0]
        return whole.prune(whole.inputs[0], output)


def input_spec(model: Any) -> Any:
    """One example of what the network takes; a subclassed network must have been called or built before."""
    tf = backend.tensorflow()
    if model.inputs:
        return tf.TensorSpec((1, *model.inputs[0].shape[1:]), model.inputs[0].dtype, name=model.input_names[0])
    saved = model.save_spec(dynamic_batch=True)
    if saved is None:
        raise UserError(model.name, "has never been called, so that its input is unknown", "call it on one example")
    given = tf.nest.flatten(saved)[0]
    return tf.TensorSpec((1, *given.shape[1:]), given.dtype, name="input")


def converter(function: Any) -> Any:
    """Set up a converter over a concrete function; frozen, it is 20 times quicker to convert than a SavedModel."""
    tf = backend.tensorflow()
    with hushed():
        lowered = tf.lite.TFLiteConverter.from_concrete_functions([function])
    lowered.exclude_conversion_metadata = True
    return lowered


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


def run(step: Callable[[], Any], network: str) -> bytes:
    """Convert in silence; what the converter refuses is the network's affair."""
    try:
        with thrifty(), hushed():
            return bytes(step())
    except Exception as error:
        # ConverterError derives from Exception alone, and TensorFlow does not export it.
        if isinstance(error, (RuntimeError, ValueError)) or type(error).__name__ == "ConverterError":
            raise refused(network, str(error)) from error
        raise


def refused(network: str, message: str) -> UserError:
    """Name the operation that the converter stopped at."""
    for pattern, form in ((UNSUPPORTED, "int8"), (CUSTOM, "TensorFlow Lite"), (FORMLESS, "TensorFlow Lite")):
        found = pattern.search(message)
        if found:
            return UserError(network, f"{found[1].strip()} has no {form} form", REMEDY)
    first = next((line.strip() for line in message.splitlines() if line.strip()), "no reason given")
    return UserError(network, f"the converter refuses the network: {first[:300]}", REMEDY)
