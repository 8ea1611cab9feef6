"""The operators of a .tflite as boards and runtimes see them."""

from __future__ import annotations

from collections.abc import Iterator

from tinyc.devices.work import Work
from tinyc.tflite.read.description import Description, Op, Tensor
from tinyc.tflite.read.operators import weight_slots


def works(described: Description) -> tuple[Work, ...]:
    """List what every operator does, in the order of execution; those of subgraphs after the main graph's."""
    return tuple(work(op, described) for op in described.ops)


def work(op: Op, described: Description) -> Work:
    """Say what one operator does."""
    inputs = [described.tensors[index] for index in op.inputs if index >= 0]
    outputs = [described.tensors[index] for index in op.outputs]
    active = [tensor for tensor in inputs if not tensor.stored_bytes]
    weights = next(constants(op, described), None)
    first = next(iter([*active, *outputs, *inputs]), None)
    return Work(
        operator=op.name,
        where=op.where,
        values=first.dtype if first else "",
        weights=weights.dtype if weights else None,
        inputs=tuple(tensor.shape for tensor in inputs),
        weight_shape=weights.shape if weights else None,
        output=outputs[0].shape if outputs else (),
        is_per_channel=weights is not None and len(weights.scales) > 1,
        macs=op.macs,
        weight_bytes=op.weight_bytes,
        value_bytes=sum(tensor.bytes for tensor in (*active, *outputs)),
    )


def constants(op: Op, described: Description) -> Iterator[Tensor]:
    """Yield the constants in an operator's slots for weights, and what a table decodes to."""
    decoded = {index for each in described.ops if each.name == "TFLM_DECODE" for index in each.outputs}
    for slot in weight_slots(op.name):
        index = op.inputs[slot] if slot < len(op.inputs) else -1
        if index >= 0 and (described.tensors[index].stored_bytes or index in decoded):
            yield described.tensors[index]
