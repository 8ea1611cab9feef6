"""What each constant of a .tflite is for: a weight, a bias, a table of weights, or another number of an operator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tinyc.tflite.read import operators
from tinyc.tflite.read.description import Description, Op

Role = Literal["weights", "biases", "weight tables", "other constants"]
BIAS_SLOTS: dict[str, tuple[int, ...]] = {
    "CONV_2D": (2,), "DEPTHWISE_CONV_2D": (2,), "FULLY_CONNECTED": (2,), "TRANSPOSE_CONV": (3,), "CONV_3D": (2,),
    "CONV_3D_TRANSPOSE": (3,), "SVDF": (3,), "RNN": (3,), "UNIDIRECTIONAL_SEQUENCE_RNN": (3,),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (*range(12, 16), 17), "LSTM": (*range(12, 16), 17),
    "BIDIRECTIONAL_SEQUENCE_RNN": (3, 7), "BIDIRECTIONAL_SEQUENCE_LSTM": (*range(12, 16), 17, *range(29, 33), 34),
}  # fmt: skip


@dataclass(frozen=True)
class Constant:
    """One stored tensor by the operator that reads it first; `layer` is the operator's place where names are gone.

    `bytes` is what the file holds of it, 0 where an earlier tensor has the same buffer. `decoded` is the tensor that a
    DECODE or DEQUANTIZE makes of it, otherwise the tensor itself; `ancillary` the tables beside a DECODE's indices.
    """

    tensor: int
    decoded: int
    ancillary: int | None
    op: str
    layer: str
    role: Role
    bytes: int


@dataclass(frozen=True)
class Reading:
    """One operator's reading of a constant."""

    op: Op
    role: Role
    decoded: int
    ancillary: int | None = None


def constants(described: Description) -> tuple[Constant, ...]:
    """List the stored tensors of a file, the largest first."""
    readings: dict[int, Reading] = {}
    for index, reading in found(described):
        if rank(reading) < rank(readings.get(index)):
            readings[index] = reading
    listed, counted = [], set()
    for index, reading in readings.items():
        tensor = described.tensors[index]
        size = 0 if tensor.buffer in counted else tensor.stored_bytes
        counted.add(tensor.buffer)
        layer = reading.op.layer or f"op {reading.op.index}"
        listed.append(Constant(index, reading.decoded, reading.ancillary, reading.op.name, layer, reading.role, size))
    return tuple(sorted(listed, key=lambda each: (-each.bytes, each.tensor)))


def rank(reading: Reading | None) -> int:
    """Order the uses of a constant: what is a parameter anywhere is one, also behind a DECODE or a RESHAPE."""
    if reading is None:
        return 3
    return 2 if reading.role == "other constants" else 1


def found(described: Description) -> Iterator[tuple[int, Reading]]:
    """Go over all operators' inputs and give every stored tensor with what it is there."""
    tensors = described.tensors
    producers = {(op.graph, made): op for op in described.ops for made in op.outputs}
    for op in described.ops:
        for slot, index in enumerate(op.inputs):
            if index < 0:
                continue
            if tensors[index].stored_bytes:
                yield index, Reading(op, role_of(op, slot, described, index), index)
                continue
            producer = producers.get((op.graph, index))
            pair = (
                operators.decoded_from(producer.name, producer.inputs, producer.outputs.index(index))
                if (producer and producer.name in operators.DECODERS)
                else None
            )
            if pair and pair[0] >= 0 and tensors[pair[0]].stored_bytes:
                encoded, ancillary = pair
                table = ancillary is not None
                role: Role = "weight tables" if table else role_of(op, slot, described, index)
                yield encoded, Reading(op, role, index, ancillary)
                if ancillary is not None:
                    yield ancillary, Reading(op, role, ancillary)


def role_of(op: Op, slot: int, described: Description, index: int) -> Role:
    """Say what the constant in one input slot is."""
    tensor = described.tensors[index]
    if slot not in operators.weight_slots(op.name) or not operators.is_parameter(op.name, tensor.shape, tensor.dtype):
        return "other constants"
    return "biases" if slot in BIAS_SLOTS.get(op.name, ()) else "weights"
