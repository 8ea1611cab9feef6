"""A Keras network to a float32 .tflite, one example at a time; how it is traced and converted, to int8 as well."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tinyc.core.errors import UserError
from tinyc.core.quiet import hushed, thrifty
from tinyc.network import backend

UNSUPPORTED = re.compile(r"[Qq]uantization not yet supported for op: '([^']*)'")
CUSTOM = re.compile(r"(?:Custom|Flex|Select TF) ops?: ([\w, ]+)")
FORMLESS = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")
REMEDY = "replace the layer by one that has, or write it from elementary operations"


def to_float_tflite(model: Any) -> bytes:
    """Convert a network to a float32 .tflite with a static batch of 1.

    Raises:
        UserError: an operation has no TensorFlow Lite counterpart.
    """
    return run(converter(inference(model)).convert, model.name)


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
    """Return one example of what the network takes; a subclassed network must have been called or built before."""
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
