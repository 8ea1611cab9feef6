"""The operators of a .tflite as boards and runtimes see them."""

from __future__ import annotations

from collections.abc import Set

from tinyc.devices.work import Work
from tinyc.tflite.read import operators
from tinyc.tflite.read.description import Description, Op

VALUE_SLOTS = {"TRANSPOSE_CONV": 2, "SPLIT": 1}
"""Where an operator takes its values, if not first."""
INDEXED = frozenset({"GATHER", "GATHER_ND", "EMBEDDING_LOOKUP", "SELECT", "SELECT_V2", operators.TABLE_DECODER})
"""Operators that take indices or a condition, and whose type is that of what they give."""


def works(described: Description) -> tuple[Work, ...]:
    """List what every operator does, in the order of execution; those of subgraphs after the main graph's."""
    decoded = {index for op in described.ops if op.name == operators.TABLE_DECODER for index in op.outputs}
    return tuple(work(op, described, decoded) for op in described.ops)


def work(op: Op, described: Description, decoded: Set[int]) -> Work:
    """Say what one operator does; `decoded` are the tensors that weight tables become."""
    tensors = described.tensors
    inputs = [tensors[index] for index in op.inputs if index >= 0]
    outputs = [tensors[index] for index in op.outputs]
    constant = {index for index in op.inputs if index >= 0 and (tensors[index].stored_bytes or index in decoded)}
    slots = [op.inputs[slot] for slot in operators.weight_slots(op.name) if slot < len(op.inputs)]
    weights = next((tensors[index] for index in slots if index in constant), None)
    active = [tensors[index] for index in dict.fromkeys(op.inputs) if index >= 0 and index not in constant]
    return Work(
        operator=op.name,
        where=op.where,
        values=value_type(op, described),
        weights=weights.dtype if weights else None,
        inputs=tuple(tensor.shape for tensor in inputs),
        weight_shape=weights.shape if weights else None,
        output=outputs[0].shape if outputs else (),
        is_per_channel=weights is not None and len(weights.scales) > 1,
        macs=op.macs,
        weight_bytes=op.weight_bytes,
        value_bytes=sum(tensor.bytes for tensor in (*active, *outputs)),
        strides=op.strides,
        dilations=op.dilations,
        custom=op.custom,
    )


def value_type(op: Op, described: Description) -> str:
    """Name the type of the values that an operator computes on, by which a runtime chooses its kernel."""
    slot = VALUE_SLOTS.get(op.name, 0)
    taken = op.inputs[slot] if slot < len(op.inputs) and op.name not in INDEXED else -1
    index = taken if taken >= 0 else next(iter(op.outputs), -1)
    return described.tensors[index].dtype if index >= 0 else ""
