"""Tiny .tflite files: converted from small Keras networks, or put together by hand from the schema."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np

from tinyc.network import backend
from tinyc.network.float_tflite import to_float_tflite
from tinyc.quantization.convert import to_int8_tflite
from tinyc.tflite.read.schema import schema

SHAPE = (12, 12, 2)


@functools.cache
def mixed_network() -> Any:
    """Convolution, depthwise, PReLU, transposed convolution (which no batch fits) and dense; random biases too."""
    keras = backend.keras()
    layers = keras.layers
    keras.utils.set_random_seed(3)
    images = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, padding="same", bias_initializer="random_normal", name="first")(images)
    x = layers.DepthwiseConv2D(3, bias_initializer="random_normal", name="depth")(x)
    x = layers.PReLU(shared_axes=[1, 2], alpha_initializer="random_normal", name="slopes")(x)
    x = layers.Conv2DTranspose(4, 3, 2, "same", bias_initializer="random_normal", name="wider")(x)
    x = layers.Flatten(name="flat")(layers.MaxPool2D(name="shrink")(x))
    return keras.Model(images, layers.Dense(5, bias_initializer="random_normal", name="logits")(x), name="mixed")


@functools.cache
def plain_network(activation: str = "relu") -> Any:
    """Convolution, pooling and dense, which take any batch."""
    keras = backend.keras()
    layers = keras.layers
    keras.utils.set_random_seed(4)
    images = keras.Input(SHAPE)
    x = layers.Activation(activation, name="bent")(layers.Conv2D(6, 3, name="first")(images))
    x = layers.GlobalAveragePooling2D(name="pool")(layers.Conv2D(8, 3, name="second")(x))
    return keras.Model(images, layers.Dense(5, name="logits")(x), name="plain")


def examples(count: int, shape: tuple[int, ...] = SHAPE) -> Any:
    return np.random.default_rng(11).random((count, *shape), dtype=np.float32)


@functools.cache
def mixed() -> bytes:
    return to_int8_tflite(mixed_network(), examples(16))


@functools.cache
def mixed_float() -> bytes:
    return to_float_tflite(mixed_network())


@functools.cache
def plain() -> bytes:
    return to_int8_tflite(plain_network(), examples(16))


@functools.cache
def with_gelu() -> bytes:
    return to_int8_tflite(plain_network("gelu"), examples(16))


@functools.cache
def fixed_batch() -> bytes:
    """A file whose RESHAPE holds the batch of 1, so that a resize fails."""
    layers = backend.keras().layers
    images = backend.keras().Input(SHAPE)
    x = layers.Flatten(name="flat")(layers.Conv2D(4, 3, name="first")(images))
    model = backend.keras().Model(images, layers.Dense(5, name="logits")(x), name="fixed")
    tree = schema().ModelT.InitFromObj(schema().Model.GetRootAs(to_int8_tflite(model, examples(16)), 0))
    shape = next(t for t in tree.subgraphs[0].tensors if t.type == schema().TensorType.INT32 and list(t.shape) == [2])
    tree.buffers[shape.buffer].data = np.frombuffer(np.array([1, 400], np.int32).tobytes(), np.uint8)
    return pack(tree)


@dataclass(frozen=True)
class Plan:
    """One tensor of a hand-made file; a `scale` of 0 leaves it without quantization."""

    shape: tuple[int, ...]
    kind: str = "INT8"
    data: bytes = b""
    scale: float = 0.5
    zero_point: int = 0


def by_hand(tensors: Sequence[Plan], ops: Sequence[tuple[str, Sequence[int], Sequence[int]]]) -> bytes:
    """Put a .tflite together; the first tensor is the input, the last the output; equal constants share a buffer."""
    s = schema()
    tree = s.ModelT()
    tree.version = 3
    tree.buffers = [s.BufferT()]
    graph = s.SubGraphT()
    graph.tensors = [hand_tensor(plan, tree.buffers) for plan in tensors]
    graph.inputs, graph.outputs = [0], [len(tensors) - 1]
    tree.operatorCodes, graph.operators = [], []
    for index, (name, inputs, outputs) in enumerate(ops):
        code, op = s.OperatorCodeT(), s.OperatorT()
        code.builtinCode, code.version = getattr(s.BuiltinOperator, name), 1
        op.opcodeIndex, op.inputs, op.outputs = index, list(inputs), list(outputs)
        tree.operatorCodes.append(code)
        graph.operators.append(op)
    tree.subgraphs = [graph]
    return pack(tree)


def hand_tensor(plan: Plan, buffers: list[Any]) -> Any:
    s = schema()
    tensor = s.TensorT()
    tensor.shape, tensor.type = list(plan.shape), getattr(s.TensorType, plan.kind)
    if plan.scale:
        tensor.quantization = s.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [plan.scale], [plan.zero_point]
    if plan.data:
        held = [i for i, buffer in enumerate(buffers) if buffer.data is not None and bytes(buffer.data) == plan.data]
        if not held:
            buffer = s.BufferT()
            buffer.data = np.frombuffer(plan.data, np.uint8)
            buffers.append(buffer)
        tensor.buffer = held[0] if held else len(buffers) - 1
    return tensor


def pack(tree: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@dataclass(frozen=True)
class Graph:
    """One graph of a hand-made file of several; `ops` are (name, inputs, outputs, options or None)."""

    tensors: Sequence[Plan]
    inputs: Sequence[int]
    outputs: Sequence[int]
    ops: Sequence[tuple[str, Sequence[int], Sequence[int], Any]]


def of_graphs(*graphs: Graph) -> bytes:
    """Put a .tflite of several graphs together; a name that no builtin operator has is that of a custom one."""
    s = schema()
    tree = s.ModelT()
    tree.version, tree.buffers, tree.operatorCodes, tree.subgraphs = 3, [s.BufferT()], [], []
    for each in graphs:
        graph = s.SubGraphT()
        graph.tensors = [hand_tensor(plan, tree.buffers) for plan in each.tensors]
        graph.inputs, graph.outputs, graph.operators = list(each.inputs), list(each.outputs), []
        for name, inputs, outputs, options in each.ops:
            code, op = s.OperatorCodeT(), s.OperatorT()
            code.builtinCode, code.version = getattr(s.BuiltinOperator, name, s.BuiltinOperator.CUSTOM), 1
            code.customCode = None if hasattr(s.BuiltinOperator, name) else name
            op.opcodeIndex, op.inputs, op.outputs = len(tree.operatorCodes), list(inputs), list(outputs)
            if options is not None:
                kind = type(options).__name__.removesuffix("T")
                second = hasattr(s.BuiltinOptions2, kind)
                union = s.BuiltinOptions2 if second else s.BuiltinOptions
                suffix = "2" if second else ""
                setattr(op, f"builtinOptions{suffix}", options)
                setattr(op, f"builtinOptions{suffix}Type", getattr(union, kind))
            tree.operatorCodes.append(code)
            graph.operators.append(op)
        tree.subgraphs.append(graph)
    return pack(tree)


def options(kind: str, **fields: Any) -> Any:
    """Options of an operator by the schema's names."""
    made = getattr(schema(), f"{kind}T")()
    for name, value in fields.items():
        setattr(made, name, value)
    return made
