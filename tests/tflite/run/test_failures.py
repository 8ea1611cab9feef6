"""What is said where an interpreter lacks an operator, stops, or crashes: whose fault it is, and what helps."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from support import tiny
from support.tiny import Graph, Plan, by_hand, of_graphs

from tinyc.core.errors import MachineError, UserError
from tinyc.tflite.read.description import Op
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run import failures
from tinyc.tflite.run.link import LostError
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.run.runtimes import Runtime


def ops(*names: str) -> tuple[Op, ...]:
    plans = [Plan((1, 4)) for _ in range(len(names) + 1)]
    calls = [(name, (place,), (place + 1,), None) for place, name in enumerate(names)]
    return describe(of_graphs(Graph(plans, [0], [len(names)], calls))).ops


TFLM_CUSTOM = "Failed to get registration from op code CUSTOM"
LITE_CUSTOM = (
    "Encountered unresolved custom op: {}.\nSee instructions: https://www.tensorflow.org/lite/guide/ops_custom"
)
NEWER = "Didn't find op for builtin opcode 'ABS' version '9'. An older version of this builtin might be supported."
PREPARE = "Node number 1 (ABS) failed to prepare."


@pytest.mark.parametrize(
    ("runtime", "names", "said", "problem", "remedy"),
    [
        ("tflm", ("ABS", "MY_OWN"), TFLM_CUSTOM, "has no custom operator 'MY_OWN', which is op 1 MY_OWN", "AddCustom"),
        ("tflm", ("ethos-u",), TFLM_CUSTOM, "no custom operator 'ethos-u'", "as it was before Vela"),
        ("tflm", ("FlexErf",), TFLM_CUSTOM, "no custom operator 'FlexErf'", "without SELECT_TF_OPS"),
        ("tflm", ("SignalWindow", "MY_OWN"), TFLM_CUSTOM, "'MY_OWN'", "AddCustom"),
        ("reference", ("SignalWindow",), LITE_CUSTOM.format("SignalWindow"), "'SignalWindow'", "Micro's own"),
        ("fast", ("MY_OWN",), LITE_CUSTOM.format("MY_OWN"), "'MY_OWN', which is op 0", "AddCustom"),
        ("reference", ("ABS",), NEWER, "ABS version 9, which is op 0 ABS, is missing", "Micro may run it"),
        ("reference", ("NEG", "ABS"), PREPARE, "stops at op 1 ABS", "change what the reason names"),
        ("reference", ("ABS", "NEG"), PREPARE, "cannot take the file: Node number 1", "change what the reason names"),
        ("tflm", ("ABS",), "Hybrid models are not supported on TFLite Micro.", "Hybrid", "full int8"),
        ("tflm", ("ABS",), "Dynamic tensors are not supported", "Dynamic", "sizes that are all known"),
        ("fast", ("ABS",), "The model is not a valid Flatbuffer buffer", "not a valid", "download it again"),
    ],
)
def test_an_operator_is_named_with_what_helps(
    runtime: Runtime, names: tuple[str, ...], said: str, problem: str, remedy: str
) -> None:
    error = failures.refused(runtime, "net.tflite", ops(*names), "RuntimeError: no", said)
    assert problem in error.problem
    assert remedy in error.remedy
    assert "convert it again" not in error.remedy


def test_both_interpreters_name_an_operator_of_somebodys_own() -> None:
    content = of_graphs(Graph([Plan((1, 4)), Plan((1, 4))], [0], [1], [("MY_OWN", (0,), (1,), None)]))
    with Pool(1) as pool:
        for runtime in ("tflm", "reference"):
            with pytest.raises(UserError, match="no custom operator 'MY_OWN', which is op 0 MY_OWN"):
                pool.run(content, np.zeros((1, 4), np.float32), runtime)


@pytest.mark.parametrize("sign", [signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT, signal.SIGBUS])
def test_a_crash_is_the_files_affair(sign: signal.Signals) -> None:
    others: dict[Runtime, str] = {"tflm": "a device", "reference": "tinyc inspect tries that"}
    for runtime, other in others.items():
        error = failures.lost(runtime, "net.tflite", LostError(f"was ended by {sign.name}", int(sign)))
        assert isinstance(error, UserError)
        assert f"crashes on it: the worker process was ended by {sign.name}" in error.problem
        assert other in error.remedy


@pytest.mark.parametrize("signed", [signal.SIGKILL, signal.SIGTERM, None])
def test_what_others_end_is_this_machines_affair(signed: int | None) -> None:
    assert isinstance(failures.lost("fast", "net.tflite", LostError("was ended", signed)), MachineError)


def test_a_real_crash_names_the_runtime() -> None:
    """TFLM divides by the channels of the filter before it checks them."""
    plans = [Plan((1, 4, 4, 3)), Plan((4, 1, 1, 0)), Plan((4,), "INT32"), Plan((1, 4, 4, 4))]
    content = by_hand(plans, [("CONV_2D", (0, 1, 2), (3,))])
    with Pool(1) as pool:
        with pytest.raises(UserError, match=r"Micro \(.*\) crashes on it: the worker process was ended by SIGFPE"):
            pool.arena_bytes(content)
        assert pool.arena_bytes(tiny.plain())
