"""Networks and calibrations broken on purpose: the right cause first, at the right layer; none for a sound one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support import artifacts, broken

from tinyc.analysis.diagnosis.calibrating import Calibrated
from tinyc.analysis.diagnosis.diagnose import diagnose
from tinyc.analysis.diagnosis.record import Diagnosis
from tinyc.data.dataset import TrainingData
from tinyc.data.inputs import inputs
from tinyc.network.state import Flat, Net
from tinyc.quantization.convert import to_int8_tflite
from tinyc.report.diagnosis import cause_lines
from tinyc.run.diagnosing import added
from tinyc.tflite.run.pool import Pool


def quantized(net: Net, data: TrainingData, per_channel_dense: bool = False) -> Flat:
    samples = inputs(data.calibration.x, net.task)
    return Flat(to_int8_tflite(net.model, samples, per_channel_dense), net.task)


def found(
    pool: Pool, net: Net, data: TrainingData | None = None, flat: Flat | None = None, **options: Any
) -> Diagnosis:
    data = data or artifacts.data()
    return diagnose(net, flat or quantized(net, data), data, pool, {**broken.OPTIONS, **options})


def test_a_sound_network_gives_no_alarm(pool: Pool) -> None:
    seen = found(pool, broken.net())
    assert seen.causes == ()
    assert [each.layer for each in seen.layers][1:] == ["first", "second", "pool", "hidden", "bent", "logits"]
    assert all((each.sqnr_db or 0) > 30 for each in seen.layers)
    assert seen.alone == ()


def test_a_sound_residual_network_gives_no_alarm(pool: Pool) -> None:
    seen = found(pool, artifacts.net())
    assert seen.causes == ()
    assert min(each.sqnr_db or 0 for each in seen.layers) > 25


@pytest.mark.parametrize(("layer", "channel"), [("first", 3), ("second", 5)])
def test_a_loud_channel_is_an_outlier(pool: Pool, layer: str, channel: int) -> None:
    seen = found(pool, broken.net(**{layer: broken.louder(channel, 200)}))
    first = seen.causes[0]
    assert (first.kind, first.layer) == ("outlier channel", layer)
    assert f"channel {channel} reaches" in first.evidence
    assert first.recipe[0] == "equalize = true"
    assert first.caution == ""
    assert "caution" not in first.to_json()
    assert f'exclude = ["{layer}"]' in first.recipe


def test_calibration_a_tenth_as_large(pool: Pool) -> None:
    data = artifacts.data()
    seen = found(pool, broken.net(), broken.calibrated(data, x=data.calibration.x // 10))
    assert (seen.causes[0].kind, seen.causes[0].layer) == ("calibration of another range", seen.layers[0].layer)
    assert "validation reaches 1 at the input, calibration 0.098" in seen.causes[0].evidence


def test_calibration_five_times_as_large(pool: Pool) -> None:
    data = artifacts.data()
    seen = found(pool, broken.net(), broken.calibrated(data, x=data.calibration.x.astype(np.float32) * 5))
    assert (seen.causes[0].kind, seen.causes[0].layer) == ("calibration of another range", seen.layers[0].layer)
    assert "calibration reaches 5 at the input, validation 1" in seen.causes[0].evidence
    assert seen.causes[0].recipe == ()  # a further example widens a range, if anything


def test_a_range_that_is_too_narrow_saturates(pool: Pool) -> None:
    net = broken.net()
    flat = broken.narrowed(quantized(net, artifacts.data()), "second", 1 / 8)
    seen = found(pool, net, flat=flat)
    assert (seen.causes[0].kind, seen.causes[0].layer) == ("saturation", "second")
    assert seen.causes[0].also == ()
    assert next(each for each in seen.layers if each.layer == "second").saturated > 0.1


def test_a_clipping_choice_of_the_recipe_is_named(pool: Pool) -> None:
    net = broken.net()
    flat = broken.narrowed(quantized(net, artifacts.data()), "second", 1 / 8)
    seen = found(pool, net, flat=flat, calibrate="percentile", percentile=90)
    assert seen.causes[0].recipe[:2] == ("percentile = 99.99", 'calibrate = "minmax"')


def test_a_dead_channel(pool: Pool) -> None:
    seen = found(pool, broken.net(second=broken.silent(4)))
    assert [(cause.kind, cause.layer) for cause in seen.causes] == [("dead channels", "second")]
    assert "1 of 12 channels" in seen.causes[0].evidence
    assert "(channel 4)" in seen.causes[0].evidence


def test_dense_rows_that_share_a_scale(pool: Pool) -> None:
    net = broken.net(hidden=broken.wild)
    shared = found(pool, net, flat=quantized(net, artifacts.data(), per_channel_dense=False))
    assert (shared.causes[0].kind, shared.causes[0].layer) == ("per-tensor Dense", "hidden")
    assert shared.causes[0].recipe == ("equalize = true", "per_channel_dense = true")
    assert "Chirale_TensorFlowLite" in shared.causes[0].caution
    assert shared.causes[0].to_json()["caution"] == shared.causes[0].caution
    assert any("computed wrongly, without any error, by" in line for line in cause_lines(1, shared.causes[0], 2000))
    assert added(shared.causes[0]).endswith(shared.causes[0].caution)
    apart = found(pool, net, flat=quantized(net, artifacts.data(), per_channel_dense=True))
    assert "per-tensor Dense" not in {cause.kind for cause in apart.causes}


def test_calibration_of_one_class(pool: Pool) -> None:
    seen = found(pool, broken.net(), broken.of_one_class(artifacts.data(), 5))
    assert seen.causes[0].kind == "calibration without classes"
    assert "9 of 10 classes" in seen.causes[0].evidence
    data = artifacts.data()
    of_one = data.train.y == 5
    train = replace(data.train, x=data.train.x[of_one], y=data.train.y[of_one], ids=data.train.ids[of_one])
    known = found(pool, broken.net(), replace(broken.of_one_class(data, 5), train=train)).causes[0]
    assert "train has none of them either" in known.evidence
    assert known.recipe == ()
    assert seen.causes[0].layer == "pool"


def test_calibration_of_three_examples(pool: Pool) -> None:
    data = artifacts.data()
    split = data.calibration
    few = broken.calibrated(data, x=split.x[:3], y=split.y[:3], ids=split.ids[:3])
    seen = found(pool, broken.net(), few)
    assert seen.causes[0].kind == "calibration too small"
    assert "3 calibration examples for 10 classes; [data] calibration is 3" in seen.causes[0].evidence
    assert seen.causes[0].recipe == ("[data] calibration = 200",)  # train has no more
    asked = found(pool, broken.net(), few, calibration=100)
    assert asked.causes[0].recipe == ("[data] calibration = 200 with calibration = 200",)


def test_calibration_is_told_by_what_bounds_it() -> None:
    """Each line raises the key that keeps the examples few, never lowers one, and never asks for what train lacks."""
    cases: tuple[tuple[int, int, int, str, tuple[str, ...]], ...] = (
        (200, 500, 5000, "[data] calibration is 200", ("[data] calibration = 500",)),
        (200, 300, 5000, "[data] calibration is 200", ("[data] calibration = 500 with calibration = 500",)),
        (2000, 100, 5000, "the calibration of quantize is 100", ("calibration = 500",)),
        (500, 2000, 5000, "[data] calibration is 500", ()),
        (2000, 2000, 5000, "[data] calibration is 2000", ()),
        (150, 500, 150, "train has no more", ()),
        (150, 100, 150, "the calibration of quantize is 100", ("calibration = 150",)),
        (200, 500, 300, "[data] calibration is 200", ("[data] calibration = 300",)),
    )
    for set_aside, asked, train, bound, lines in cases:
        taken = Calibrated({"a": min(set_aside, asked)}, ("a",), set_aside, asked, train, ("a",))
        assert (taken.bound, taken.more()) == (bound, lines)
    many = tuple(f"class {number}" for number in range(800))
    assert Calibrated({"class 0": 500}, many, 500, 500, 5000, many).more() == (
        "[data] calibration = 800 with calibration = 800",
    )


def test_the_network_is_left_as_it_was(pool: Pool) -> None:
    net = broken.net()
    weights = [weight.copy() for weight in net.model.get_weights()]
    found(pool, net)
    assert all(np.array_equal(old, new) for old, new in zip(weights, net.model.get_weights(), strict=True))
