"""A whole run that ends in weight tables, which TensorFlow Lite Micro alone decodes; and its rehearsal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import artifacts, few_values, small

from tinyc import cli
from tinyc.network.state import Net
from tinyc.run.plan import unsettle
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.operators import tflm_only

RECIPE = """
name = "small"
seed = 5

[source]
build = "net.py:net"
train = { epochs = 1, batch = 32 }

[data]
path = "images.npz"
scale = 0.00392156862745098
validation = 50
calibration = 40

[[pass]]
use = "prune"
how = "magnitude"
sparsity = 0.9
epochs = 1
batch = 50

[[pass]]
use = "quantize"
how = "ptq"

[[pass]]
use = "compact"

[[pass]]
use = "export"

[[pass]]
use = "verify"
"""


@pytest.mark.slow
def test_every_step_after_compact_runs_under_tflm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small, "NET", small.NET.replace("width=8", "width=24"))
    recipe = small.write(tmp_path, RECIPE, train=200, test=60)
    assert cli.invoke(["compress", str(recipe), "--out", str(tmp_path / "runs")]) == 0
    folder = tmp_path / "runs" / "small"
    steps = {step["pass"]: step for step in json.loads((folder / "report.json").read_text())["steps"]}
    assert [steps[use]["after"]["runtime"] for use in ("quantize", "compact", "export", "verify")] == [
        "tflite-runtime", "tflm", "tflm", "tflm",
    ]  # fmt: skip
    facts = steps["compact"]["facts"]
    assert facts["tables"] >= 2
    assert steps["compact"]["after"]["file_bytes"] == facts["file_bytes_after"] < facts["stripped_bytes"]
    assert steps["compact"]["after"]["arena_bytes"] == facts["arena_bytes_after"]
    assert steps["compact"]["after"]["params"] == steps["quantize"]["after"]["params"]
    assert steps["verify"]["facts"]["agreed"] is True
    assert tflm_only(describe((folder / "model.tflite").read_bytes()))
    assert "TFLM_DECODE" in (folder / "report.html").read_text()


def test_a_rehearsal_leaves_few_values_few_and_makes_constants_differ() -> None:
    model = few_values.network()
    before = {layer.name: layer.get_weights() for layer in model.layers}
    net = unsettle(Net(model, artifacts.TASK).clone(), 1)
    for layer in net.model.layers:
        for was, now in zip(before[layer.name], layer.get_weights(), strict=True):
            assert np.array_equal(was, now) == (was.ndim > 1 and layer.name != "stem"), layer.name
    drawn = unsettle(Net(artifacts.network(), artifacts.TASK).clone(), 1)
    pairs = zip(artifacts.network().get_weights(), drawn.model.get_weights(), strict=True)
    assert not any(np.array_equal(was, now) for was, now in pairs)
