"""What one scale for each Dense layer costs: against runs of the interpreter by hand, and silence where nothing is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import artifacts, chains, sentences

from tinyc.data.dataset import Split
from tinyc.data.inputs import inputs
from tinyc.measure.intervals import paired
from tinyc.measure.resampling import of_difference
from tinyc.network import backend
from tinyc.network.contract import Outcome
from tinyc.network.state import Flat, Net
from tinyc.quantization import one_scale
from tinyc.quantization.convert import to_int8_tflite
from tinyc.spec.passes import apply
from tinyc.spec.passes.quantize import Quantize
from tinyc.tflite.run.pool import Pool

EXAMPLES = 120


def sharp_and_smooth(smooth: float) -> Net:
    """One class that looks at a corner with a weight of 8, nine that sum up rows of pixels with weights of `smooth`."""
    layers = backend.keras().layers
    model = chains.chain((14, 14, 1), layers.Flatten(), layers.Dense(10, name="logits"))
    kernel = np.zeros((14, 14, 10), np.float32)
    kernel[0, 0, 0] = 8
    kernel[np.arange(3, 12), :, np.arange(1, 10)] = smooth
    model.set_weights([kernel.reshape(196, 10), np.zeros(10)])
    return Net(model, artifacts.TASK)


def quantized(net: Net, folder: Path, rehearse: Any = None, recordings: bool = False, **keys: Any) -> Outcome:
    """Quantize beside validation examples that the float network is right about."""
    context = artifacts.context(folder, net, rehearse)
    x = artifacts.images(EXAMPLES)[0]
    y = np.asarray(net.model(inputs(x, net.task))).argmax(-1)
    groups = {"recording": np.arange(EXAMPLES) // 10} if recordings else {}
    data = replace(context.data, validation=Split(x, y, np.arange(EXAMPLES), groups))
    outcome: Outcome = apply(Quantize(use="quantize", **keys), net, replace(context, data=data))
    return outcome


@pytest.mark.parametrize("recordings", [False, True])
def test_the_cost_is_that_of_the_two_files(tmp_path: Path, recordings: bool) -> None:
    net = sharp_and_smooth(0.02)
    outcome = quantized(net, tmp_path, recordings=recordings)
    found = outcome.facts["one_scale_dense"]
    x = inputs(artifacts.images(EXAMPLES)[0], net.task)
    y = np.asarray(net.model(x)).argmax(-1)
    calibration = inputs(artifacts.data().calibration.x, net.task)
    with Pool(1) as pool:
        right = [
            pool.run(to_int8_tflite(net.model, calibration, apart), x, "reference").outputs.argmax(-1) == y
            for apart in (False, True)
        ]
    low, high = of_difference(right[1], right[0], np.arange(EXAMPLES) // 10) if recordings else paired(*right[::-1])
    assert found["one_scale_a_layer"] == pytest.approx(right[0].mean())
    assert found["a_scale_for_each_output"] == pytest.approx(right[1].mean())
    assert (found["gain_low"], found["gain_high"]) == pytest.approx((low, high))
    assert found["gain_low"] > 0
    assert (found["examples"], found["split"], found["layers"]) == (EXAMPLES, "validation", ["logits"])
    said = found["says"]
    assert said.startswith(f"one scale for each Dense layer costs {100 * (right[1].mean() - right[0].mean()):.2f} pp (")
    assert f"per_channel_dense = true gives {right[1].mean():.2%}".replace("%", " %") in said
    assert "computed wrongly, without any error, by Arduino_TensorFlowLite" in said


def test_a_difference_within_the_interval_is_told_as_a_figure_alone(tmp_path: Path) -> None:
    net = sharp_and_smooth(1.5)
    found = quantized(net, tmp_path).facts["one_scale_dense"]
    assert found["gain_low"] <= 0 <= found["gain_high"]
    assert "says" not in found


@pytest.mark.parametrize("keys", [{"rehearse": "lower"}, {"per_channel_dense": True}, {"weights": "int4"}])
def test_nothing_is_compared_where_there_is_no_choice(tmp_path: Path, keys: dict[str, Any]) -> None:
    assert "one_scale_dense" not in quantized(sharp_and_smooth(0.02), tmp_path, **keys).facts


def test_nothing_is_compared_where_every_output_has_its_steps(tmp_path: Path) -> None:
    net = sharp_and_smooth(8)
    outcome = quantized(net, tmp_path)
    assert "one_scale_dense" not in outcome.facts
    assert isinstance(outcome.state, Flat)
    assert one_scale.coarse(outcome.state.content) == ()


def test_a_recipe_that_asks_for_one_scale_is_told_as_well(tmp_path: Path) -> None:
    net = sharp_and_smooth(0.02)
    said = quantized(net, tmp_path, per_channel_dense=False).facts["one_scale_dense"]["says"]
    assert "bits" not in said
    chosen = quantized(net, tmp_path, precision="auto", flash="64 KiB").facts["one_scale_dense"]["says"]
    assert "per_channel_dense = true with the bits chosen here gives" in chosen


def test_sentences_are_compared_under_tflm_within_its_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Net(sentences.network(), sentences.TASK)
    kernel, *others = source.model.get_layer("layer0_inner").get_weights()
    source.model.get_layer("layer0_inner").set_weights([kernel * np.logspace(-3, 0, kernel.shape[1]), *others])
    found = apply(Quantize(use="quantize"), source, sentences.context(tmp_path, source)).facts["one_scale_dense"]
    assert found["runtime"].startswith("tflite-micro")
    assert found["layers"] == ["layer0_inner"]
    assert found["examples"] == 128
    monkeypatch.setattr(one_scale, "MOST_MACS", 100)
    found = apply(Quantize(use="quantize"), source, sentences.context(tmp_path, source)).facts["one_scale_dense"]
    assert "too long" in found["unmeasured"]
