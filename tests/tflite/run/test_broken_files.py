"""Files that no runtime gets through, or that each reads otherwise: one message, in bounded memory and time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import tiny
from support.tiny import Graph, Plan, by_hand, of_graphs, options

from tinyc import measure
from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.run.commands.verify import random_inputs
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.quantization import dequantize, quantize
from tinyc.tflite.run import runtimes, spread
from tinyc.tflite.run.divergence import first_parting
from tinyc.tflite.run.pool import Pool, Run, undriven


def endless() -> bytes:
    """A loop whose body adds nothing to what its condition waits for."""
    number = Plan((), "INT32", scale=0)
    ten, none = (Plan((), "INT32", np.int32(value).tobytes(), 0) for value in (10, 0))
    loop = options("WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2)
    main = Graph([number, number], [0], [1], [("WHILE", [0], [1], loop)])
    condition = Graph([number, ten, Plan((), "BOOL", scale=0)], [0], [2], [("LESS", [0, 1], [2], None)])
    body = Graph([number, none, number], [0], [2], [("ADD", [0, 1], [2], None)])
    return of_graphs(main, condition, body)


def test_a_loop_that_does_not_end_is_the_file_s_fault() -> None:
    with Pool(1, patience=2.0) as pool, pytest.raises(UserError, match=r"does not finish on it: .* no answer in 2 s"):
        pool.arena_bytes(endless(), "net.tflite")


def relu(given: Plan, made: Plan) -> bytes:
    return by_hand([given, made], [("RELU", (0,), (1,))])


ODD = {
    "text": (relu(Plan((1, 4), "STRING", scale=0), Plan((1, 4))), "has an input of type string"),
    "complex": (relu(Plan((1, 4)), Plan((1, 4), "COMPLEX64", scale=0)), "has an output of type complex64"),
    "an input of gigabytes": (relu(Plan((1, 1 << 30)), Plan((1, 4))), r"input of shape \(1, 1073741824\); at most"),
    "an output of gigabytes": (relu(Plan((1, 4)), Plan((1, 1 << 30))), r"output of shape \(1, 1073741824\); at most"),
    "an open side": (relu(Plan((1, -1)), Plan((1, 4))), r"takes inputs of shape \(1, -1\)"),
    "a scale below zero": (relu(Plan((1, 4), scale=-1.0), Plan((1, 4))), "has an input with the scale -1.0"),
    "no scale": (relu(Plan((1, 4)), Plan((1, 4), scale=float("nan"))), "has an output with the scale nan"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_no_example_fits_is_refused_before_one_is_made(name: str) -> None:
    content, said = ODD[name]
    with pytest.raises(UserError, match=said):
        random_inputs(describe(content), 4)


def test_a_scale_on_floats_means_nothing() -> None:
    tensor = describe(relu(Plan((1, 4), "FLOAT32"), Plan((1, 4), "FLOAT32"))).inputs[0]
    assert tensor.scales
    values = np.array([[0.1, 0.2, -5.0, 1e9]], np.float32)
    assert np.array_equal(quantize(values, tensor), values)
    assert np.array_equal(dequantize(values, tensor), values)
    assert undriven(describe(relu(Plan((1, 4), "FLOAT32"), Plan((1, 4), "FLOAT32")))) is None


def test_random_inputs_and_outputs_have_a_limit(pool: Pool) -> None:
    described = describe(relu(Plan((1, 1000)), Plan((1, 1000))))
    with pytest.raises(UserError, match=r"1,000,000 random examples of shape .* take 3\.7 GiB"):
        random_inputs(described, 1_000_000)
    content = relu(Plan((1, 4)), Plan((1, 1 << 26)))
    with pytest.raises(UserError, match=r"gives 6\.2 GiB for 100 examples; at most 4\.0 GiB are kept"):
        pool.run(content, np.zeros((100, 4), np.float32), "reference", "net.tflite")


def test_a_reply_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REPLY_BYTES", 100)
    taken: list[int] = []

    def outputs() -> Any:
        for index in range(1000):
            taken.append(index)
            yield np.zeros(10, np.float32)

    with pytest.raises(ValueError, match="3 examples give over 100 bytes"):
        runtimes.stacked(outputs())
    assert len(taken) == 3


def test_a_worker_has_a_limit_of_memory() -> None:
    code = "from tinyc.tflite.run import worker; worker.bound_memory(); bytearray(9 << 30)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("MemoryError")


def test_how_long_is_waited_has_a_limit() -> None:
    described = replace(describe(tiny.plain()), macs=10**30)
    job = spread.Job(tiny.plain(), tiny.examples(5000), "tflm", "x", described, 2, lambda _: None)
    assert job.seconds(1) == limits.EXAMPLE_SECONDS
    assert job.chunk == 1
    assert replace(job, description=replace(described, macs=10_000)).chunk == 156


class Shapes:
    """Runtimes of which each gives outputs of its own shape."""

    def run(self, content: bytes, inputs: Any, runtime: str, *_: Any) -> Run:
        raw = np.zeros((len(inputs), 5 if runtime == "tflm" else 3), np.int8)
        return Run(raw.astype(np.float32), raw, 16, 0.1, runtime)


def test_runtimes_that_give_other_shapes_are_named() -> None:
    shapes: Any = Shapes()
    with pytest.raises(UserError, match=r"outputs of different shapes: tflm \(5,\), reference \(3,\), fast \(3,\)"):
        measure.compare(tiny.plain(), tiny.examples(3), shapes)
    parted = first_parting(tiny.plain(), tiny.examples(3), shapes, "tflm", "fast", steps=1, where="x")
    assert parted is not None
    assert parted.index == 0
