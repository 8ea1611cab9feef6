"""Read a .tflite without TensorFlow: its tensors, its operators, and what they weigh."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.tflite.read import graphs, operators, values, windows
from tinyc.tflite.read.description import BITS, Description, Op, Tensor
from tinyc.tflite.read.layer_names import layer_name
from tinyc.tflite.read.multiplications import Shape, Shapes, multiplications
from tinyc.tflite.read.schema import op_names, schema, type_names
from tinyc.tflite.read.sparsity import Sparsity, dense, read_sparsity

__all__ = ["Description", "Op", "Tensor", "describe", "open_tflite"]
DESCRIBED: dict[bytes, Description] = {}
REMEMBERED = 8
MALFORMED = (
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    OverflowError,
    KeyError,
    AttributeError,
    MemoryError,
    RecursionError,
)


def describe(content: bytes, where: str = "the artifact") -> Description:
    """Read what a .tflite file holds; takes and raises what `open_tflite` does.

    A step asks of one file a dozen times: what the last files hold is remembered by their SHA-256.
    """
    name = hashlib.sha256(content).digest()
    known = DESCRIBED.get(name)
    if known is None:
        known = open_tflite(content, where)[1]
        while len(DESCRIBED) >= REMEMBERED:
            DESCRIBED.pop(next(iter(DESCRIBED)), None)
        DESCRIBED[name] = known
    return known


def open_tflite(content: bytes, where: str) -> tuple[Reader, Description]:
    """Read a .tflite file, and keep the reader for the values of its tensors.

    Args:
        content: the file's bytes.
        where: the file's name, for the message.

    Raises:
        UserError: the bytes are not a TensorFlow Lite file, are damaged, or leave weights in another file.
    """
    if content[4:8] != b"TFL3":
        raise UserError(where, "is not a TensorFlow Lite file", "give a .tflite file, as written by the converter")
    try:
        reader = Reader(content)
        return reader, reader.description()
    except ElsewhereError as error:
        raise UserError(where, str(error), "write it with its weights in the .tflite itself") from error
    except MALFORMED as error:
        problem = f"is not a TensorFlow Lite file that can be read: it is truncated or damaged ({error})"
        raise UserError(where, problem, "write or download the file again") from error


class ElsewhereError(Exception):
    """A file that leaves its weights in another one."""


class Reader:
    """One reading of one file; raises the errors in MALFORMED where the bytes make no sense."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.model = schema().Model.GetRootAs(content, 0)
        self.counted: set[int] = set()
        self.stored: set[int] = set()
        self.nonzero = 0
        self.sparsities: dict[int, Sparsity] = {}
        self.measured: list[Shape] = []
        self.open_batch = False
        self.called: dict[int, tuple[int, ...]] = {}

    def description(self) -> Description:
        tensors: list[Tensor] = []
        ops: list[Op] = []
        count = self.bounded(self.model.SubgraphsLength())
        found = [self.read_graph(index, tensors, ops) for index in range(count)]
        runs = graphs.runs(found, self.called, lambda index: self.number(tensors[index]))
        ops, uncounted = graphs.in_one_inference(ops, runs)
        weight_bytes = sum(op.weight_bytes for op in ops)
        return Description(
            file_bytes=len(self.content),
            params=sum(op.params for op in ops),
            nonzero_params=self.nonzero,
            weight_bytes=weight_bytes,
            metadata_bytes=len(self.content) - weight_bytes,
            macs=None if uncounted else sum(op.macs or 0 for op in ops if op.graph in runs),
            uncounted=uncounted,
            tensors=tuple(tensors),
            ops=tuple(ops),
            inputs=tuple(tensors[i] for i in found[0].inputs),
            outputs=tuple(tensors[i] for i in found[0].outputs),
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

    def read_graph(self, index: int, tensors: list[Tensor], ops: list[Op]) -> graphs.Graph:
        graph, first, begin = self.model.Subgraphs(index), len(tensors), len(ops)
        tables = [graph.Tensors(i) for i in range(self.bounded(graph.TensorsLength()))]
        tensors += [self.read_tensor(table, first + i) for i, table in enumerate(tables)]
        given, made = (
            tuple(first + i for i in self.indices(each, len(tables)))
            for each in (graph.InputsAsNumpy(), graph.OutputsAsNumpy())
        )
        # A batch that is left open is counted as one example; what else is left open has no size yet.
        shapes = [unsettled(tables[i - first]) for i in given] if index == 0 else []
        self.open_batch |= any(-1 in each for each in shapes) and not any(-1 in each[1:] for each in shapes)
        self.measured += [self.counted_shape(table) for table in tables]
        producers: dict[int, Op] = {}
        for i in range(self.bounded(graph.OperatorsLength())):
            op = self.read_op(graph.Operators(i), (len(ops), index), tensors, first, producers)
            producers.update(dict.fromkeys(op.outputs, op))
            ops.append(op)
        return graphs.Graph(given, made, tuple(ops[begin:]))

    def counted_shape(self, table: Any) -> Shape:
        """Return a tensor's shape for counting multiplications, with -1 for each dimension that has no size yet."""
        return tuple(map(abs, number_vector(table.ShapeAsNumpy()))) if self.open_batch else unsettled(table)

    def read_tensor(self, table: Any, index: int) -> Tensor:
        quantization = table.Quantization()
        name = (table.Name() or b"").decode(errors="replace")
        # Only newer schemas have it.
        if getattr(table, "ExternalBuffer", int)():
            raise ElsewhereError(f"keeps the values of tensor {index} {name!r} in another file")
        tensor = Tensor(
            index=index,
            name=name,
            shape=number_vector(table.ShapeAsNumpy()),
            variable=bool(table.IsVariable()),
            dtype=type_names()[table.Type()],
            buffer=table.Buffer(),
            stored_bytes=len(self.data(table.Buffer())),
            scales=vector(quantization, "Scale", float),
            zero_points=vector(quantization, "ZeroPoint", int),
            axis=quantization.QuantizedDimension() if quantization else 0,
            sparse=table.Sparsity() is not None,
        )
        if tensor.sparse:
            self.sparsities[index] = read_sparsity(table.Sparsity())
        known = tensor.stored_bytes and tensor.dtype in BITS and not tensor.sparse
        open_shape = min(tensor.shape, default=0) < 0 and (tensor.stored_bytes or min(tensor.shape) < -1)
        if open_shape or (known and tensor.stored_bytes != tensor.bytes):
            raise ValueError(f"tensor {index} has shape {tensor.shape} and {tensor.stored_bytes} bytes")
        return tensor

    def data(self, buffer: int) -> NDArray[np.uint8]:
        """Return the bytes of a buffer; empty for activations."""
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
        name, custom = self.op_name(table.OpcodeIndex())
        called = self.called[place[0]] = graphs.callees(name, table)
        weight_bytes = params = 0
        for slot in operators.weight_slots(name):
            found = constant_input(inputs[slot], tensors, producers) if slot < len(inputs) else None
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
        shapes = tuple(self.measured[i] if i >= 0 else None for i in inputs)
        made = self.measured[outputs[0]] if outputs else ()
        transposed = name == "BATCH_MATMUL" and left_transposed(table)
        # What runs other graphs does nothing itself; where it does not say which, nobody knows what it does.
        macs = 0 if called else multiplications(name, Shapes(shapes, made, transposed))
        layer = layer_name(tensors[outputs[0]].name, name) if outputs else ""
        strides, dilations = windows.steps(name, table)
        return Op(*place, name, layer, inputs, outputs, weight_bytes, params, macs, custom, strides, dilations)

    def count_nonzero(self, found: Held) -> int:
        """Count the elements that differ from their zero point; all of them where the storage cannot be read."""
        if found.ancillary is None:
            read = self.values(found.held)
            return found.decoded.elements if read is None else values.nonzero(read, found.held)
        read = values.looked_up(self.data(found.held.buffer), self.data(found.ancillary.buffer), found.decoded)
        return found.decoded.elements if read is None else values.nonzero(read, found.decoded)

    def values(self, tensor: Tensor) -> NDArray[Any] | None:
        """Return the numbers that a tensor stands for, in its shape; None for strings and unknown types."""
        if not tensor.sparse:
            return values.stored_values(tensor, self.data(tensor.buffer))
        stored = values.numbers_of(self.data(tensor.buffer), tensor.dtype)
        return None if stored is None else dense(stored, self.sparsities[tensor.index], tensor)

    def number(self, tensor: Tensor) -> int | None:
        """Return the whole number that a constant of one element holds."""
        if tensor.dtype not in ("int32", "int64") or tensor.elements != 1 or not tensor.stored_bytes:
            return None
        read = self.values(tensor)
        return None if read is None else int(read.ravel()[0])

    def op_name(self, opcode: int) -> tuple[str, bool]:
        """Return the operator's name, and whether it is a custom one; old converters hold the code in one byte."""
        if opcode >= self.bounded(self.model.OperatorCodesLength()):
            raise IndexError("an operator code that does not exist")
        code = self.model.OperatorCodes(opcode)
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if builtin == schema().BuiltinOperator.CUSTOM:
            return (code.CustomCode() or b"CUSTOM").decode(errors="replace"), True
        return op_names()[builtin], False


def number_vector(found: Any) -> tuple[int, ...]:
    """Read a vector of whole numbers; empty where there is none."""
    return tuple(int(each) for each in found) if isinstance(found, np.ndarray) else ()


def vector(quantization: Any, name: str, kind: Any) -> tuple[Any, ...]:
    """Read one vector of the quantization parameters as a tuple; empty where there is none."""
    found = getattr(quantization, f"{name}AsNumpy")() if quantization else None
    return tuple(map(kind, found.tolist())) if isinstance(found, np.ndarray) else ()


def unsettled(table: Any) -> Shape:
    """Return a tensor's shape with -1 for each open dimension; converters store it beside one with 1 in its place."""
    shape, signature = number_vector(table.ShapeAsNumpy()), number_vector(table.ShapeSignatureAsNumpy())
    return signature if len(signature) == len(shape) and min(shape, default=0) >= 0 else shape


@dataclass(frozen=True)
class Held:
    """A constant as stored and as decoded (the same tensor where it is stored plainly), with its tables if it has."""

    held: Tensor
    decoded: Tensor
    ancillary: Tensor | None = None


def constant_input(index: int, tensors: list[Tensor], producers: dict[int, Op]) -> Held | None:
    """Return the constant that feeds a slot; None where it is computed from the input."""
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


def left_transposed(table: Any) -> bool:
    """Say whether a BATCH_MATMUL transposes its first input."""
    options = schema().BatchMatMulOptions()
    if (found := table.BuiltinOptions()) is None:
        return False
    options.Init(found.Bytes, found.Pos)
    return bool(options.AdjX())
