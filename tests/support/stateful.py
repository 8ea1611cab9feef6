"""Files that keep state, put together by hand, and what the interpreters give when they are called directly.

Direct runs happen in a process of their own: tflite-runtime cannot live beside TensorFlow.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from support.tiny import pack
from tinyc.tflite.read.schema import schema

WIDTH, UNITS, STEPS, MEMORY = 3, 4, 5, 6

DIRECT = """
import sys
import numpy as np
from tflite_micro import runtime
from tflite_runtime.interpreter import Interpreter, OpResolverType

folder = sys.argv[1]
content, inputs = open(folder + "/net.tflite", "rb").read(), np.load(folder + "/inputs.npy")

class Micro:
    def __init__(self):
        self.tflm = runtime.Interpreter.from_bytes(content, arena_size=1 << 20)

    def run(self, example):
        self.tflm.set_input(example[None], 0)
        self.tflm.invoke()
        return np.array(self.tflm.get_output(0))[0]

class Lite:
    def __init__(self, resolver):
        self.lite = Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=resolver)
        self.lite.allocate_tensors()

    def run(self, example):
        self.lite.set_tensor(self.lite.get_input_details()[0]["index"], example[None])
        self.lite.invoke()
        return self.lite.get_tensor(self.lite.get_output_details()[0]["index"])[0].copy()

kinds = {
    "tflm": Micro,
    "reference": lambda: Lite(OpResolverType.BUILTIN_REF),
    "fast": lambda: Lite(OpResolverType.AUTO),
}
found = {}
for name, opened in kinds.items():
    found[name + " alone"] = np.stack([opened().run(example) for example in inputs])
    one = opened()
    found[name + " carried"] = np.stack([one.run(example) for example in inputs])
np.savez(folder + "/outputs.npz", **found)
"""


def direct(content: bytes, inputs: Any) -> dict[str, Any]:
    """Raw outputs of each runtime: "tflm alone" from an interpreter for each example, "tflm carried" from one."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "net.tflite").write_bytes(content)
        np.save(Path(folder) / "inputs.npy", inputs)
        subprocess.run([sys.executable, "-c", DIRECT, folder], check=True, capture_output=True)
        with np.load(Path(folder) / "outputs.npz") as arrays:
            return dict(arrays)


@dataclass(frozen=True)
class Tensor:
    """One tensor: `kind` is the schema's name of its type; of a `variable` the interpreter keeps the value."""

    shape: tuple[int, ...]
    kind: str = "FLOAT32"
    data: Any = None
    scale: float = 0.0
    variable: bool = False


@dataclass(frozen=True)
class Operator:
    """One operator; `options` are the fields of the options table that is named after it."""

    name: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    table: str = ""
    options: Any = None
    version: int = 1


@dataclass(frozen=True)
class Graph:
    tensors: Sequence[Tensor]
    operators: Sequence[Operator]
    inputs: Sequence[int] = ()
    outputs: Sequence[int] = ()


def file_of(*graphs: Graph) -> bytes:
    """Put a .tflite of one or more graphs together."""
    s = schema()
    tree = s.ModelT(version=3, buffers=[s.BufferT()], operatorCodes=[], subgraphs=[])
    for graph in graphs:
        made = s.SubGraphT(inputs=list(graph.inputs), outputs=list(graph.outputs))
        made.tensors = [tensor_of(each, tree.buffers) for each in graph.tensors]
        made.operators = [operator_of(each, tree.operatorCodes) for each in graph.operators]
        tree.subgraphs.append(made)
    return pack(tree)


def tensor_of(given: Tensor, buffers: list[Any]) -> Any:
    s = schema()
    made = s.TensorT(shape=list(given.shape), type=getattr(s.TensorType, given.kind), isVariable=given.variable)
    if given.scale:
        made.quantization = s.QuantizationParametersT(scale=[given.scale], zeroPoint=[0])
    if given.data is not None:
        buffers.append(s.BufferT(data=np.frombuffer(given.data.tobytes(), np.uint8)))
        made.buffer = len(buffers) - 1
    return made


def operator_of(given: Operator, codes: list[Any]) -> Any:
    s = schema()
    code = getattr(s.BuiltinOperator, given.name)
    codes.append(s.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=min(code, 127), version=given.version))
    made = s.OperatorT(opcodeIndex=len(codes) - 1, inputs=list(given.inputs), outputs=list(given.outputs))
    if given.table:
        made.builtinOptionsType = getattr(s.BuiltinOptions, given.table)
        made.builtinOptions = getattr(s, given.table + "T")(**(given.options or {}))
    return made


