"""Are the tables of a network still there in its .tflite? Distinct int8 values, channel by channel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.clustering.tables import Axis, distinct
from tinyc.core.errors import TinycError
from tinyc.spec.passes.quantize import QuantizeFacts
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.schema import schema

SLOTS: Mapping[str, tuple[int, tuple[int, ...]]] = {
    "CONV_2D": (1, (0,)),
    "DEPTHWISE_CONV_2D": (1, (3,)),
    "FULLY_CONNECTED": (1, (0,)),
    "TRANSPOSE_CONV": (1, (0,)),
    "GATHER": (0, ()),
}
"""Of each operator, which input is the weight, and the axes of its channels."""


def few_valued_after(content: bytes, expected: Mapping[str, int]) -> QuantizeFacts:
    """Make sure that no channel has more int8 values than its layer's kernel had before.

    Args:
        content: an int8 .tflite with its names.
        expected: the most values of a channel by layer, as `keep.tables` gives them.

    Returns:
        Facts: `tables`, the most values of a channel by layer; `tables_unseen`, the layers whose int8 weight was not
        found by name; `tables_joined`, the values of the layers that had tables by channel and have one scale, which
        leaves them one table. Empty where nothing is expected.

    Raises:
        TinycError: a table was lost on the way.
    """
    if not expected:
        return {}
    found: dict[str, int] = {}
    for layer, values in int8_values(content):
        found[layer] = max(values, found.get(layer, 0))
    lost = [name for name, values in expected.items() if found.get(name, 0) > values]
    if lost:
        problem = f"has {found[lost[0]]} int8 values in a channel, where its table had {expected[lost[0]]}"
        raise TinycError(f"layer {lost[0]!r}", f"{problem}; {len(lost)} of {len(expected)} tables were lost")
    unseen = [name for name in expected if name not in found]
    facts: QuantizeFacts = {"tables": {name: found[name] for name in expected if name in found}}
    joined = {name: values for name, values in shared_values(content) if values > expected.get(name, values)}
    if unseen:
        facts["tables_unseen"] = unseen
    if joined:
        facts["tables_joined"] = joined
    return facts


def joined_notes(facts: QuantizeFacts) -> list[str]:
    """Say which layers lost tables by channel to one scale, from the facts of `few_valued_after`."""
    return [
        f"{name}: its tables of {facts['tables'][name]} values for each channel become one of {values}, since it has "
        "one scale: larger, or none that pays; the pass `cluster` gives such a layer one table"
        for name, values in facts.get("tables_joined", {}).items()
    ]


def int8_values(content: bytes) -> Iterator[tuple[str, int]]:
    """Yield each constant int8 weight's layer and the most distinct values of one of its channels."""
    return ((layer, int(distinct(weight, axes).max())) for layer, weight, axes, _ in int8_weights(content))


def shared_values(content: bytes) -> Iterator[tuple[str, int]]:
    """Yield the layer of each constant int8 weight whose channels share one scale, and its distinct values."""
    return ((layer, int(distinct(weight, ())[0])) for layer, weight, _, scales in int8_weights(content) if scales == 1)


def int8_weights(content: bytes) -> Iterator[tuple[str, NDArray[np.int8], Axis, int]]:
    """Yield each constant int8 weight's layer, its numbers, the axes of its channels, and how many scales it has."""
    described = describe(content)
    model = schema().Model.GetRootAs(content, 0)
    for op in described.ops:
        slot, axes = SLOTS.get(op.name, (0, None))
        tensor = described.tensors[op.inputs[slot]] if axes is not None else None
        if tensor is None or axes is None or tensor.dtype != "int8" or not tensor.stored_bytes:
            continue
        data: NDArray[np.uint8] = model.Buffers(tensor.buffer).DataAsNumpy()
        yield op.layer, data.view(np.int8).reshape(tensor.shape), axes, len(tensor.scales)
