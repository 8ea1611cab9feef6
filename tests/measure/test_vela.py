"""Vela's own estimate for an Ethos-U: run beside us, named as its, and what is said where it cannot be had."""

from __future__ import annotations

import importlib.util
import subprocess
from typing import Any

import pytest
from support import tiny

from tinyc.core.errors import MachineError, UserError
from tinyc.measure import vela
from tinyc.measure.vela import vela_estimate


def test_vela_gives_its_figures_for_the_system_that_it_assumes() -> None:
    found = vela_estimate(tiny.plain(), "ethos-u55-128", "plain.tflite")
    assert found.ms == pytest.approx(found.cycles / found.clock_mhz / 1000, rel=1e-3)
    assert 0 < found.npu_cycles <= found.cycles
    assert found.sentence.startswith("Vela's estimate: ")
    assert "ethos-u55-128 at 500 MHz (Ethos_U55_High_End_Embedded, Shared_Sram)" in found.sentence


@pytest.mark.parametrize(
    ("content", "npu", "said"),
    [(b"nothing", "ethos-u55-128", "does not compile it for ethos-u55-128"), (None, "ethos-u99", "invalid choice")],
)
def test_what_vela_refuses_is_said_in_its_words(content: bytes | None, npu: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        vela_estimate(content or tiny.plain(), npu, "x.tflite")


def test_who_lacks_vela_reads_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MachineError) as raised:
        vela_estimate(b"", "ethos-u55-128", "x.tflite")
    assert raised.value.remedy == 'pip install "tinyc[ethos-u]"'


def test_a_vela_that_hangs_or_dies_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: Any, **options: Any) -> Any:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    def die(command: Any, **options: Any) -> Any:
        return subprocess.CompletedProcess(command, -11, "", "")

    for run, said in ((hang, "timed out after 180 seconds"), (die, "died of signal 11")):
        monkeypatch.setattr(subprocess, "run", run)
        with pytest.raises(MachineError, match=said):
            vela_estimate(b"", "ethos-u55-128", "x.tflite")


def test_operators_that_are_left_to_the_cpu_are_told() -> None:
    row = {
        "system_config": "S", "memory_mode": "M", "core_clock": "500000000.0", "cycles_total": "1000",
        "cycles_npu": "900", "inference_time": "0.000002",
    }  # fmt: skip
    found = vela.figures(
        row, "Network summary\nCPU operators = 3 (20.0%)\nNPU operators = 12 (80.0%)\n", "ethos-u55-128"
    )
    assert (found.cpu_operators, found.ms, found.cycles) == (3, 0.002, 1000)
    assert "and 3 operators that it leaves to the CPU" in found.sentence
