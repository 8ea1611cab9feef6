"""Files with state: no example shows in another's outputs, and a sequence gives what one interpreter gives in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import datasets, stateful
from support.optional import not_none

from tinyc import measure
from tinyc.data.task import Task
from tinyc.network.state import Flat
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.quantization import quantize
from tinyc.tflite.run.pool import Pool, Run
from tinyc.tflite.run.states import start_of

FILES: dict[str, Callable[[], bytes]] = {
    "svdf": stateful.svdf,
    "svdf int8": stateful.svdf_int8,
    "lstm": stateful.lstm,
    "variable": stateful.variable,
    "variable from zero": lambda: stateful.variable(0.0),
}
STARTS = {"svdf": "reset", "svdf int8": "reset", "lstm": "reset", "variable": "opened", "variable from zero": "opened"}
RUNTIMES: tuple[Any, ...] = ("tflm", "reference", "fast")
# Several chunks a worker, so that a worker's interpreter has a past when it gets the next.
EXAMPLES = 70


def inputs(content: bytes, count: int = EXAMPLES) -> Any:
    shape = describe(content).inputs[0].shape[1:]
    return np.random.default_rng(5).normal(size=(count, *shape)).astype(np.float32)


@pytest.mark.parametrize("name", FILES)
def test_examples_and_sequences_are_those_of_direct_runs(pool: Pool, name: str) -> None:
    content = FILES[name]()
    x = inputs(content)
    wanted = stateful.direct(content, quantize(x, describe(content).inputs[0]))
    assert start_of(describe(content)) == STARTS[name]
    for runtime in RUNTIMES:
        alone, carried = wanted[f"{runtime} alone"], wanted[f"{runtime} carried"]
        assert not np.array_equal(alone, carried)
        assert np.array_equal(pool.run(content, x, runtime).raw, alone)
        sequence = pool.run(content, x, runtime, sequence=True)
        assert np.array_equal(sequence.raw, carried)
        # The worker has a past now: it must not reach the next request.
        assert np.array_equal(pool.run(content, x[:3], runtime, sequence=True).raw, carried[:3])


@pytest.mark.parametrize("name", FILES)
def test_tensors_from_inside_are_read_after_a_reset_too(pool: Pool, name: str) -> None:
    content = FILES[name]()
    x = inputs(content, 5)
    (found,) = pool.tensors(content, x, [describe(content).outputs[0].index])
    assert np.array_equal(found, pool.run(content, x, "tflm").raw)


def test_the_accuracy_of_a_file_with_state_is_that_of_single_examples(pool: Pool) -> None:
    content = stateful.svdf_int8()
    x = inputs(content)
    labels = stateful.direct(content, quantize(x, describe(content).inputs[0]))["tflm alone"].argmax(axis=1)
    task = Task(tuple("abcd"), (stateful.WIDTH,))
    dataset = datasets.undivided(task, x, labels)
    assert measure.measure_flat(Flat(content, task), dataset, pool, "tflm").ledger.accuracy == 1


@pytest.mark.parametrize("name", FILES)
def test_runtimes_are_compared_from_one_place(pool: Pool, name: str) -> None:
    content = FILES[name]()
    found = measure.compare(content, inputs(content), pool)
    assert found["agreed"] is True
    assert found["state"] == "reset"
    assert "each example starts from a reset interpreter" in found["notes"][0]
    carried = measure.compare(content, inputs(content), pool, sequence=True)
    assert carried["agreed"] is True
    assert carried["state"] == "carried"
    assert "leaves to the next" in carried["notes"][0]


def test_a_sequence_says_in_which_example_the_runtimes_part(pool: Pool) -> None:
    content = stateful.variable()

    class Drifting:
        """A pool whose TFLM is off from the eleventh example of a sequence on, in every tensor."""

        def run(self, content: bytes, inputs: Any, runtime: Any, *rest: Any) -> Run:
            run = pool.run(content, inputs, runtime, *rest)
            assert rest[-1] is True
            return replace(run, raw=run.raw + (np.arange(len(run.raw)) >= 11)[:, None]) if runtime == "tflm" else run

    drifting: Any = Drifting()
    found = measure.compare(content, inputs(content), drifting, sequence=True)
    assert found["agreed"] is False
    pair = found["differences"][0]
    assert (pair["first_example"], pair["examples"]) == (11, EXAMPLES - 11)
    assert not_none(pair["first_op"])["op"] == "READ_VARIABLE"


def test_a_sequence_of_a_file_without_state_says_so(pool: Pool) -> None:
    found = measure.compare(stateful.unary("TANH"), inputs(stateful.unary("TANH")), pool, sequence=True)
    assert found["state"] is None
    assert "keeps no state" in found["notes"][0]
    assert measure.compare(stateful.unary("TANH"), inputs(stateful.unary("TANH")), pool)["notes"] == []


@pytest.mark.parametrize(
    ("operator", "variable", "start"),
    [
        ("ADD", False, "as left"),
        ("TFLM_DECODE", False, "as left"),
        ("CIRCULAR_BUFFER", False, "opened"),
        ("SVDF", True, "reset"),
        ("SVDF", False, "opened"),
        ("RANDOM_UNIFORM", False, "opened"),
    ],
)
def test_what_may_keep_state_is_not_trusted(operator: str, variable: bool, start: str) -> None:
    described: Any = SimpleNamespace(ops=[SimpleNamespace(name=operator)], tensors=[SimpleNamespace(variable=variable)])
    assert start_of(described) == start
