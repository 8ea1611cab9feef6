"""Read a .tflite without TensorFlow: its tensors, its operators, and what they weigh."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.errors import UserError
from tinyc.interpreters import operators, values
from tinyc.interpreters.description import BITS, Description, Op, Tensor
from tinyc.interpreters.schema import op_names, schema, type_names

__all__ = ["Description", "Op", "Tensor", "describe", "layer_name"]
MALFORMED = (struct.error, IndexError, ValueError, TypeError, OverflowError, KeyError, AttributeError, MemoryError)


def describe(content: bytes, where: str = "the artifact") -> Description:
    """Read a .tflite file.

    Args:
        content: the file's bytes.
        where: the file's name, for the message.

    Raises:
        UserError: the bytes are no TensorFlow Lite file, or are damaged.
    """
    if content[4:8] != b"TFL3":
        raise UserError(where, "is not a TensorFlow Lite file", "give a .tflite file, as written by the converter")
    try:
        return Reader(content).description()
    except MALFORMED as error:
        problem = f"is not a TensorFlow Lite file that can be read: it is truncated or damaged ({error})"
        raise UserError(where, problem, "write or download the file again") from error


class Reader:
    """One reading of one file; raises the errors in MALFORMED where the bytes make no sense."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.model = schema().Model.GetRootAs(content, 0)
        self.counted: set[int] = set()
        self.stored: set[int] = set()
        self.nonzero = 0

    def description(self) -> Description:
        tensors: list[Tensor] = []
        ops: list[Op] = []
        for index in range(self.bounded(self.model.SubgraphsLength())):
            self.read_graph(index, tensors, ops)
        graph = self.model.Subgraphs(0)
        weight_bytes = sum(op.weight_bytes for op in ops)
        return Description(
            file_bytes=len(self.content),
            params=sum(op.params for op in ops),
            nonzero_params=self.nonzero,
            weight_bytes=weight_bytes,
            metadata_bytes=len(self.content) - weight_bytes,
            macs=sum(op.macs for op in ops),
            tensors=tuple(tensors),
            ops=tuple(ops),
            inputs=tuple(tensors[i] for i in self.indices(graph.InputsAsNumpy(), len(tensors))),
            outputs=tuple(tensors[i] for i in self.indices(graph.OutputsAsNumpy(), len(tensors))),
        )

    def bounded(self, count: int) -> int:
        """Refuse a count that the file is too short for, before anything loops over it."""
        if count * 4 > len(self.content):
            raise ValueError(f"{count} entries in {len(self.content)} bytes")
        return int(count)

    def indices(self, vector: Any, limit: int, absent: bool = False) -> tuple[int, ...]:
        """Read a vector of tensor indices, all of which must exist (or be -1, where absent is allowed)."""
        found = tuple(int(i) for i in vector) if isinstance(vector, np.ndarray) else ()
        if any(i >= limit or i < (-1 if absent else 0) for i in found):
            raise IndexError("a tensor that does not exist")
        return found

    def read_graph(self, index: int, tensors: list[Tensor], ops: list[Op]) -> None:
        graph, first = self.model.Subgraphs(index), len(tensors)
        tensors += [self.read_tensor(graph.Tensors(i), first + i) for i in range(self.bounded(graph.TensorsLength()))]
        producers: dict[int, Op] = {}
        for i in range(self.bounded(graph.OperatorsLength())):
            op = self.read_op(graph.Operators(i), (len(ops), index), tensors, first, producers)
            producers.update(dict.fromkeys(op.outputs, op))
            ops.append(op)

    def read_tensor(self, table: Any, index: int) -> Tensor:
        shape = table.ShapeAsNumpy()
        quantization = table.Quantization()
        tensor = Tensor(
            index=index,
            name=(table.Name() or b"").decode(errors="replace"),
            shape=tuple(int(n) for n in shape) if isinstance(shape, np.ndarray) else (),
            variable=bool(table.IsVariable()),
            dtype=type_names()[table.Type()],
            buffer=table.Buffer(),
            stored_bytes=len(self.data(table.Buffer())),
            scales=vector(quantization, "Scale", float),
            zero_points=vector(quantization, "ZeroPoint", int),
            axis=quantization.QuantizedDimension() if quantization else 0,
        )
        known = tensor.stored_bytes and tensor.dtype in BITS and table.Sparsity() is None
        open_shape = min(tensor.shape, default=0) < 0 and (tensor.stored_bytes or min(tensor.shape) < -1)
        if open_shape or (known and tensor.stored_bytes != tensor.bytes):
            raise ValueError(f"tensor {index} has shape {tensor.shape} and {tensor.stored_bytes} bytes")
        return tensor

    def data(self, buffer: int) -> NDArray[np.uint8]:
        """The bytes of a buffer; empty for activations."""
        table = self.model.Buffers(buffer) if 0 < buffer < self.bounded(self.model.BuffersLength()) else None
        if table is None:
            return np.empty(0, np.uint8)
        if table.Size() > 1:  # files over 2 GiB keep their buffers behind the flatbuffer
            start, size = table.Offset(), table.Size()
            if start + size > len(self.content):
                raise ValueError(f"buffer {buffer} ends behind the file")
            return np.frombuffer(self.content, np.uint8, size, start)
        found = table.DataAsNumpy()
        return found if isinstance(found, np.ndarray) else np.empty(0, np.uint8)

    def read_op(
        self, table: Any, place: tuple[int, int], tensors: list[Tensor], first: int, producers: dict[int, Op]
    ) -> Op:
        count = len(tensors) - first
        inputs = tuple(i + first if i >= 0 else -1 for i in self.indices(table.InputsAsNumpy(), count, absent=True))
        outputs = tuple(i + first for i in self.indices(table.OutputsAsNumpy(), count))
        name = self.op_name(table.OpcodeIndex())
        weight_bytes = params = 0
        for slot in operators.weight_slots(name):
            found = constant(inputs[slot], tensors, producers) if slot < len(inputs) else None
            if found is None or not operators.is_parameter(name, found.decoded.shape, found.decoded.dtype):
                continue
            if found.held.index not in self.counted:
                self.nonzero += self.count_nonzero(found)
                params += found.decoded.elements
            for held in filter(None, (found.held, found.ancillary)):
                if held.buffer not in self.stored:
                    weight_bytes += held.stored_bytes
                self.stored.add(held.buffer)
            self.counted.add(found.held.index)
        shapes = [closed(tensors[i].shape) if i >= 0 else None for i in inputs]
        made = closed(tensors[outputs[0]].shape) if outputs else ()
        macs = operators.multiplications(name, shapes, made, name == "BATCH_MATMUL" and left_transposed(table))
        layer = layer_name(tensors[outputs[0]].name, name) if outputs else ""
        return Op(*place, name, layer, inputs, outputs, weight_bytes, params, macs)

    def count_nonzero(self, found: Held) -> int:
        """Count the elements that differ from their zero point; all of them where the storage cannot be read."""
        data = self.data(found.held.buffer)
        if found.ancillary is None:
            read = values.numbers(found.held, data)
            return found.decoded.elements if read is None else values.nonzero(read, found.held)
        read = values.looked_up(data, self.data(found.ancillary.buffer), found.decoded)
        return found.decoded.elements if read is None else values.nonzero(read, found.decoded)

    def op_name(self, opcode: int) -> str:
        """The operator's name; files of old converters hold it in `deprecated_builtin_code` alone."""
        if opcode >= self.bounded(self.model.OperatorCodesLength()):
            raise IndexError("an operator code that does not exist")
        code = self.model.OperatorCodes(opcode)
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if builtin == schema().BuiltinOperator.CUSTOM:
            return (code.CustomCode() or b"CUSTOM").decode(errors="replace")
        return op_names()[builtin]


