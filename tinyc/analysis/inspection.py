"""Everything that one .tflite says of itself: its bytes, its constants, its arena, and what could still go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinyc.analysis.savings import Saving, savings
from tinyc.core import files, limits
from tinyc.core.errors import MachineError, UserError
from tinyc.measure.weighing import gzip_bytes
from tinyc.tflite import dense_scales
from tinyc.tflite.read.anatomy import anatomy
from tinyc.tflite.read.constants import Constant, constants
from tinyc.tflite.read.description import Description
from tinyc.tflite.read.flatbuffer import Reader, open_tflite
from tinyc.tflite.read.lifetimes import Arena, lifetimes
from tinyc.tflite.read.values import Variety, looked_up, variety
from tinyc.tflite.run.pool import Pool, undriven


@dataclass(frozen=True)
class Inspection:
    """Everything that is said of one file.

    `kinds` are its bytes by kind and add up to the file; `arena_bytes` is what TFLM reports, None where TFLM does not
    run the file (the `refusal` says why) or nobody could see (`unmeasured`). `undriven` says why tinyc can run no
    examples through it, whether TFLM runs it or not.
    """

    path: Path
    described: Description
    kinds: dict[str, int]
    constants: tuple[Constant, ...]
    varieties: tuple[Variety | None, ...]
    savings: tuple[Saving, ...]
    gzip_bytes: int
    arena: Arena
    arena_bytes: int | None
    refusal: str | None
    unmeasured: str | None
    undriven: str | None


def inspect(path: Path) -> Inspection:
    """Look at a file from all sides; a worker process measures the arena meanwhile."""
    content = files.read(path, limits.NETWORK_BYTES)
    reader, described = open_tflite(content, str(path))
    with ThreadPoolExecutor(1) as threads:
        measured = threads.submit(measure_arena, content, described, str(path))
        held = constants(described)
        kinds = anatomy(content, described, str(path))
        varieties = tuple(read_variety(each, described, reader) for each in held)
        left = savings(content, described)
        arena = lifetimes(described)
        arena_bytes, refusal, unmeasured = measured.result()
    return Inspection(
        path, described, kinds, held, varieties, left, gzip_bytes(content), arena, arena_bytes, refusal,
        unmeasured, undriven(described),
    )  # fmt: skip


def read_variety(constant: Constant, described: Description, reader: Reader) -> Variety | None:
    """Count the different values of one constant, behind its tables if it has any; None where they cannot be read."""
    stored, decoded = described.tensors[constant.tensor], described.tensors[constant.decoded]
    if constant.ancillary is not None:
        ancillary = described.tensors[constant.ancillary]
        found = looked_up(reader.data(stored.buffer), reader.data(ancillary.buffer), decoded)
        return None if found is None else variety(found, decoded)
    found = reader.values(stored)
    return None if found is None else variety(found, stored)


def measure_arena(content: bytes, described: Description, where: str) -> tuple[int | None, str | None, str | None]:
    """Measure the least arena with which TFLM runs the file, in bytes, or say why it does not run or is unmeasured."""
    if any(size < 0 for each in described.inputs for size in each.shape):
        refusal = f"{where}: leaves its input's shape open; convert it with a fixed shape and a batch of 1"
        return None, refusal, None
    try:
        with Pool(1) as pool:
            return pool.arena_bytes(content, where), None, None
    except UserError as error:
        return None, str(error), None
    except MachineError as error:
        return None, None, str(error)


def inspection_table(found: Inspection) -> dict[str, Any]:
    """Return everything as JSON values."""
    held = [
        {**asdict(each), **constant_row(found.described, each), "values": asdict(count) if count else None}
        for each, count in zip(found.constants, found.varieties, strict=True)
    ]
    return {
        **asdict(found.described),
        "gzip_bytes": found.gzip_bytes,
        "arena_bytes": found.arena_bytes,
        "tflm": found.refusal or (f"not measured: {found.unmeasured}" if found.unmeasured else "runs it"),
        "undriven": found.undriven,
        **dense_scales.facts(found.described),
        "bytes_by_kind": found.kinds,
        "constants": held,
        "savings": [asdict(each) for each in found.savings],
        "lifetimes": {**asdict(found.arena), "peak_bytes": found.arena.peak_bytes},
    }


def constant_row(described: Description, constant: Constant) -> dict[str, Any]:
    """Return what a constant is called, its shape as decoded, its type as stored, and its share of the file."""
    stored, decoded = described.tensors[constant.tensor], described.tensors[constant.decoded]
    share = constant.bytes / described.file_bytes
    return {"name": stored.name, "shape": decoded.shape, "dtype": stored.dtype, "share": share}
