"""One artifact under every runtime: what TFLM, the reference kernels and the fast kernels make of the same examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core import progress
from tinyc.core.errors import UserError
from tinyc.core.progress import Progress, Silent
from tinyc.data.dataset import Dataset
from tinyc.data.inputs import inputs
from tinyc.network.state import Flat
from tinyc.spec.passes.verify import Compared, Difference, NoNumbers, Ran
from tinyc.tflite import dense_scales
from tinyc.tflite.read import operators
from tinyc.tflite.read.flatbuffer import Description, Op, describe
from tinyc.tflite.run import runtimes, states
from tinyc.tflite.run.divergence import first_parting
from tinyc.tflite.run.output_difference import identical, kinds, steps_apart, unlike
from tinyc.tflite.run.pool import Pool, Run
from tinyc.tflite.run.runtimes import Runtime
from tinyc.tflite.write.table_writing import expand

ORDER: tuple[Runtime, ...] = ("tflm", "reference", "fast")
PROBED = 8
RARE = 0.01


@dataclass(frozen=True)
class Pairing:
    """Two runtimes that are compared with each other, and the quantization steps by which they may differ."""

    left: Runtime
    right: Runtime
    allowed: int


def pairings() -> tuple[Pairing, Pairing]:
    """Name the pairs to compare; tflite-runtime's reference kernels equal TFLM, its successor's round otherwise."""
    exact = runtimes.package("reference") == "tflite_runtime"
    return Pairing("tflm", "reference", 0 if exact else 1), Pairing("fast", "reference", 1)


def compare_runtimes(flat: Flat, dataset: Dataset, pool: Pool, shown: Progress | None = None) -> Compared:
    """Run an artifact over the whole test split under every runtime that is installed here.

    Returns:
        JSON values: `agreed` (TFLM with the reference kernels to the bit, or but for rare rounding in a known operator;
        the fast kernels with them within a step, or
        beyond it with the operator known from which on they part; NaN and infinity in the same places) and `why` not;
        `notes` on whatever is beyond;
        `runtimes` by name with version, accuracy and seconds (None where not installed); `differences` of each pair;
        `arena_bytes`; `ops` with how often each stands in the file; `examples`; `state`: None where the network keeps
        none, "reset" where each example starts from a reset interpreter, "carried" in a sequence.

    Raises:
        UserError: the file is damaged, or TFLM lacks an operator; names it, its layers and what to write instead.
        MachineError: a worker was ended or hung.
    """
    return compare(flat.content, inputs(dataset.test.x, flat.task), pool, labels=dataset.test.y, shown=shown)


def compare(
    content: bytes,
    inputs: NDArray[Any],
    pool: Pool,
    *,
    labels: NDArray[np.int64] | None = None,
    where: str = "the artifact",
    shown: Progress | None = None,
    sequence: bool = False,
) -> Compared:
    """Run a .tflite over examples under every runtime; without labels the accuracies are None.

    In a `sequence` each runtime starts once and carries its state through the examples, in their order.

    `inputs` are (examples, *input shape) as the network sees them. A file with weight tables, which TFLM alone decodes,
    is compared with the same file with its weights decoded again, under the reference kernels. Returns and raises as
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
            file = content if runtime == "tflm" else plain
            runs[runtime] = pool.run(file, inputs, runtime, where, shown.advance, sequence)

    refuse_shapes(runs, where)

    def part(pair: Pairing, beyond: NDArray[Any]) -> Op | None:
        chosen = inputs[: beyond[0] + 1] if sequence else inputs[beyond[:PROBED]]
        return first_parting(
            plain, chosen, pool, pair.left, pair.right, steps=pair.allowed, where=where, sequence=sequence
        )

    differences = [difference(pair, runs, part) for pair in pairings()]
    against = [text for found in differences if (text := disagreement(found, len(inputs)))]
    keeps = states.start_of(described) != "as left"
    state = None if not keeps else "carried" if sequence else "reset"
    return {
        "agreed": not against,
        "why": "; ".join(against) or None,
        "notes": [
            *decoded(described),
            *remembered(state, sequence),
            *unscored(runs, labels),
            *firmware(described),
            *(text for found in differences for text in remarks(found)),
        ],
        "examples": len(inputs),
        "state": state,
        "runtimes": {runtime: summary(runs.get(runtime), labels) for runtime in ORDER},
        "differences": differences,
        "arena_bytes": runs["tflm"].arena_bytes if "tflm" in runs else None,
        "ops": dict(Counter(op.name for op in described.ops)),
    }


