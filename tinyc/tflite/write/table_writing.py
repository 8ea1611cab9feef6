"""Weight tables into a .tflite and out of it: TFLM's own encoding, the DECODE operators, and the way back.

    before   weights ---------------------------------> CONV_2D
    after    indices, tables -> TFLM_DECODE -> weights -> CONV_2D

What DECODE gives lives until the next operator has run, so that each reader has a DECODE of its own before it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import MachineError, UserError
from tinyc.core.quiet import hushed
from tinyc.tflite.read import operators, values
from tinyc.tflite.read.description import Op, Tensor
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.schema import schema
from tinyc.tflite.write.pack import pack
from tinyc.tflite.write.strip import share_buffers, write_codes


@dataclass(frozen=True)
class Table:
    """How a tensor is to be stored: indices of so many bits, and tables along an axis (None: one table)."""

    bits: int
    axis: int | None


@dataclass(frozen=True)
class Encoded:
    """The bytes of the indices, and of their header and tables."""

    indices: NDArray[np.uint8]
    ancillary: NDArray[np.uint8]


def write_tables(content: bytes, tables: Mapping[int, Table]) -> bytes:
    """Put tensors of the main graph into tables, and a DECODE before each operator that reads one.

    Raises:
        MachineError: TensorFlow Lite Micro, whose encoder it is, is not installed.
    """
    described = describe(content)
    model = unpack_with_codes(content)
    graph = model.subgraphs[0]
    encoded = {
        index: encode(graph.tensors[index], model, described.tensors[index].dtype, table)
        for index, table in tables.items()
    }
    ancillary = {index: add_data(model, graph, each.ancillary) for index, each in encoded.items()}
    code = add_code(model)
    written = []
    for reader in graph.operators:
        held = [int(i) for i in dict.fromkeys(inputs(reader)) if int(i) in encoded]
        if held:
            made = {index: add_decoded(graph, index) for index in held}
            pairs = [place for index in held for place in (index, ancillary[index])]
            written.append(decoder(code, pairs, list(made.values())))
            reader.inputs = np.array([made.get(int(i), int(i)) for i in reader.inputs], np.int32)
        written.append(reader)
    graph.operators = written
    for index, each in encoded.items():
        hold(graph.tensors[index], model, each.indices)
    share_buffers(model)
    return pack(model)


def expand(content: bytes) -> bytes:
    """Write a .tflite with its tables decoded back into weights, so that any interpreter runs it.

    Tensors keep their indices. A file without tables comes back as it is.

    Raises:
        UserError: weights are encoded in another way than by tables.
    """
    described = describe(content)
    if not operators.tflm_only(described):
        return content
    model = unpack_with_codes(content)
    first = 0
    for number, graph in enumerate(model.subgraphs):
        ops = [op for op in described.ops if op.graph == number]
        for op in ops:
            if op.name == operators.TABLE_DECODER:
                for place, made in enumerate(op.outputs):
                    decode(model, graph.tensors, first, op, place, described.tensors[made])
        pairs = zip(graph.operators, ops, strict=True)
        graph.operators = [operator for operator, op in pairs if op.name != operators.TABLE_DECODER]
        first += len(graph.tensors)
    drop_codes(model)
    forget_unread(model)
    share_buffers(model)
    return pack(model)


def decode(model: Any, tensors: list[Any], first: int, op: Op, place: int, made: Tensor) -> None:
    """Give one output of a DECODE its weights; `first` is the index of the graph's first tensor in the description."""
    indices, ancillary = operators.decoded_from(op.name, op.inputs, place)
    read = None
    if ancillary is not None:
        read = values.looked_up(data(tensors[indices - first], model), data(tensors[ancillary - first], model), made)
    if read is None:
        problem = f"{op.where} decodes weights that are in no look-up table"
        raise UserError("the artifact", problem, "give a file whose weights are in tables or as they are")
    tensors[made.index - first].buffer = add_buffer(model, read)


def unpack_with_codes(content: bytes) -> Any:
    """Read a file as schema objects, with operator codes as all readers understand them."""
    model = schema().ModelT.InitFromPackedBuf(content, 0)
    write_codes(model)
    return model


