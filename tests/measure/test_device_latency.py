"""The latency on a recipe's board: what was measured of these very bytes there, else an estimate, called so."""

from __future__ import annotations

from typing import Any

import pytest
from support import artifacts, timings

from tinyc.core.errors import MachineError
from tinyc.devices.board import Board
from tinyc.devices.runtime import Runtime
from tinyc.measure import device_latency, evidence
from tinyc.measure.device_latency import latency_of
from tinyc.measure.figures import Latency
from tinyc.measure.judging import of_latency
from tinyc.measure.vela import VelaEstimate
from tinyc.spec import device_files
from tinyc.spec.device import Device
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.works import works

VELA = VelaEstimate("ethos-u55-128", "Ethos_U55", "Shared_Sram", 500, 1000, 900, 2.5, 0)


def device(board: str | None, runtime: str) -> Device:
    named = None if board is None else device_files.known(Board, board, "")
    return Device(device_files.known(Runtime, runtime, ""), named)


def found(on: Device, content: bytes | None = None, **more: Any) -> Latency:
    content = content or artifacts.content()
    return latency_of(content, works(describe(content)), on, None, **more)


def test_a_measurement_of_these_bytes_counts_before_any_estimate() -> None:
    pi = device("raspberry-pi-4", "linux")
    assert found(pi).seconds is None
    content = artifacts.content()
    evidence.store(timings.timings(content=content), "raspberry-pi-4")
    latency = found(pi)
    assert (latency.basis, latency.seconds, latency.low, latency.high) == ("measured", 0.02, 0.019, 0.024)
    assert "tflite-runtime 2.14.0, 2 threads" in latency.says
    assert of_latency("fps", latency).value == pytest.approx(50)
    assert found(pi, artifacts.by_hand()).seconds is None
    assert found(device("raspberry-pi-zero-2-w", "linux")).seconds is None


def test_what_is_kept_of_linux_is_none_of_a_microcontroller_and_a_damaged_file_is_said() -> None:
    content = artifacts.content()
    path = evidence.store(timings.timings(content=content), "raspberry-pi-4")
    pi = device("raspberry-pi-4", "linux")
    assert found(Device(device("arduino-nano-33-ble", "chirale").runtime, pi.board)).basis == "estimate"
    path.write_text("{")
    latency = found(pi)
    assert latency.seconds is None
    assert "is not a measurement that was kept" in latency.says


def test_an_estimate_is_judged_at_its_slow_end() -> None:
    latency = found(device("arduino-nano-33-ble", "chirale"))
    assert latency.basis == "estimate"
    assert latency.low is not None
    assert latency.seconds == latency.high is not None
    assert latency.low < latency.high
    fps = of_latency("fps", latency)
    assert fps.value == fps.low == pytest.approx(1 / latency.high)
    assert fps.high == pytest.approx(1 / latency.low)
    assert fps.basis == "estimate"


def test_there_is_none_without_a_board() -> None:
    latency = found(device(None, "zephyr-4.4"))
    assert latency.seconds is None
    assert "name one in [device]" in latency.says


def test_an_ethos_u_has_velas_estimate_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    npu = device("mps3-corstone-300", "zephyr-4.4")
    monkeypatch.setattr(device_latency, "vela_estimate", lambda *_: VELA)
    latency = found(npu)
    assert (latency.basis, latency.seconds) == ("estimate", 0.0025)
    assert latency.says.startswith("Vela's estimate: 2.5 ms on ethos-u55-128 at 500 MHz")
    assert found(npu, patient=False).seconds is None


def test_what_vela_leaves_to_the_cpu_makes_it_no_estimate_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    left = VelaEstimate("ethos-u55-128", "Ethos_U55", "Shared_Sram", 500, 1000, 900, 2.5, 3)
    monkeypatch.setattr(device_latency, "vela_estimate", lambda *_: left)
    latency = found(device("mps3-corstone-300", "zephyr-4.4"))
    assert latency.seconds is None
    assert "3 operators that it leaves to the CPU" in latency.says


def test_without_vela_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> VelaEstimate:
        raise MachineError("ethos-u55-128", "needs ethos-u-vela", 'pip install "tinyc[ethos-u]"')

    monkeypatch.setattr(device_latency, "vela_estimate", missing)
    latency = found(device("mps3-corstone-300", "zephyr-4.4"))
    assert latency.seconds is None
    assert 'pip install "tinyc[ethos-u]"' in latency.says
