"""The work of the pass `compact`: tensors are put into tables where that pays, and the outputs are proved equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinyc.core import progress
from tinyc.core.errors import UserError
from tinyc.data.inputs import inputs
from tinyc.network.contract import Context, Outcome, Skipped
from tinyc.network.selectors import matches
from tinyc.network.state import Flat
from tinyc.spec.passes.compact import Compact, CompactFacts, Tensor
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.operators import TABLE_DECODER
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write import tables
from tinyc.tflite.write.proved import Proved, prove
from tinyc.tflite.write.strip import strip
from tinyc.tflite.write.tables import Gain

COMPARED, REHEARSED = 64, 4
"""Examples on which the outputs are compared, in a run and in a plan."""
LEAST_SAVED_BYTES = 16
"""Buffers lie at multiples of 16 bytes: what a table saves below that may go into padding."""
FEW = "put a `cluster` pass before quantize, which leaves each channel few values"
CHANGED = "with its table TensorFlow Lite Micro gives other outputs, or refuses the file"
LOST = "tflite-runtime and every other interpreter: only TensorFlow Lite Micro decodes weight tables"

# tflite_micro's compression/constant_inputs.py says so of some optimized kernels, and names none.
ON_DEVICE = (
    "proved with the portable kernels; one optimized for a core may read weights before they are decoded: "
    "run the test vectors there"
)


def compact(options: Compact, state: Flat, context: Context) -> Outcome:
    """Put tensors into tables and prove the outputs equal.

    Raises:
        UserError: a selector matches no layer, or TFLM does not take the artifact.
        MachineError: TensorFlow Lite Micro is not installed, or a worker was ended or hung.
    """
    found = tables.gains(state.content)
    left_out = layers_left_out(options, state.content)
    chosen = [gain for gain in found if gain.layer not in left_out and pays(options, gain)]
    stripped = strip(state.content)
    if not chosen or len(tables.compact(stripped, chosen)) >= len(stripped):
        return Outcome(state, nothing(options, state, stripped, found))
    count = COMPARED if context.rehearse is None else REHEARSED
    samples = inputs(context.data.calibration.x[:count], state.task)
    with Pool() as pool, progress.task(context.progress, "compact: compare outputs", 2 * len(samples)) as shown:
        proved = prove(stripped, chosen, samples, pool, shown.advance)
    skipped = tuple(Skipped(gain.layer, CHANGED) for gain in proved.dropped)
    if not proved.kept or len(proved.content) >= len(stripped):
        return Outcome(state, nothing(options, state, stripped, found), skipped=skipped)
    told = facts(state, stripped, proved, found, len(samples))
    return Outcome(replace(state, content=proved.content), told, skipped=skipped)


def pays(options: Compact, gain: Gain) -> bool:
    """Say whether a table is allowed, and saves more than padding may take."""
    return gain.bits <= options.bits_most and gain.saved_bytes >= LEAST_SAVED_BYTES


def layers_left_out(options: Compact, content: bytes) -> set[str]:
    """Return the layers that the selectors keep as they are.

    Raises:
        UserError: a selector matches nothing.
    """
    layers = [(op.layer or f"op {op.index}", op.name) for op in describe(content).ops if op.weight_bytes]

    def named(selector: str, key: str) -> set[str]:
        where = f"compact.{key}"
        if not (found := {layer for layer, op in layers if matches(selector, layer, op, where)}):
            known = ", ".join(dict.fromkeys(layer for layer, _ in layers))
            raise UserError(where, f"{selector!r} matches no layer with weights", f"these are {known}")
        return found

    everything = {layer for layer, _ in layers}
    wanted = everything if options.only is None else set().union(*(named(each, "only") for each in options.only))
    return (everything - wanted).union(*(named(each, "skip") for each in options.skip))


def nothing(options: Compact, state: Flat, stripped: bytes, found: Sequence[Gain]) -> CompactFacts:
    """Say why the artifact stays as it is."""
    return {
        "tables": 0,
        "why": why(options, state.content, found),
        "tensors": [],
        "file_bytes_before": len(state.content),
        "stripped_bytes": len(stripped),
        "file_bytes_after": len(state.content),
    }


def why(options: Compact, content: bytes, found: Sequence[Gain]) -> str:
    """Name the first reason for which no table was made."""
    already = sum(len(op.outputs) for op in describe(content).ops if op.name == TABLE_DECODER)
    paying = [gain for gain in found if gain.saved_bytes >= LEAST_SAVED_BYTES]
    if already and not paying:
        return f"the artifact holds {already} tables already, and nothing more gets smaller"
    if not paying and (halved := halved_layers(content)):
        return f"no tensor is smaller in a table: weights of four bits take none ({', '.join(halved)})"
    if not paying:
        return f"no tensor is smaller in a table: none that is large enough has few values (a channel); {FEW}"
    if not any(gain.bits <= options.bits_most for gain in paying):
        return f"tables would pay with indices of {min(gain.bits for gain in paying)} bits or more; raise `bits_most`"
    return "the tables that would pay were left out by `only`, `skip` or the proof, or save less than they add"


def facts(state: Flat, stripped: bytes, proved: Proved, found: Sequence[Gain], examples: int) -> CompactFacts:
    """State what each table saves, and what it costs: arena, and every interpreter but one."""
    return {
        "tables": len(proved.kept),
        "tensors": [record(gain) for gain in proved.kept],
        "not_smaller_in_a_table": sum(gain.saved_bytes < LEAST_SAVED_BYTES for gain in found),
        "file_bytes_before": len(state.content),
        "stripped_bytes": len(stripped),
        "file_bytes_after": len(proved.content),
        "arena_bytes_before": proved.before.arena_bytes,
        "arena_bytes_after": proved.after.arena_bytes,
        "bit_exact": True,
        "compared_under": proved.after.runtime,
        "compared_examples": examples,
        "compared_split": "calibration",
        "needs": f"TensorFlow Lite Micro with the operator TFLM_DECODE; tested with {proved.after.runtime}",
        "no_longer_runs_on": LOST,
        "on_the_device": ON_DEVICE,
    }


def halved_layers(content: bytes) -> list[str]:
    """Return the layers whose weights have four bits, which no table holds."""
    described = describe(content)
    four = {tensor.index for tensor in described.tensors if tensor.dtype == "int4"}
    return [op.layer or f"op {op.index}" for op in described.ops if four & set(op.inputs)]


def record(gain: Gain) -> Tensor:
    """Return one tensor's row in the report."""
    return {
        "layer": gain.layer,
        "op": gain.op,
        "bits": gain.bits,
        "values": gain.values,
        "table_per": "channel" if gain.per_channel else "tensor",
        "before_bytes": gain.bytes_before,
        "after_bytes": gain.bytes_after,
    }
