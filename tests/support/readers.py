"""What the readers that firmware people use make of .tflite files; run as a process of its own, without TensorFlow.

`python tests/support/readers.py FOLDER` reads each FOLDER/*.tflite and prints JSON, by file name:

    tflite      the operators' names as PyPI's `tflite` reads them, by graph; custom ones by their own name
    vela        the operators' types as ethos-u-vela reads them
    commands    the hashes of what ethos-u-vela compiles for the processor, or why it does not
    litert      the hash of what ai-edge-litert's reference kernels give for a few inputs, or why they do not
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ethosu.vela import vela
from ethosu.vela.tflite_reader import TFLiteGraph

EXAMPLES, IDS = 4, 20
tflite: Any = importlib.import_module("tflite")  # mypy finds tests/tflite by this name


def named(content: bytes) -> list[list[str]]:
    """The operators of each graph, as `tflite` reads them."""
    model = tflite.Model.GetRootAsModel(content, 0)
    graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    return [[name(model, graph.Operators(i)) for i in range(graph.OperatorsLength())] for graph in graphs]


def name(model: Any, operator: Any) -> str:
    code = model.OperatorCodes(operator.OpcodeIndex())
    if code.BuiltinCode() == tflite.BuiltinOperator.CUSTOM:
        return str(code.CustomCode().decode())
    return str(tflite.opcode2name(code.BuiltinCode()))


def parsed(path: Path) -> list[str]:
    """The operators, as ethos-u-vela reads them, of all graphs."""
    graph = TFLiteGraph(str(path), 1, {}, [], [])
    return [each.name for each, *_ in (graph.operator_codes[i] for i in used(path))]


def used(path: Path) -> list[int]:
    model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    return [graph.Operators(i).OpcodeIndex() for graph in graphs for i in range(graph.OperatorsLength())]


def commands(path: Path) -> list[list[str]] | str:
    """What ethos-u-vela compiles: each operator that is left, with the hashes of its constants."""
    try:
        vela.main(["--accelerator-config", "ethos-u55-128", "--output-dir", str(path.parent / "vela"), str(path)])
    except RuntimeError as error:
        return str(error)
    content = (path.parent / "vela" / f"{path.stem}_vela.tflite").read_bytes()
    model = tflite.Model.GetRootAsModel(content, 0)
    graph = model.Subgraphs(0)
    found = []
    for operator in (graph.Operators(i) for i in range(graph.OperatorsLength())):
        read = [graph.Tensors(i) for i in operator.InputsAsNumpy() if i >= 0] if operator.InputsLength() else []
        data = [model.Buffers(tensor.Buffer()) for tensor in read]
        hashes = [hashlib.sha256(each.DataAsNumpy().tobytes()).hexdigest() for each in data if each.DataLength()]
        found.append([name(model, operator), *hashes])
    return found


def outputs(content: bytes) -> str:
    """What ai-edge-litert gives, each example from an interpreter of its own."""
    draw, digest = np.random.default_rng(0), hashlib.sha256()
    for _ in range(EXAMPLES):
        interpreter = Interpreter(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
        try:
            interpreter.allocate_tensors()
        except RuntimeError as error:
            return str(error)
        given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        integers = draw.integers(0 if given["dtype"] == np.int32 else -128, IDS, given["shape"])
        x = draw.normal(size=given["shape"]) if given["dtype"] == np.float32 else integers
        interpreter.set_tensor(given["index"], x.astype(given["dtype"]))
        interpreter.invoke()
        digest.update(interpreter.get_tensor(made["index"]).tobytes())
    return digest.hexdigest()


def main() -> None:
    """Read every file; only the JSON goes to standard output."""
    found = {}
    for path in sorted(Path(sys.argv[1]).glob("*.tflite")):
        content = path.read_bytes()
        with contextlib.redirect_stdout(io.StringIO()):
            read = {"tflite": named(content), "vela": parsed(path), "commands": commands(path)}
            found[path.stem] = {**read, "litert": outputs(content)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
