"""The front in C for the device: from raw samples to the network's input, as `Front.apply` computes it, in float."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyc import __version__
from tinyc.codegen.c_source import FLOAT_BYTES, number, render, scaling, scaling_bytes
from tinyc.codegen.c_source import FRONT_HEADER as HEADER
from tinyc.core.errors import UserError
from tinyc.data.signals.front import Front
from tinyc.data.signals.library import library
from tinyc.data.signals.operations import GAUSSIAN_MAD, Affine, Filter, Median, Project, Wavelet
from tinyc.data.task import Task
from tinyc.tflite.read.description import Tensor

SOURCE, DEFINITION = "preprocess.c", "preprocess.json"
TYPES = ("int8", "int16", "float32")
REMEDY = "let the network take int8, int16 or float32"


@dataclass(frozen=True)
class FrontSource:
    """Files by name, and the bytes that their constant tables take in flash."""

    files: Mapping[str, bytes]
    tables: Mapping[str, int]


@dataclass(frozen=True)
class Stage:
    """One operation in C.

    Attributes:
        kind: which code.
        tables: constant floats by name, each an array of its own.
        numbers: what the code has as literals.
        work: floats of work memory beside the window itself.
    """

    kind: str
    tables: Mapping[str, Sequence[float]]
    numbers: Mapping[str, Any]
    work: int


def front_source(task: Task, tensor: Tensor, name: str) -> FrontSource:
    """Write preprocess.h and preprocess.c, C99 and C++, with no library but <math.h>.

    Args:
        task: its scale and offset come first, then its front.
        tensor: the artifact's input, whose type, scale and zero point the result has.
        name: what the C names begin with, e.g. "model" for `model_preprocess`.

    Raises:
        UserError: the input has a type that no signal has.
    """
    front = task.front
    if front is None:
        return FrontSource({}, {})
    if tensor.dtype not in TYPES:
        raise UserError("export", f"the network takes {tensor.dtype}, and its front gives numbers", REMEDY)
    found = stages(front)
    limits = np.iinfo(np.dtype(tensor.dtype)) if tensor.scales else None
    facts = {
        **{"name": name, "upper": name.upper(), "version": __version__, "header": HEADER, "source": SOURCE},
        "guard": f"TINYC_{name.upper()}_PREPROCESS_H_",
        "shape": front.input_shape,
        "raw": math.prod(front.input_shape),
        "size": math.prod(front.output_shape),
        "work": math.prod(front.input_shape) + max(stage.work for stage in found),
        **scaling(task),
        "type": "float" if limits is None else f"{tensor.dtype}_t",
        "quantized": limits is not None,
        "step": number(tensor.scales[0]) if tensor.scales else None,
        "zero_point": tensor.zero_points[0] if tensor.zero_points else 0,
        "least": limits and limits.min,
        "most": limits and limits.max,
        "time": front.input_shape[0],
        "stages": [shown(stage) for stage in found],
        "kinds": {stage.kind for stage in found},
        "deepest": max((stage.numbers.get("levels", 0) for stage in found), default=0),
        "mad": number(GAUSSIAN_MAD),
        "universal": number(math.sqrt(2 * math.log(front.input_shape[0]))),
    }
    floats = sum(len(table) for stage in found for table in stage.tables.values())
    size = floats * FLOAT_BYTES + scaling_bytes(task)
    return FrontSource({file: render(file, facts) for file in (HEADER, SOURCE)}, {"preprocess": size})


def definition(front: Front | None) -> dict[str, bytes]:
    """Return the front as the file that `tinyc predict` reads beside the artifact."""
    return {} if front is None else {DEFINITION: front.to_json().encode()}


def stages(front: Front) -> list[Stage]:
    """Give each operation its code, tables and memory."""
    made, channels = [], front.input_shape[-1]
    for operation in front.operations:
        stage = WRITERS[type(operation)](operation, front.input_shape[0])
        after = operation.channels(channels)
        made.append(
            Stage(stage.kind, stage.tables, {**stage.numbers, "channels": channels, "after": after}, stage.work)
        )
        channels = after
    return made


def of_filter(operation: Filter, time: int) -> Stage:
    return Stage("filter", {"taps": operation.taps}, {"count": len(operation.taps)}, time)


def of_affine(operation: Affine, time: int) -> Stage:
    return Stage("affine", {"scale": operation.scale, "offset": operation.offset}, {}, 0)


def of_project(operation: Project, time: int) -> Stage:
    flat = [value for row in operation.matrix for value in row]
    return Stage("project", {"mean": operation.mean, "matrix": flat}, {}, len(operation.matrix))


def of_median(operation: Median, time: int) -> Stage:
    return Stage("median", {}, {"count": operation.taps}, time + operation.taps)


def of_wavelet(operation: Wavelet, time: int) -> Stage:
    """Lay out the transform: two rows of smooth numbers, and the details of every level."""
    wavelet = library("pywt").Wavelet(operation.name)
    lengths = [time]
    for _ in range(operation.level):
        lengths.append((lengths[-1] + wavelet.dec_len - 1) // 2)
    numbers = {
        "count": wavelet.dec_len,
        "levels": operation.level,
        "bayes": int(operation.threshold == "bayes"),
        "widest": max(lengths),
    }
    tables = {"low": wavelet.dec_lo, "high": wavelet.dec_hi}
    return Stage("wavelet", tables, numbers, 2 * max(lengths) + sum(lengths[1:]))


WRITERS: Mapping[type, Callable[[Any, int], Stage]] = {
    Filter: of_filter,
    Affine: of_affine,
    Project: of_project,
    Median: of_median,
    Wavelet: of_wavelet,
}


def shown(stage: Stage) -> dict[str, Any]:
    """Return a stage as the template wants it."""
    tables = {name: lines([number(value) for value in table]) for name, table in stage.tables.items()}
    return {"kind": stage.kind, "tables": tables, **stage.numbers}


def lines(words: Sequence[str]) -> str:
    """Write numbers in lines of 8."""
    return "\n".join(f"    {', '.join(words[start : start + 8])}," for start in range(0, len(words), 8))
