"""Steps that would make far more of the examples than is read or than fits are refused before an array is made."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.core import limits
from tinyc.core.errors import MachineError, UserError
from tinyc.data import room
from tinyc.data.loading import load_dataset
from tinyc.spec.data import DataSpec

SAMPLES = 4000


def test_what_is_read_and_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1 << 23}.__getitem__)
    room.require("x.npz", 16 << 30, 16 << 30)
    with pytest.raises(UserError, match=r"becomes arrays of 17\.0 GiB; at most 16\.0 GiB are read"):
        room.require("x.npz", 17 << 30)
    with pytest.raises(MachineError, match=r"takes 33\.0 GiB of memory, and this machine has 32\.0 GiB"):
        room.require("x.npz", 16 << 30, 17 << 30)


STEPS: list[tuple[dict[str, Any], str]] = [
    ({"op": "window", "length": 2000, "stride": 1}, "sensor.npz: becomes arrays of 30.5 MiB; at most 8.0 MiB are read"),
    ({"op": "resize", "height": 4000, "width": 4000}, "data.prepare: resize: becomes arrays of 457.8 MiB"),
    ({"op": "log_mel", "rate": 8000, "hop": 0.125, "mels": 4}, "data.prepare: log_mel: becomes arrays of "),
]


@pytest.mark.parametrize(("step", "message"), STEPS, ids=[str(step["op"]) for step, _ in STEPS])
def test_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: dict[str, Any], message: str) -> None:
    random = np.random.default_rng(0)
    if step["op"] == "window":
        recording = np.repeat(np.arange(2), SAMPLES // 2 + 1999)
        x: Any = random.normal(size=(len(recording), 1)).astype(np.float32)
        np.savez(tmp_path / "sensor.npz", x=x, y=np.arange(len(x)) % 2, recording=recording)
    elif step["op"] == "resize":
        x = random.integers(0, 255, (30, 4, 4), np.uint8)
        np.savez(tmp_path / "sensor.npz", x=x, y=np.arange(30) % 3)
    else:
        x = random.normal(size=(600, 4000)).astype(np.float32)
        np.savez(tmp_path / "sensor.npz", x=x, y=np.arange(600) % 3)
    monkeypatch.setattr(limits, "DATA_BYTES", 8 << 20 if step["op"] != "log_mel" else 10 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(UserError) as caught:
            load_dataset(
                DataSpec.model_validate({"path": "sensor.npz", "prepare": [step]}), tmp_path.joinpath, tmp_path, 7
            )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert message in str(caught.value)
    assert peak < 40 << 20
