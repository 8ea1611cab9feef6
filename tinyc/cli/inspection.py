"""`tinyc inspect`: what any .tflite weighs, what runs it, and where the bytes are."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tinyc import units
from tinyc.errors import MachineError, TinycError, UserError
from tinyc.interpreters.description import Description, Tensor
from tinyc.interpreters.flatbuffer import describe
from tinyc.interpreters.pool import Pool
from tinyc.interpreters.quantization import dequantize
from tinyc.ledger import weighing


def read_file(path: Path) -> bytes:
    """Read a file that a command names.

    Raises:
        UserError: there is no such file.
        MachineError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(str(path), "there is no such file", "give a .tflite file") from error
    except OSError as error:
        raise MachineError(str(path), f"cannot be read: {error.strerror}", "check its permissions") from error


def show(path: Path, as_json: bool) -> str:
    """Describe a file, as text or JSON."""
    content = read_file(path)
    described = describe(content, str(path))
    arena, refusal = measure_arena(content, described, str(path))
    gzip_bytes = weighing.gzip_bytes(content)
    if as_json:
        table = {**asdict(described), "gzip_bytes": gzip_bytes, "arena_bytes": arena, "tflm": refusal or "runs it"}
        return json.dumps(table, indent=1)
    return "\n".join([*head(path, described, gzip_bytes, arena, refusal), "", *layers(described)])


def measure_arena(content: bytes, described: Description, where: str) -> tuple[int | None, str | None]:
    """Invoke the file once under TFLM with an input of zeros; the arena in bytes, or why there is none."""
    zeros = np.zeros((1, *described.inputs[0].shape[1:]), np.float32) if described.inputs else np.zeros((1, 1))
    try:
        with Pool(1) as pool:
            return pool.run(content, zeros, "tflm", where).arena_bytes, None
    except TinycError as error:
        return None, str(error)


def head(path: Path, described: Description, gzip_bytes: int, arena: int | None, refusal: str | None) -> list[str]:
    """The figures of the whole file."""
    names = Counter(op.name for op in described.ops)
    size = units.show_bytes
    host = f"{size(arena)} ({arena:,} B) under TensorFlow Lite Micro on this host" if arena else "not measured"
    rows = [
        ("file", f"{size(described.file_bytes)} ({described.file_bytes:,} B), gzip {size(gzip_bytes)}"),
        ("weights", f"{size(described.weight_bytes)}, all else {size(described.metadata_bytes)}"),
        ("parameters", f"{described.params:,}, of which {described.nonzero_params:,} are not zero"),
        ("MACs", f"{described.macs:,} per inference"),
        ("arena", host),
        ("ops", ", ".join(f"{name} x{count}" for name, count in names.items())),
        *(("input", tensor(each)) for each in described.inputs),
        *(("output", tensor(each)) for each in described.outputs),
    ]
    lines = [str(path), *(f"  {name:11} {text}" for name, text in rows)]
    return [*lines, f"  does not run: {refusal}"] if refusal else lines


def tensor(each: Tensor) -> str:
    """Shape, type and quantization of an input or output."""
    text = f"{each.dtype} {list(each.shape)}"
    if not each.scales:
        return text
    low, high = dequantize(np.array([-128, 127], np.int8), each) if each.dtype == "int8" else (None, None)
    reach = f", real values {low:.4g} to {high:.4g}" if low is not None else ""
    return f"{text}, scale {each.scales[0]:.6g}, zero point {each.zero_points[0] if each.zero_points else 0}{reach}"


def layers(described: Description) -> list[str]:
    """One line an operator."""
    rows: list[tuple[str, ...]] = [("op", "", "layer", "output", "weights", "MACs")]
    for op in described.ops:
        shape = "x".join(map(str, described.tensors[op.outputs[0]].shape)) if op.outputs else ""
        rows.append((str(op.index), op.name, op.layer[:28] or "-", shape, f"{op.weight_bytes:,}", f"{op.macs:,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    return [line(row, widths) for row in rows]


def line(row: tuple[str, ...], widths: list[int]) -> str:
    """Pad one line's cells; the last two are figures and stand at the right."""
    padded = zip(row, widths, strict=True)
    return "  ".join(
        cell.rjust(width) if i >= 4 else cell.ljust(width) for i, (cell, width) in enumerate(padded)
    ).rstrip()
