"""What one scale for each Dense layer costs: an artifact against the same network with a scale for each output."""

from __future__ import annotations

from typing import Final

import numpy as np

from tinyc.core import units
from tinyc.data.dataset import TrainingData
from tinyc.data.inputs import inputs
from tinyc.data.task import Task
from tinyc.measure.judging import limits
from tinyc.quantization.int8_facts import per_channel_notes
from tinyc.spec.passes.quantize import OneScaleDense
from tinyc.tasks.classification.metrics import scorer
from tinyc.tflite.dense_scales import warning
from tinyc.tflite.read.counterparts import WEIGHTS, Work, heavy, held, unpack
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.schema import schema
from tinyc.tflite.run import runtimes
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.run.runtimes import Runtime
from tinyc.training.probe import EXAMPLES

FINE = 32
"""Steps of 127 that an output's largest weight must take; with fewer, its own scale would give it two bits more."""
SHARES: Final = ("one_scale_a_layer", "a_scale_for_each_output")
GAINS: Final = ("gain", "gain_low", "gain_high")
FEWEST, MOST_MACS = 64, 2e10
"""Examples without which nothing is said, and what they may cost TensorFlow Lite Micro's portable kernels."""


def coarse(content: bytes) -> tuple[str, ...]:
    """Name the Dense layers of an artifact in which the largest weight of some output takes fewer than FINE steps."""
    return tuple(dict.fromkeys(work.layer for work in heavy(unpack(content)) if is_coarse(work)))


def is_coarse(work: Work) -> bool:
    tensor = work.tensor(WEIGHTS)
    if work.kind != "FULLY_CONNECTED" or tensor.type != schema().TensorType.INT8 or len(tensor.quantization.scale) > 1:
        return False
    largest = np.abs(held(work.model, tensor).astype(np.int16)).max(axis=1, initial=0)
    return bool((largest < FINE).any())


def cost(shared: bytes, apart: bytes, data: TrainingData, task: Task, seed: int, beside: str = "") -> OneScaleDense:
    """Run two artifacts of one network over at most EXAMPLES validation (or training) examples.

    Args:
        shared: with one scale for each Dense layer.
        apart: with a scale for each output.
        beside: what else `apart` has, for the sentence.

    Returns:
        Facts: the metric of both, `gain` of `apart` with its paired 95 % interval (fractions), `examples`, `split`,
        `runtime`, and `says`, a sentence, where all of the interval lies above nothing; or `unmeasured`, the reason.
    """
    # The fast kernels get dense layers over tokens wrong that have a scale for each output.
    runtime: Runtime = "tflm" if per_channel_notes(apart) else "fast"
    split = "validation" if len(data.validation) else "train"
    examples = getattr(data, split)
    count = min(EXAMPLES, len(examples), affordable(apart) if runtime == "tflm" else EXAMPLES)
    if runtimes.version(runtime) is None:
        return {"unmeasured": "no interpreter that computes both is installed here"}
    if count < min(FEWEST, len(examples)):
        return {"unmeasured": f"TensorFlow Lite Micro would take too long here for {FEWEST} examples"}
    rows = np.sort(np.random.default_rng(seed).choice(len(examples), count, replace=False))
    x, labels = inputs(examples.x[rows], task), examples.y[rows]
    with Pool() as pool:
        one, each = (pool.run(content, x, runtime).outputs.reshape(count, -1) for content in (shared, apart))
    now, then = (scorer(task.metric, labels, scores)(np.ones(count)) for scores in (one, each))
    recordings = examples.groups.get("recording")
    low, high = limits(task.metric, labels, (each, one), None if recordings is None else recordings[rows])
    found: OneScaleDense = {
        "metric": task.metric, "one_scale_a_layer": now, "a_scale_for_each_output": then, "gain": then - now,
        "gain_low": low, "gain_high": high, "examples": count, "split": split,
        "runtime": runtimes.version(runtime), "layers": list(coarse(shared)),
    }  # fmt: skip
    if low is not None and low > 0:
        found["says"] = sentence(found, beside)
    return found


def affordable(content: bytes) -> int:
    """Return how many examples TensorFlow Lite Micro's portable kernels can be given; none where MACs are unknown."""
    macs = describe(content).macs
    return 0 if macs is None else int(MOST_MACS / max(1, macs))


def sentence(found: OneScaleDense, beside: str) -> str:
    """Say what one scale costs, and what the other way asks of the firmware."""
    now, then = (units.show(found[key], "fraction") for key in SHARES)
    gain, least, most = (units.show(found[key], "pp") for key in GAINS)
    other = " ".join(filter(None, ["per_channel_dense = true", beside]))
    return (
        f"one scale for each Dense layer costs {gain} ({least} to {most}, paired) of {found['metric']} on "
        f"{found['examples']} {found['split']} examples: {now}, where {other} gives {then}, but is "
        f"{warning()}"
    )