def refuse_shapes(runs: Mapping[Runtime, Run], where: str) -> None:
    """Refuse a file whose runtimes give outputs of different shapes, which cannot be compared.

    Raises:
        UserError: names the shapes.
    """
    given = {runtime: run.raw.shape[1:] for runtime, run in runs.items()}
    if len(set(given.values())) > 1:
        told = ", ".join(f"{runtime} {shape}" for runtime, shape in given.items())
        problem = f"the runtimes give outputs of different shapes: {told}"
        raise UserError(where, problem, "its output's shape is not what its operators compute: convert it again")


def decoded(described: Description) -> list[str]:
    """Say that tflite-runtime ran a file with its tables decoded, where it has some."""
    if not operators.tflm_only(described):
        return []
    count = sum(len(op.outputs) for op in described.ops if op.name == operators.TABLE_DECODER)
    return [
        f"only TensorFlow Lite Micro has {operators.TABLE_DECODER}: tflite-runtime ran the file with its "
        f"{count} weight tables decoded back into weights"
    ]


def firmware(described: Description) -> list[str]:
    """Say that firmware exists which computes the file wrongly, where its Dense layers have a scale for each output."""
    said = dense_scales.sentence(dense_scales.layers(described))
    return [said] if said else []


def summary(run: Run | None, labels: NDArray[np.int64] | None) -> Ran | None:
    """Return one runtime's part in the comparison; None where it is not installed."""
    if run is None:
        return None
    right = None if labels is None or not scored(run, labels) else float((classes(run) == labels).mean())
    return {"version": run.runtime, "accuracy": right, "seconds": run.seconds}


def is_row(run: Run) -> bool:
    """Say whether the outputs of an example are a row of scores, of which the largest has a meaning."""
    return sum(side > 1 for side in run.raw.shape[1:]) == 1


def scored(run: Run, labels: NDArray[np.int64]) -> bool:
    """Say whether the outputs are scores with one for each label, so that there is an accuracy."""
    return is_row(run) and int(labels.max(initial=0)) < run.raw[0].size


def unscored(runs: dict[Runtime, Run], labels: NDArray[np.int64] | None) -> list[str]:
    """Say why there is no accuracy though there are labels."""
    if labels is None or all(scored(run, labels) for run in runs.values()):
        return []
    return ["the outputs are not a row of scores with one for each label of the data: accuracy unmeasured"]


def classes(run: Run) -> NDArray[Any]:
    """Return the class of the highest raw score, the first of equals."""
    return np.asarray(run.raw.reshape(len(run.raw), -1).argmax(axis=1))


def remembered(state: str | None, sequence: bool) -> list[str]:
    """Say what became of the state that a network keeps from one inference to the next."""
    if state == "reset":
        return ["the network keeps state: each example starts from a reset interpreter"]
    if state == "carried":
        return [
            "the network keeps state, which each example leaves to the next; only the first starts from a reset one"
        ]
    return ["the network keeps no state: a sequence gives what single examples give"] if sequence else []


def top1(left: Run, right: Run) -> int | None:
    """Count the examples whose class differs; None where an output is not a row of scores, and has no class."""
    return int((classes(left) != classes(right)).sum()) if is_row(right) else None