@functools.cache
def svdf() -> bytes:
    """A float SVDF: a window over the last inferences, in a variable tensor."""
    draw = np.random.default_rng(0)
    tensors = (
        Tensor((1, WIDTH)),
        Tensor((UNITS, WIDTH), data=draw.normal(size=(UNITS, WIDTH)).astype(np.float32)),
        Tensor((UNITS, MEMORY), data=draw.normal(size=(UNITS, MEMORY)).astype(np.float32)),
        Tensor((UNITS,), data=draw.normal(size=UNITS).astype(np.float32)),
        Tensor((1, UNITS * MEMORY), variable=True),
        Tensor((1, UNITS)),
    )
    return file_of(Graph(tensors, [Operator("SVDF", range(5), [5], "SVDFOptions", {"rank": 1})], [0], [5]))


@functools.cache
def svdf_int8() -> bytes:
    """The same in int8, with the state in int16."""
    draw = np.random.default_rng(0)
    tensors = (
        Tensor((1, WIDTH), "INT8", scale=0.02),
        Tensor((UNITS, WIDTH), "INT8", draw.integers(-100, 100, (UNITS, WIDTH)).astype(np.int8), 0.01),
        Tensor((UNITS, MEMORY), "INT16", draw.integers(-1000, 1000, (UNITS, MEMORY)).astype(np.int16), 0.001),
        Tensor((UNITS,), "INT32", draw.integers(-100, 100, UNITS).astype(np.int32), 0.001 * 0.002),
        Tensor((1, UNITS * MEMORY), "INT16", scale=0.002, variable=True),
        Tensor((1, UNITS), "INT8", scale=0.05),
    )
    options = {"rank": 1, "fusedActivationFunction": schema().ActivationFunctionType.RELU}
    return file_of(Graph(tensors, [Operator("SVDF", range(5), [5], "SVDFOptions", options, version=3)], [0], [5]))


@functools.cache
def lstm() -> bytes:
    """A float LSTM over five steps, whose hidden and cell state stay for the next inference."""
    draw = np.random.default_rng(1)

    def weight(*shape: int) -> Tensor:
        return Tensor(shape, data=draw.normal(size=shape).astype(np.float32))

    state = Tensor((1, UNITS), variable=True)
    tensors = (
        Tensor((1, STEPS, WIDTH)), *(weight(UNITS, WIDTH) for _ in range(4)), *(weight(UNITS, UNITS) for _ in range(4)),
        *(weight(UNITS) for _ in range(4)), state, state, Tensor((1, STEPS, UNITS)),
    )  # fmt: skip
    absent = [-1] * 3
    inputs = [*range(9), *absent, *range(9, 13), -1, -1, 13, 14, *absent, -1]
    options = {"fusedActivationFunction": schema().ActivationFunctionType.TANH}
    table = "UnidirectionalSequenceLSTMOptions"
    return file_of(Graph(tensors, [Operator("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [15], table, options)], [0], [15]))


@functools.cache
def variable(first: float = 0.7, operator: str = "TANH") -> bytes:
    """A resource variable that begins at `first`: an operator of it and the input is kept and given out."""
    handle, constant = Tensor((), "RESOURCE"), Tensor((1, WIDTH), data=np.full((1, WIDTH), first, np.float32))
    value = Tensor((1, WIDTH))
    named = {"container": "", "sharedName": "v"}
    main = Graph(
        (value, handle, value, value, value),
        (
            Operator("CALL_ONCE", [], [], "CallOnceOptions", {"initSubgraphIndex": 1}),
            Operator("VAR_HANDLE", [], [1], "VarHandleOptions", named),
            Operator("READ_VARIABLE", [1], [2], "ReadVariableOptions"),
            Operator("ADD", [0, 2], [3], "AddOptions"),
            Operator(operator, [3], [4]),
            Operator("ASSIGN_VARIABLE", [1, 4], [], "AssignVariableOptions"),
        ),
        [0],
        [4],
    )
    begin = Graph(
        (handle, constant),
        (
            Operator("VAR_HANDLE", [], [0], "VarHandleOptions", named),
            Operator("ASSIGN_VARIABLE", [0, 1], [], "AssignVariableOptions"),
        ),
    )
    return file_of(main, begin)


@functools.cache
def unary(operator: str, shape: tuple[int, ...] = (WIDTH,), kind: str = "FLOAT32", scale: float = 0.0) -> bytes:
    """One operator and nothing kept; LOG gives NaN below zero. The output has a zero point of -128 in int8."""
    value, made = Tensor((1, *shape), kind, scale=scale), Tensor((1, *shape), kind, scale=1 / 256 if scale else 0.0)
    table, options = ("SoftmaxOptions", {"beta": 1.0}) if operator == "SOFTMAX" else ("", None)
    tree = schema().ModelT.InitFromPackedBuf(
        file_of(Graph((value, made), [Operator(operator, [0], [1], table, options)], [0], [1])), 0
    )
    if scale:
        tree.subgraphs[0].tensors[1].quantization.zeroPoint = np.array([-128])
    return pack(tree)
