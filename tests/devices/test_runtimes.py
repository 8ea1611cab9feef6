"""The runtimes that tinyc has: every file loads, says where each figure was read, and agrees with the others."""

from __future__ import annotations

import json
import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tflite.BuiltinOperator import BuiltinOperator

from tinyc import devices
from tinyc.devices.runtime import Runtime

FILES = sorted((Path(devices.__file__).parent / "runtimes").glob("*.toml"))
BUILTIN = {name for name in vars(BuiltinOperator) if name.isupper()}
CUSTOM = {
    "CIRCULAR_BUFFER", "SignalDelay", "SignalEnergy", "SignalFftAutoScale", "SignalFilterBank", "SignalFilterBankLog",
    "SignalFilterBankSpectralSubtraction", "SignalFilterBankSquareRoot", "SignalFramer", "SignalIrfft",
    "SignalOverlapAdd", "SignalPCAN", "SignalRfft", "SignalStacker", "SignalWindow", "TFLM_DECODE",
    "TFLite_Detection_PostProcess", "TreeEnsembleClassifier", "ethos-u",
}  # fmt: skip
WITH_TABLES = {"esp-tflite-micro", "tflite-micro", "zephyr-4.4"}
WITHOUT_BATCH_MATMUL = {"arduino-tensorflowlite", "chirale", "tflm-cortexm", "zephyr-3.6"}
WITHOUT_SOURCE = {"name", "title", "kind", "sources", "scratch", "faults"}


def load(table: dict[str, Any]) -> Runtime:
    """Check a table as the files are checked."""
    return Runtime.model_validate_json(json.dumps(table), strict=True)


def read(path: Path) -> dict[str, Any]:
    """Read a file."""
    return tomllib.loads(path.read_text())


@pytest.fixture(scope="module")
def runtimes() -> dict[str, Runtime]:
    return {path.stem: load(read(path)) for path in FILES}


def test_all_are_there(runtimes: dict[str, Runtime]) -> None:
    assert set(runtimes) >= {
        "arduino-tensorflowlite", "chirale", "edge-impulse", "esp-tflite-micro", "helia-rt", "linux", "pico-tflmicro",
        "tflite-micro", "tflm-cortexm", "tflm-esp32", "zephyr-3.6", "zephyr-3.7", "zephyr-4.1", "zephyr-4.4",
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_sound(path: Path) -> None:
    table = read(path)
    runtime = load(table)
    assert runtime.name == path.stem
    assert set(runtime.operators) <= BUILTIN | CUSTOM
    unsourced = [key for key in table if key not in WITHOUT_SOURCE and runtime.source(key) is None]
    assert not unsourced
    assert all(each.source for each in runtime.scratch)
    assert all(each.source for each in runtime.faults)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_in_order(path: Path) -> None:
    text = path.read_text()
    operators = text.partition("[operators]\n")[2].partition("\n\n")[0].splitlines()
    names = [line.partition(" = ")[0].strip('"') for line in operators]
    assert names == sorted(read(path)["operators"])
    headings = [line for line in text.splitlines() if re.fullmatch(r"\[+[a-z]+\]+", line)]
    order = ["[operators]", "[[scratch]]", "[[faults]]", "[sources]"]
    assert headings == sorted(headings, key=order.index)


def test_what_sets_ports_apart(runtimes: dict[str, Runtime]) -> None:
    micro = {name: each for name, each in runtimes.items() if each.kind == "tflm"}
    assert {name for name, each in micro.items() if each.has_tables} == WITH_TABLES
    assert {name for name, each in micro.items() if "BATCH_MATMUL" not in each.operators} == WITHOUT_BATCH_MATMUL
    verdicts = {name: each.per_channel_dense for name, each in micro.items()}
    assert {name for name, verdict in verdicts.items() if verdict == "refused"} == {"tflm-esp32", "zephyr-3.7"}
    assert {name for name, verdict in verdicts.items() if verdict == "wrong"} == {
        "arduino-tensorflowlite", "chirale", "edge-impulse", "tflm-cortexm", "zephyr-3.6"
    }  # fmt: skip
    assert all("int8" in each.operators["CONV_2D"] for each in micro.values())


def test_no_port_has_more_than_its_generation_had(runtimes: dict[str, Runtime]) -> None:
    older = ("arduino-tensorflowlite", "zephyr-3.6", "zephyr-3.7", "zephyr-4.1", "tflite-micro")
    for one, other in pairwise(older):
        before, after = runtimes[one].operators, runtimes[other].operators
        assert set(before) <= set(after)
        assert all(set(before[name]) <= set(after[name]) for name in before)


def test_the_two_libraries_of_one_source_agree(runtimes: dict[str, Runtime]) -> None:
    assert runtimes["chirale"].operators == runtimes["tflm-cortexm"].operators
    assert "int16" not in runtimes["chirale"].operators["MAX_POOL_2D"]
    assert "int16" in runtimes["arduino-tensorflowlite"].operators["MAX_POOL_2D"]


GOOD: dict[str, Any] = {"name": "own", "title": "A port", "operators": {"CONV_2D": ["int8"], "ADD": ["int8"]}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scratch": [{"operators": ["ADD"], "formula": "cmsis_nn_conv"}]}, "source"),
        ({"faults": [{"operators": ["ADD"], "what": "is off", "state": "open"}]}, "source"),
        ({"scratch": [{"operators": ["ADD"], "formula": "cmsis_conv", "source": "x"}]}, "did you mean 'cmsis_nn_conv'"),
        ({"scratch": [{"operators": ["ADD"], "formula": "zzz", "source": "x"}]}, "formulas are cmsis_nn_2022_conv"),
        ({"scratch": [{"operators": ["ADD"], "source": "x"}]}, "one of `formula` and `share`"),
        ({"scratch": [{"operators": ["MUL"], "share": 1.0, "source": "x"}]}, "`scratch` names MUL"),
        ({"faults": [{"operators": ["MUL"], "what": "is off", "state": "open", "source": "x"}]}, "`faults` names MUL"),
        ({"int4": ["MUL"]}, "`int4` names MUL"),
        ({"optimized": ["MUL"]}, "`optimized` names MUL"),
        ({"operators": {"ADD": []}}, "no type of values for ADD"),
        ({"operators": {"ADD": ["int7"]}}, "int7"),
        ({"sources": {"speed": "x"}}, "'speed', which is no key"),
    ],
)
def test_a_bad_runtime_is_refused(change: dict[str, Any], message: str) -> None:
    load(GOOD)
    with pytest.raises(ValidationError, match=re.escape(message)):
        load(GOOD | change)