def difference(
    pair: Pairing, runs: dict[Runtime, Run], part: Callable[[Pairing, NDArray[Any]], Op | None]
) -> Difference:
    """Count where two runtimes differ; where by more than is allowed, `part` finds the first operator on examples."""
    if pair.left not in runs or pair.right not in runs:
        return {
            "left": pair.left, "right": pair.right, "allowed_steps": pair.allowed, "examples": None,
            "first_example": None, "identical": None, "max_steps": None, "top1": None, "no_numbers": None,
            "first_op": None,
        }  # fmt: skip
    left, right = (runs[each].raw.reshape(len(runs[each].raw), -1) for each in (pair.left, pair.right))
    steps, odd = steps_apart(left, right).max(axis=1, initial=0), unlike(left, right).any(axis=1)
    apart, beyond = np.flatnonzero(odd | (steps > 0)), np.flatnonzero(odd | (steps > pair.allowed))
    op = part(pair, beyond) if len(beyond) else None
    return {
        "left": pair.left,
        "right": pair.right,
        "allowed_steps": pair.allowed,
        "examples": len(apart),
        "first_example": int(apart[0]) if len(apart) else None,
        "identical": identical(left, right),
        "max_steps": int(steps.max(initial=0)),
        "top1": top1(runs[pair.left], runs[pair.right]),
        "no_numbers": {"examples": int(odd.sum()), "left": no_numbers(left), "right": no_numbers(right)},
        "first_op": {"index": op.index, "op": op.name, "layer": op.layer, "where": op.where} if op else None,
    }


def no_numbers(raw: NDArray[Any]) -> dict[str, int]:
    """Count the examples, (examples, values), with a NaN and with an infinity in them."""
    found = kinds(raw)
    return {"NaN": int((found == 1).any(axis=1).sum()), "infinity": int((found > 1).any(axis=1).sum())}


def disagreement(found: Difference, examples: int) -> str | None:
    """Say why one pair of runtimes does not agree; None where it does.

    TFLM must equal the reference kernels; where the operator is known from which on they part, one step in one example
    of a hundred is let pass as rounding, and stays in the notes. The fast kernels round otherwise, by a step in an
    operator, and steps add up over operators: beyond one step it is enough that the operator is known. No rounding
    makes a NaN or an infinity.
    """
    steps, apart, odd = found["max_steps"], found["examples"], found["no_numbers"]
    if steps is None or apart is None or odd is None:
        return f"{pair_name(found)}: unmeasured, since one of them is not installed here"
    is_rounding = steps <= 1 and apart <= RARE * examples
    if not odd["examples"] and (
        steps <= found["allowed_steps"] or (found["first_op"] and (found["allowed_steps"] or is_rounding))
    ):
        return None
    return "; ".join(remarks(found))


def remarks(found: Difference) -> list[str]:
    """Say where a pair differs by more than is allowed, and which outputs are not numbers."""
    steps, odd = found["max_steps"], found["no_numbers"]
    if steps is None or odd is None:
        return []
    said = [f"{pair_name(found)}: {text}"] if (text := spelled_no_numbers(found, odd)) else []
    if steps > found["allowed_steps"] or odd["examples"]:
        said.append(f"{pair_name(found)}: {difference_of_pair(found)}")
    return said


def difference_of_pair(found: Difference) -> str:
    """Say in how many examples a pair differs, by how much, and from which operator on."""
    place = f"first after {found['first_op']['where']}" if found["first_op"] else "after no operator of its own"
    return f"{found['examples']} examples differ, by up to {found['max_steps']} steps, {place}"


def spelled_no_numbers(found: Difference, odd: NoNumbers) -> str:
    """Write "NaN in 3 examples under tflm, in 0 under reference"; empty where all outputs are finite numbers."""
    left, right = odd["left"], odd["right"]
    said = [
        f"{kind} in {left[kind]} examples under {found['left']}, in {right[kind]} under {found['right']}"
        for kind in left
        if left[kind] or right[kind]
    ]
    if said and odd["examples"] and left == right:
        said.append("in other places")
    return ", ".join(said)


def pair_name(found: Difference) -> str:
    return f"{found['left']} against {found['right']}"
