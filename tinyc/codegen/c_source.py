"""C sources: the artifact as an aligned array with all that a firmware must know of it, and test vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray

from tinyc import __version__
from tinyc.data.task import Task
from tinyc.network.state import Flat
from tinyc.spec.device import Device
from tinyc.tflite import dense_scales, on_device
from tinyc.tflite.read import operators
from tinyc.tflite.read.description import Description, Tensor
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run import runtimes

HEADER, SOURCE = "model_data.h", "model_data.cc"
VECTORS_HEADER, VECTORS_SOURCE = "test_vectors.h", "test_vectors.cc"
TOKENIZER_HEADER, FRONT_HEADER = "tokenizer.h", "preprocess.h"
POINTER_BYTES = 4
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Vectors:
    """Inputs in the artifact's own type and the outputs that `runtime` gave, (examples, ...) each.

    `keeps_state` says that the network does, so that each vector starts from a reset interpreter.
    """

    inputs: NDArray[Any]
    outputs: NDArray[Any]
    runtime: str
    keeps_state: bool = False


def model_data(flat: Flat, name: str, arena_bytes: int | None, device: Device | None = None) -> dict[str, bytes]:
    """Write model_data.h and .cc: the model, its input and output, preprocessing, arena and labels.

    Args:
        flat: the artifact, exactly as it is exported.
        name: what the C names begin with, e.g. "model" for `g_model` and `MODEL_BYTES`.
        arena_bytes: the least with which TFLM runs the model on the host; None where it was not measured.
        device: what the artifact is for, whose kernels ask for scratch memory of their own; None where nobody said.
    """
    described = describe(flat.content)
    facts = {
        **names(name),
        "guard": f"TINYC_{name.upper()}_DATA_H_",
        "bytes": len(flat.content),
        "rows": rows(flat.content, "    "),
        "input": side(described.inputs[0]),
        "output": side(described.outputs[0]),
        **scaling(flat.task),
        "tokenizer": TOKENIZER_HEADER if flat.task.tokenizer else None,
        "front": FRONT_HEADER if flat.task.front else None,
        "arena_bytes": arena_bytes,
        "device": on_device_arena(described, arena_bytes, device),
        "labels": [quoted(label) for label in flat.task.classes],
        "softmax": flat.softmax,
        "tables": tables(described),
        "dense": dense(described),
    }
    return {HEADER: render(HEADER, facts), SOURCE: render(SOURCE, facts)}


def on_device_arena(described: Description, arena_bytes: int | None, device: Device | None) -> dict[str, Any] | None:
    """State what the arena must have on the device; None where no device is named or nothing was measured."""
    if device is None or arena_bytes is None:
        return None
    needed = on_device.scratch_of(described, device)
    assumed = f", of which that of {', '.join(needed.assumed)} is assumed" if needed.assumed else ""
    return {"runtime": device.runtime.title, "scratch": needed.bytes, "assumed": assumed}


def scaling(task: Task) -> dict[str, Any]:
    """Scale and offset of raw values: one number each, or `channels` numbers each with a comma between them."""
    pairs = task.columns or ((task.scale, task.offset),)
    scale, offset = (", ".join(map(number, each)) for each in zip(*pairs, strict=True))
    return {"channels": len(task.columns), "scale": scale, "offset": offset}


def scaling_bytes(task: Task) -> int:
    """Count the flash that one scale and one offset for each column take, in float; numbers are part of the code."""
    return 2 * FLOAT_BYTES * len(task.columns)


def tables(described: Description) -> dict[str, Any] | None:
    """State what a firmware must have for weight tables; None where the artifact has none."""
    if not operators.tflm_only(described):
        return None
    ops = list(dict.fromkeys(op.name for op in described.ops))
    return {"ops": ops, "decoder": operators.TABLE_DECODER, "tested": runtimes.version("tflm")}


def dense(described: Description) -> str:
    """Say which firmware computes the Dense layers; empty where each has one scale, which all do.

    Layers are counted, not named: a name could end the comment.
    """
    count = len(dense_scales.layers(described))
    return (
        f"{count} FULLY_CONNECTED with a scale for each output: {dense_scales.warning()}; {dense_scales.REMEDY}"
        if count
        else ""
    )


def test_vectors(vectors: Vectors, name: str) -> dict[str, bytes]:
    """Write test_vectors.h and .cc."""
    facts = {
        **names(name),
        "guard": f"TINYC_{name.upper()}_TEST_VECTORS_H_",
        "count": len(vectors.inputs),
        "runtime": vectors.runtime,
        "keeps_state": vectors.keeps_state,
        "inputs": [rows(example.ravel().tolist(), " " * 8) for example in vectors.inputs],
        "outputs": [rows(example.ravel().tolist(), " " * 8) for example in vectors.outputs],
    }
    return {file: render(file, facts) for file in (VECTORS_HEADER, VECTORS_SOURCE)}


def labels_bytes(classes: Sequence[str]) -> int:
    """Count the flash that the table of labels takes: UTF-8 with an end byte each, and a pointer of 4 bytes."""
    return sum(len(label.encode()) + 1 + POINTER_BYTES for label in classes)


def names(name: str) -> dict[str, str]:
    return {"name": name, "upper": name.upper(), "version": __version__, "header": HEADER, "source": SOURCE}


def side(tensor: Tensor) -> dict[str, Any]:
    """State one end of the network for the header."""
    return {
        "dtype": tensor.dtype,
        "shape": tensor.shape,
        "size": math.prod(tensor.shape),
        "scale": number(tensor.scales[0]) if tensor.scales else None,
        "zero_point": tensor.zero_points[0] if tensor.zero_points else 0,
    }


def rows(values: bytes | Sequence[int], indent: str) -> str:
    """Write numbers in lines of 16: bytes as 0x1c, integers as they are."""
    words = [f"0x{value:02x}" for value in values] if isinstance(values, bytes) else [str(value) for value in values]
    lines = [", ".join(words[start : start + 16]) for start in range(0, len(words), 16)]
    return "\n".join(f"{indent}{line}," for line in lines)


def number(value: Any) -> str:
    """Write a float constant that reads back as the same float32."""
    return f"{np.float32(value)!s}f"


def quoted(text: str) -> str:
    """Write text as a C string of UTF-8; octal escapes take three digits at most, so that none runs on."""
    plain = {byte: chr(byte) for byte in range(0x20, 0x7F)} | {ord(c): "\\" + c for c in '"\\?'}
    return '"' + "".join(plain.get(byte, f"\\{byte:03o}") for byte in text.encode()) + '"'


def render(file: str, facts: dict[str, Any]) -> bytes:
    """Fill in the template of a file."""
    # The output is C, not HTML: nothing is escaped but by `quoted`.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    template = Path(__file__).with_name(f"{file}.jinja").read_text(encoding="utf-8")
    return environment.from_string(template).render(facts).encode()