def vector(quantization: Any, name: str, kind: Any) -> tuple[Any, ...]:
    """Read one vector of the quantization parameters as a tuple; empty where there is none."""
    found = getattr(quantization, f"{name}AsNumpy")() if quantization else None
    return tuple(map(kind, found.tolist())) if isinstance(found, np.ndarray) else ()


@dataclass(frozen=True)
class Held:
    """A constant as stored and as decoded (the same tensor where it is stored plainly), with its tables if it has."""

    held: Tensor
    decoded: Tensor
    ancillary: Tensor | None = None


def constant(index: int, tensors: list[Tensor], producers: dict[int, Op]) -> Held | None:
    """The constant that feeds a slot; None where it is computed from the input."""
    if index < 0:
        return None
    if tensors[index].stored_bytes:
        return Held(tensors[index], tensors[index])
    producer = producers.get(index)
    if producer is None or producer.name not in operators.DECODERS:
        return None
    stored, beside = operators.decoded_from(producer.name, producer.inputs, producer.outputs.index(index))
    if stored < 0 or not tensors[stored].stored_bytes:
        return None
    return Held(tensors[stored], tensors[index], None if beside is None or beside < 0 else tensors[beside])


def closed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Count a dimension that is left open as one."""
    return tuple(abs(size) for size in shape)


def left_transposed(table: Any) -> bool:
    """Say whether a BATCH_MATMUL transposes its first input."""
    options = schema().BatchMatMulOptions()
    if (found := table.BuiltinOptions()) is None:
        return False
    options.Init(found.Bytes, found.Pos)
    return bool(options.AdjX())


WORK = re.compile(r"conv|matmul|dense|depthwise|gather", re.IGNORECASE)
# A dense layer over tokens is a Tensordot; an operator that is none may only list one among its sources.
DENSE_WORK = re.compile(r"matmul|dense|tensordot", re.IGNORECASE)


def layer_name(tensor: str, op: str = "") -> str:
    """Read the layer off a converter's tensor name: "net/conv/BiasAdd;net/conv/Conv2D" -> conv.

    A fused operator lists all its sources; the one that did the work (Conv2D, MatMul) names it.
    """
    parts = [part for part in tensor.split(";") if part] or [""]
    work = DENSE_WORK if op == "FULLY_CONNECTED" else WORK
    chosen = next((part for part in parts if work.search(part.rpartition("/")[2])), parts[0])
    path = chosen.split("/")
    # Network, layer and operation; quantization-aware training wraps layers under a prefix.
    return (path[1] if len(path) > 2 else path[0]).removeprefix("quant_")
