"""Take out of a .tflite what no interpreter needs; every byte of it is flash on each device.

What goes is what neither TensorFlow Lite Micro needs nor the readers that people put firmware together with: PyPI's
`tflite`, which reads the old field of an operator's code, ethos-u-vela, which compiles to the same commands, and
ai-edge-litert, whose built-in kernels give the same outputs. Its XNNPACK leaves layers whose bias has no scale to
those kernels: `export` with `strip = false` keeps the scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyc.tflite.read.schema import schema
from tinyc.tflite.write.pack import pack

# The converter's notes on itself. Other metadata stays: an interpreter may plan its memory by it.
NOTES = frozenset({b"min_runtime_version", b"CONVERSION_METADATA"})
# Input slots of convolutions and dense layers.
WEIGHTS, BIAS = 1, 2
NARROW = 127


def strip(content: bytes) -> bytes:
    """Write a .tflite again without what no device reads.

    That is names, calibrated ranges, descriptions, signatures, unused buffers, and the scales of biases where weights
    have one for each channel. Equal parts are shared; all other scales, zero points, shapes, operators
    and their options stay as they are, and the data of buffers lies at multiples of 16 bytes.
    """
    model = schema().ModelT.InitFromPackedBuf(content, 0)
    model.description = model.signatureDefs = model.metadataBuffer = None
    write_codes(model)
    model.metadata = [note for note in model.metadata or [] if note.name not in NOTES] or None
    for graph in model.subgraphs:
        graph.name = None
        unread = unread_scales(graph, model)
        for index, tensor in enumerate(graph.tensors):
            strip_tensor(tensor, index in unread)
    share_buffers(model)
    return pack(model)


def align(content: bytes) -> bytes:
    """Write a .tflite again with all it says, and with the data of buffers at multiples of 16 bytes."""
    model = schema().ModelT.InitFromPackedBuf(content, 0)
    write_codes(model)
    return pack(model)


def write_codes(model: Any) -> None:
    """Put each operator code into both of its fields: old converters wrote the old one alone, and readers go by either.

    The old field is a signed byte, and holds 127 for all codes from there on.
    """
    for code in model.operatorCodes:
        code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
        code.deprecatedBuiltinCode = min(code.builtinCode, NARROW)


def strip_tensor(tensor: Any, unread_scale: bool) -> None:
    """Forget a tensor's name, the ranges it was quantized from, and what repeats its shape."""
    tensor.name = None
    if tensor.shape is not None and len(tensor.shape):
        # Only for a scalar does it say more than the shape.
        tensor.hasRank = False
    if tensor.shapeSignature is not None and np.array_equal(tensor.shapeSignature, tensor.shape):
        tensor.shapeSignature = None
    if tensor.quantization is None:
        return
    tensor.quantization.min = tensor.quantization.max = None
    if unread_scale or (tensor.quantization.scale is None and tensor.quantization.details is None):
        tensor.quantization = None


def unread_scales(graph: Any, model: Any) -> set[int]:
    """Find the biases whose scale no kernel reads: it is the product of the input's and the weights' scales.

    Kernels for weights with one scale in all check the bias against that product, so those keep theirs.
    """
    names = schema().BuiltinOperator
    biased = {names.CONV_2D, names.DEPTHWISE_CONV_2D, names.FULLY_CONNECTED}
    readers: dict[int, set[bool]] = {}
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        for slot, index in enumerate(operator.inputs if operator.inputs is not None else ()):
            per_channel = code in biased and slot == BIAS and scales(graph.tensors[operator.inputs[WEIGHTS]]) > 1
            readers.setdefault(int(index), set()).add(not per_channel)
    return {index for index, reads in readers.items() if reads == {False}}


def scales(tensor: Any) -> int:
    """Count the scales of a tensor."""
    quantization = tensor.quantization
    return 0 if quantization is None or quantization.scale is None else len(quantization.scale)


def share_buffers(model: Any) -> None:
    """Keep one buffer for all equal ones that are read, and buffer 0, which is empty, for all that hold nothing."""
    kept: dict[bytes, int] = {b"": 0}
    buffers = [schema().BufferT()]
    users = [*(tensor for graph in model.subgraphs for tensor in graph.tensors), *(model.metadata or [])]
    for user in users:
        data = model.buffers[user.buffer].data
        content = b"" if data is None else data.tobytes()
        if content not in kept:
            kept[content] = len(buffers)
            buffers.append(schema().BufferT(data=np.frombuffer(content, np.uint8)))
        user.buffer = kept[content]
    model.buffers = buffers
