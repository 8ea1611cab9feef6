"""Which runtimes run networks of every kind, held against sets that were written by hand from the ports' histories.

The networks are built here; what a runtime lacks must be named with its operator.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import artifacts, contexts, few_values, stateful, texts

from tinyc.devices.fitting import problems
from tinyc.devices.runtime import Runtime
from tinyc.network.state import Flat
from tinyc.quantization.convert import to_int16_tflite
from tinyc.spec import device_files
from tinyc.spec.passes import PASSES, apply
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.schema import schema
from tinyc.tflite.works import works
from tinyc.tflite.write.pack import pack

ALL = frozenset({
    "arduino-tensorflowlite", "chirale", "edge-impulse", "esp-tflite-micro", "helia-rt", "linux", "pico-tflmicro",
    "tflite-micro", "tflm-cortexm", "tflm-esp32", "zephyr-3.6", "zephyr-3.7", "zephyr-4.1", "zephyr-4.4",
})  # fmt: skip
ARDUINO = frozenset({"arduino-tensorflowlite", "chirale", "tflm-cortexm"})
OLD = ARDUINO | {"zephyr-3.6"}
REFUSE_SCALES = frozenset({"zephyr-3.7", "tflm-esp32"})
DECODE = frozenset({"tflite-micro", "esp-tflite-micro", "zephyr-4.4"})


def tables() -> bytes:
    context = contexts.context(Path("unused"), artifacts.data(), artifacts.net(), None)
    state = Flat(few_values.content("per tensor"), artifacts.TASK)
    compacted = apply(PASSES["compact"].model_validate({"use": "compact"}), state, context)
    return compacted.state.content  # type: ignore[no-any-return]


def per_channel_conv() -> bytes:
    return artifacts.content()


def sixteen() -> bytes:
    return to_int16_tflite(artifacts.network(), artifacts.samples(), False)


def hybrid() -> bytes:
    """A convolution as dynamic-range quantization makes it: weights in int8, values in float."""
    tensors = (
        stateful.Tensor((1, 4, 4, 1)),
        stateful.Tensor((2, 3, 3, 1), "INT8", np.ones((2, 3, 3, 1), np.int8), 0.1),
        stateful.Tensor((2,), data=np.zeros(2, np.float32)),
        stateful.Tensor((1, 2, 2, 2)),
    )
    options = {"strideW": 1, "strideH": 1, "padding": 1, "dilationWFactor": 1, "dilationHFactor": 1}
    convolution = stateful.Operator("CONV_2D", [0, 1, 2], [3], "Conv2DOptions", options)
    return stateful.file_of(stateful.Graph(tensors, [convolution], [0], [3]))


def transformer() -> bytes:
    context = texts.context(Path("unused"))
    return apply(PASSES["quantize"].model_validate({"use": "quantize"}), texts.net(), context).state.content  # type: ignore[no-any-return]


def custom(name: str = "MyOwn") -> bytes:
    """A file with an operator of a user's own."""
    tree = artifacts.opened(artifacts.by_hand())
    tree.operatorCodes[0].builtinCode = schema().BuiltinOperator.CUSTOM
    tree.operatorCodes[0].deprecatedBuiltinCode = schema().BuiltinOperator.CUSTOM
    tree.operatorCodes[0].customCode = name.encode()
    return pack(tree)


NETWORKS: dict[str, tuple[Callable[[], bytes], frozenset[str], str]] = {
    "convolutions": (per_channel_conv, ALL, ""),
    "dense with a scale an output": (
        lambda: artifacts.content(True),
        ALL - OLD - REFUSE_SCALES - {"edge-impulse"},
        "FULLY_CONNECTED",
    ),
    "weight tables": (tables, DECODE, "TFLM_DECODE"),
    "int16": (sixteen, ALL, ""),
    "a transformer": (transformer, ALL - OLD, "BATCH_MATMUL"),
    "an LSTM": (stateful.lstm, ALL, ""),
    "an SVDF in int8": (stateful.svdf_int8, ALL, ""),
    "a variable": (stateful.variable, ALL, ""),
    "gelu": (lambda: stateful.unary("GELU"), frozenset({"linux"}), "GELU"),
    "an operator of one's own": (custom, frozenset(), "MyOwn"),
    "float values with integer weights": (hybrid, frozenset({"linux"}), "CONV_2D"),
    "float16": (lambda: stateful.unary("LOGISTIC", kind="FLOAT16"), frozenset({"linux"}), "LOGISTIC"),
    "an open shape": (lambda: stateful.unary("LOGISTIC", shape=(-1,)), frozenset({"linux"}), "LOGISTIC"),
    "a custom operator of a builtin's name": (lambda: custom("ADD"), frozenset(), "ADD"),
    "a softmax": (artifacts.by_hand, ALL, ""),
    "a float": (lambda: few_values.content("float"), ALL, ""),
}


@functools.cache
def runtimes() -> tuple[Runtime, ...]:
    return device_files.everything(Runtime)


def test_all_runtimes_are_judged() -> None:
    assert {each.name for each in runtimes()} == ALL


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_runs_where_it_should(name: str) -> None:
    build, running, operator = NETWORKS[name]
    found = {each.name: problems(works(describe(build())), each) for each in runtimes()}
    for runtime, faults in found.items():
        worst = [each for each in faults if each.severity != "reported"]
        assert (not worst) == (runtime in running), (runtime, [each.sentence for each in worst])
        assert all(each.operator == operator and each.places and each.remedy for each in worst)
