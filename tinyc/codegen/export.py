"""The work of the pass `export`: the artifact is rewritten and compared, and comes with the sources around it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.codegen import c_source
from tinyc.codegen.c_source import labels_bytes, scaling_bytes
from tinyc.codegen.front_c import FrontSource, definition, front_source
from tinyc.codegen.hex import fits, to_hex
from tinyc.codegen.tokenizer_c import TokenizerSource, tokenizer_source
from tinyc.core import progress
from tinyc.core.errors import UserError
from tinyc.data.inputs import inputs
from tinyc.network.contract import Context, Outcome, Skipped
from tinyc.network.state import Flat
from tinyc.spec.device import Device
from tinyc.spec.passes.export import Export, ExportFacts, address
from tinyc.tflite import on_device
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.quantization import quantize
from tinyc.tflite.run import runtimes
from tinyc.tflite.run.pool import Pool, Run
from tinyc.tflite.run.states import start_of
from tinyc.tflite.write import verified
from tinyc.tflite.write.softmax import append_softmax
from tinyc.tflite.write.verified import Written

COMPARED, REHEARSED = 64, 4
"""Examples on which the rewritten artifact is compared, in a run and in a plan."""


def export(options: Export, state: Flat, context: Context) -> Outcome:
    """Rewrite the artifact, check it, and write its files.

    Raises:
        UserError: TFLM or the device's runtime lacks an operator of it, C cannot follow its tokenizer, or the .hex
            ends beyond 32 bits.
        MachineError: an interpreter's worker crashed.
    """
    state = with_softmax(options, state)
    with Pool() as pool:
        written = write_stripped(options, state, context, pool)
        drawn, split = examples(options, context, state)
        run = observe(written.content, drawn, pool)
    if context.device:
        on_device.require(describe(written.content), context.device)
    tokenizer = tokenizer_files(options, state)
    front = front_files(options, state, written.content)
    tables = {**state.tables, **(constants(state) if "c" in options.formats else {})}
    final = replace(state, content=written.content, tables={**tables, **tokenizer.tables, **front.tables})
    files = {**artifact_files(options, final, drawn, run, context.device), **tokenizer.files, **front.files}
    skipped = tuple(Skipped("model.tflite", f"not {why}") for why in written.rejected)
    told = facts(options, state, written, files, split, run, final.tables)
    return Outcome(final, told, files, skipped)


def with_softmax(options: Export, state: Flat) -> Flat:
    """End the artifact in probabilities where asked."""
    if not options.softmax or state.softmax:
        return state
    return replace(state, content=append_softmax(state.content), softmax=True)


def write_stripped(options: Export, state: Flat, context: Context, pool: Pool) -> Written:
    """Strip and align the artifact, comparing outputs on calibration examples."""
    count = COMPARED if context.rehearse is None else REHEARSED
    samples = inputs(context.data.calibration.x[:count], state.task)
    total = 2 * len(samples) * len(verified.EXACT)
    with progress.task(context.progress, "export: compare outputs", total) as shown:
        return verified.write_verified(state.content, options.strip, samples, pool, shown.advance)


def examples(options: Export, context: Context, state: Flat) -> tuple[NDArray[Any], str]:
    """Draw the inputs of the test vectors, one at least; never from test."""
    name = "validation" if len(context.data.validation) else "calibration"
    split = getattr(context.data, name)
    count = min(max(options.vectors, 1), len(split))
    chosen = np.sort(np.random.default_rng(context.seed).choice(len(split), count, replace=False))
    return inputs(split.x[chosen], state.task), name


def observe(content: bytes, drawn: NDArray[Any], pool: Pool) -> Run | None:
    """Run the finished artifact under TFLM, else under the reference kernels; None where neither is installed."""
    runtime = next((each for each in verified.EXACT if runtimes.version(each)), None)
    return pool.run(content, drawn, runtime) if runtime else None


def tokenizer_files(options: Export, state: Flat) -> TokenizerSource:
    """Write the tokenizer of a text task: its definition, and in C where C is asked for."""
    used = state.task.tokenizer
    if used is None:
        return TokenizerSource({}, {})
    defined = {"tokenizer.json": used.definition.encode()}
    if "c" not in options.formats:
        return TokenizerSource(defined, {})
    source = tokenizer_source(used, options.name)
    return TokenizerSource({**defined, **source.files}, source.tables)


def front_files(options: Export, state: Flat, content: bytes) -> FrontSource:
    """Write what runs before the network: its definition, and in C where C is asked for."""
    files = definition(state.task.front)
    if "c" not in options.formats or not files:
        return FrontSource(files, {})
    source = front_source(state.task, describe(content).inputs[0], options.name)
    return FrontSource({**files, **source.files}, source.tables)


def constants(state: Flat) -> dict[str, int]:
    """Count the bytes of the labels, and of a scale and offset for each column where no front has them."""
    scaling = {"scaling": scaling_bytes(state.task)} if state.task.columns and not state.task.front else {}
    return {"labels": labels_bytes(state.task.classes), **scaling}


def artifact_files(
    options: Export, final: Flat, drawn: NDArray[Any], run: Run | None, device: Device | None
) -> dict[str, bytes]:
    """Write the artifact in every format that is asked for, by name."""
    files: dict[str, bytes] = {}
    if "tflite" in options.formats:
        files["model.tflite"] = final.content
    if "c" in options.formats:
        files |= sources(options, final, drawn, run, device)
    if "hex" in options.formats:
        files["model.hex"] = hex_file(options, final.content)
    return files


def sources(
    options: Export, final: Flat, drawn: NDArray[Any], run: Run | None, device: Device | None
) -> dict[str, bytes]:
    """Write the C sources; test vectors need an interpreter that says what is expected."""
    files = c_source.model_data(final, options.name, run.arena_bytes if run else None, device)
    if run and options.vectors:
        described = describe(final.content)
        vectors = c_source.Vectors(
            quantize(drawn, described.inputs[0]), run.raw, run.runtime, start_of(described) != "as left"
        )
        files |= c_source.test_vectors(vectors, options.name)
    return files


def hex_file(options: Export, content: bytes) -> bytes:
    """Write the artifact as Intel HEX from its base address on.

    Raises:
        UserError: it ends beyond 32 bits.
    """
    base = address(options.base_address)
    problem = fits(base, len(content))
    if problem:
        raise UserError("export.base_address", problem, "choose a lower address")
    return to_hex(content, base)


def facts(
    options: Export,
    state: Flat,
    written: Written,
    files: dict[str, bytes],
    split: str,
    run: Run | None,
    tables: Mapping[str, int],
) -> ExportFacts:
    """State what was written, and what the stripping saved."""
    vectors = min(options.vectors, len(run.raw)) if run and "c" in options.formats else 0
    return {
        "written": written.how,
        "compared_under": list(written.runtimes),
        "compared_examples": written.examples,
        "bytes_before": len(state.content),
        "bytes_after": len(written.content),
        "bytes_saved": len(state.content) - len(written.content),
        "arena_bytes": run.arena_bytes if run else None,
        "test_vectors": {"count": vectors, "split": split, "runtime": run.runtime} if run and vectors else None,
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
        },
        "tables": dict(tables),
    }
