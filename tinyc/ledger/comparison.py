"""One artifact under every runtime: what TFLM, the reference kernels and the fast kernels make of the same examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc import data, progress
from tinyc.data.dataset import Dataset
from tinyc.interpreters import operators, runtimes
from tinyc.interpreters.flatbuffer import Description, Op, describe
from tinyc.interpreters.parting import first_parting, steps_apart
from tinyc.interpreters.pool import Pool, Run
from tinyc.interpreters.runtimes import Runtime
from tinyc.lowering.table_writing import expand
from tinyc.progress import Progress, Silent
from tinyc.state import Flat

ORDER: tuple[Runtime, ...] = ("tflm", "reference", "fast")
PROBED = 8
RARE = 0.01


@dataclass(frozen=True)
class Pairing:
    """Two runtimes that are held against each other, and the quantization steps by which they may differ."""

    left: Runtime
    right: Runtime
    allowed: int


def pairings() -> tuple[Pairing, Pairing]:
    """What is held against what; tflite-runtime's reference kernels equal TFLM, its successor's round otherwise."""
    exact = runtimes.package("reference") == "tflite_runtime"
    return Pairing("tflm", "reference", 0 if exact else 1), Pairing("fast", "reference", 1)


def compare_runtimes(flat: Flat, dataset: Dataset, pool: Pool, shown: Progress | None = None) -> dict[str, Any]:
    """Run an artifact over the whole test split under every runtime that is installed here.

    Returns:
        JSON values: `agreed` (TFLM with the reference kernels to the bit, or but for rare rounding in a known operator;
        the fast kernels with them within a step, or
        beyond it with the operator known from which on they part) and `why` not; `notes` on whatever is beyond;
        `runtimes` by name with version, accuracy and seconds (None where not installed); `differences` of each pair;
        `arena_bytes`; `ops` with how often each stands in the file; `examples`.

    Raises:
        UserError: the file is damaged, or TFLM lacks an operator; names it, its layers and what to write instead.
        MachineError: a worker crashed or hung.
    """
    return compare(flat.content, data.inputs(dataset.test.x, flat.task), pool, labels=dataset.test.y, shown=shown)


def compare(
    content: bytes,
    inputs: NDArray[Any],
    pool: Pool,
    *,
    labels: NDArray[np.int64] | None = None,
    where: str = "the artifact",
    shown: Progress | None = None,
) -> dict[str, Any]:
    """Run a .tflite over examples under every runtime; without labels the accuracies are None.

    `inputs` are (examples, *input shape) as the network sees them. A file with weight tables, which TFLM alone decodes,
    is held against the same file with its weights decoded again, under the reference kernels. Returns and raises as
    `compare_runtimes`.
    """
    described = describe(content, where)
    # What only TFLM decodes is decoded here for the others: the weights in the tables are then compared with it too.
    plain = expand(content)
    installed = [runtime for runtime in ORDER if runtimes.package(runtime)]
    runs: dict[Runtime, Run] = {}
    shown = shown or Silent()
    with progress.task(shown, "verify", len(inputs) * len(installed)):
        for runtime in installed:
            runs[runtime] = pool.run(content if runtime == "tflm" else plain, inputs, runtime, where, shown.advance)

    def part(pair: Pairing, beyond: NDArray[Any]) -> Op | None:
        return first_parting(plain, inputs[beyond], pool, pair.left, pair.right, steps=pair.allowed, where=where)

    differences = [difference(pair, runs, part) for pair in pairings()]
    against = [text for found in differences if (text := disagreement(found, len(inputs)))]
    return {
        "agreed": not against,
        "why": "; ".join(against) or None,
        "notes": [*decoded(described), *(text for found in differences if (text := remark(found)))],
        "examples": len(inputs),
        "runtimes": {runtime: summary(runs.get(runtime), labels) for runtime in ORDER},
        "differences": differences,
        "arena_bytes": runs["tflm"].arena_bytes if "tflm" in runs else None,
        "ops": dict(Counter(op.name for op in described.ops)),
    }


def decoded(described: Description) -> list[str]:
    """Say that tflite-runtime ran a file with its tables decoded, where it has some."""
    if not operators.tflm_only(described):
        return []
    count = sum(len(op.outputs) for op in described.ops if op.name == operators.TABLE_DECODER)
    return [
        f"only TensorFlow Lite Micro has {operators.TABLE_DECODER}: tflite-runtime ran the file with its "
        f"{count} weight tables decoded back into weights"
    ]


def summary(run: Run | None, labels: NDArray[np.int64] | None) -> dict[str, Any] | None:
    """One runtime's part in the comparison; None where it is not installed."""
    if run is None:
        return None
    right = None if labels is None else float((classes(run) == labels).mean())
    return {"version": run.runtime, "accuracy": right, "seconds": run.seconds}


def classes(run: Run) -> NDArray[Any]:
    """The class of the highest raw score, the first of equals."""
    return np.asarray(run.raw.reshape(len(run.raw), -1).argmax(axis=1))


def difference(
    pair: Pairing, runs: dict[Runtime, Run], part: Callable[[Pairing, NDArray[Any]], Op | None]
) -> dict[str, Any]:
    """Count where two runtimes differ; where by more than is allowed, `part` finds the first operator on examples."""
    table: dict[str, Any] = {"left": pair.left, "right": pair.right, "allowed_steps": pair.allowed}
    if pair.left not in runs or pair.right not in runs:
        return {**table, "examples": None, "max_steps": None, "top1": None, "first_op": None}
    left, right = runs[pair.left], runs[pair.right]
    steps = steps_apart(left.raw, right.raw).reshape(len(left.raw), -1).max(axis=1)
    beyond = np.flatnonzero(steps > pair.allowed)[:PROBED]
    op = part(pair, beyond) if len(beyond) else None
    return {
        **table,
        "examples": int((steps > 0).sum()),
        "max_steps": int(steps.max()),
        "top1": int((classes(left) != classes(right)).sum()),
        "first_op": {"index": op.index, "op": op.name, "layer": op.layer, "where": op.where} if op else None,
    }


def disagreement(found: dict[str, Any], examples: int) -> str | None:
    """Say why one pair of runtimes does not agree; None where it does.

    TFLM must equal the reference kernels; where the operator is known from which on they part, one step in one example
    of a hundred is let pass as rounding, and stays in the notes. The fast kernels round otherwise, by a step in an
    operator, and steps add up over operators: beyond one step it is enough that the operator is known.
    """
    if found["max_steps"] is None:
        return f"{named(found)}: unmeasured, since one of them is not installed here"
    is_rounding = found["max_steps"] <= 1 and found["examples"] <= RARE * examples
    if found["max_steps"] <= found["allowed_steps"] or (found["first_op"] and (found["allowed_steps"] or is_rounding)):
        return None
    return remark(found)


def remark(found: dict[str, Any]) -> str | None:
    """Say where a pair parts by more than is allowed; None where it does not."""
    if found["max_steps"] is None or found["max_steps"] <= found["allowed_steps"]:
        return None
    place = f"first after {found['first_op']['where']}" if found["first_op"] else "after no operator of its own"
    return f"{named(found)}: {found['examples']} examples differ, by up to {found['max_steps']} steps, {place}"


def named(found: dict[str, Any]) -> str:
    return f"{found['left']} against {found['right']}"