def encode(tensor: Any, model: Any, dtype: str, table: Table) -> Encoded:
    """Let TFLM's compressor write a tensor's indices and tables; it sees bit patterns, so that no float is merged."""
    try:
        from tflite_micro.tensorflow.lite.micro.compression import lut, model_editor, spec  # has no wheel for macOS
    except ImportError as error:
        problem = f"TensorFlow Lite Micro, which writes weight tables, cannot be imported: {error}"
        raise MachineError("compact", problem, "pip install tflite-micro, or leave the pass out") from error
    size = np.dtype(dtype).itemsize
    plain = model_editor.Tensor(
        shape=tuple(map(int, tensor.shape)),
        dtype=getattr(schema().TensorType, f"INT{8 * size}"),
        data=data(tensor, model).tobytes(),
    )
    mode = spec.PerTensor() if table.axis is None else spec.PerChannel(axis=table.axis)
    with hushed():
        made = lut.LutCompressor().compress(plain, spec.LookUpTableCompression(table.bits, mode))
    return Encoded(np.frombuffer(made.encoded_data, np.uint8), np.frombuffer(made.ancillary_data, np.uint8))


def data(tensor: Any, model: Any) -> NDArray[np.uint8]:
    """Return a tensor's stored bytes."""
    found = model.buffers[tensor.buffer].data
    return np.empty(0, np.uint8) if found is None else np.asarray(found, np.uint8)


def inputs(operator: Any) -> list[int]:
    return [] if operator.inputs is None else list(map(int, operator.inputs))


def add_code(model: Any) -> int:
    """Find the operator code of DECODE, or add it."""
    for index, code in enumerate(model.operatorCodes):
        if code.customCode == operators.TABLE_DECODER.encode():
            return index
    fb = schema()
    custom = fb.BuiltinOperator.CUSTOM
    code = fb.OperatorCodeT(builtinCode=custom, deprecatedBuiltinCode=custom, version=1)
    code.customCode = operators.TABLE_DECODER.encode()
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def drop_codes(model: Any) -> None:
    """Forget the operator codes that no operator has any more."""
    used = sorted({each.opcodeIndex for graph in model.subgraphs for each in graph.operators})
    places = {old: new for new, old in enumerate(used)}
    model.operatorCodes = [model.operatorCodes[old] for old in used]
    for graph in model.subgraphs:
        for each in graph.operators:
            each.opcodeIndex = places[each.opcodeIndex]


def forget_unread(model: Any) -> None:
    """Let tensors that no operator reads or gives hold nothing; they stay, so that all keep their places."""
    for graph in model.subgraphs:
        ends = [*graph.inputs, *graph.outputs]
        used = {int(i) for each in graph.operators for i in (*inputs(each), *each.outputs)}.union(map(int, ends))
        for index, tensor in enumerate(graph.tensors):
            if index not in used:
                tensor.buffer = 0


def add_buffer(model: Any, content: NDArray[Any]) -> int:
    model.buffers.append(schema().BufferT(data=np.frombuffer(content.tobytes(), np.uint8)))
    return len(model.buffers) - 1


def add_data(model: Any, graph: Any, content: NDArray[np.uint8]) -> int:
    """Add a nameless tensor of bytes."""
    tensor = schema().TensorT()
    hold(tensor, model, content)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def hold(tensor: Any, model: Any, content: NDArray[np.uint8]) -> None:
    """Let a tensor hold bytes, which have a length and no quantization."""
    tensor.type = schema().TensorType.UINT8
    tensor.shape = np.array([len(content)], np.int32)
    tensor.shapeSignature = tensor.quantization = None
    tensor.buffer = add_buffer(model, content)


def add_decoded(graph: Any, index: int) -> int:
    """Add the tensor that DECODE makes: the weights as they were, without data."""
    tensor = copy.copy(graph.tensors[index])
    tensor.buffer = 0
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def decoder(code: int, read: list[int], made: list[int]) -> Any:
    """Make a DECODE of pairs of indices and tables."""
    return schema().OperatorT(opcodeIndex=code, inputs=np.array(read, np.int32), outputs=np.array(made, np.int32))
