"""What is tried, what is skipped, and how remedies are written; the doing itself is in the command's test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import artifacts, broken

from tinyc.analysis.diagnosis.calibrating import Calibrated
from tinyc.analysis.diagnosis.diagnose import diagnose
from tinyc.analysis.diagnosis.record import Diagnosis
from tinyc.analysis.diagnosis.remedies import lines
from tinyc.analysis.diagnosis.trials import Trial, TrialExamples, attempts, proposals
from tinyc.core.errors import UserError
from tinyc.data.inputs import inputs
from tinyc.network.state import Flat
from tinyc.quantization.convert import to_int8_tflite
from tinyc.report.diagnosis import trial_end
from tinyc.spec.passes import PASSES
from tinyc.tflite.run.pool import Pool

NOTHING = Diagnosis("validation", 8, (), (), Calibrated({}, (), 0, 0, 0, ()))


def test_a_key_that_quantize_does_not_know_is_skipped_and_said() -> None:
    options = {key: value for key, value in broken.OPTIONS.items() if key not in ("equalize", "activations")}
    wanted, unknown = proposals(NOTHING, options)
    assert unknown == ("equalize", "activations")
    assert [*wanted] == [{"calibrate": "percentile"}, {"calibrate": "mse"}, {"bias_correction": True}]


def test_the_keys_of_remedies_are_those_of_quantize() -> None:
    known = set(PASSES["quantize"].model_fields)
    assert set(broken.OPTIONS) <= known


def test_a_scale_for_each_output_is_proposed_with_its_warning_alone() -> None:
    done = [Trial(what, 0.9, gain, 10, True) for what, gain in (("per_channel_dense = true, equalize = true", 0.2),
                                                                 ("equalize = true", 0.1))]  # fmt: skip
    assert [bool(each.caution) for each in done] == [True, False]
    said = " ".join(trial_end(done, (), 60, 80))
    assert "most helped: per_channel_dense = true" in said
    assert "computed wrongly, without any error, by Arduino_TensorFlowLite, Chirale_TensorFlowLite 2.0.0" in said
    assert max(map(len, trial_end(done, (), 60, 80))) <= 80
    assert "computed wrong" not in " ".join(trial_end(done[1:], (), 60, 80))


def test_suspects_are_excluded_worst_first() -> None:
    net = broken.net(second=broken.louder(5, 200))
    data = artifacts.data()
    flat = Flat(to_int8_tflite(net.model, inputs(data.calibration.x, net.task)), net.task)
    with Pool(1) as pool:
        seen = diagnose(net, flat, data, pool, broken.OPTIONS)
    wanted, _ = proposals(seen, broken.OPTIONS)
    excluded = [each["exclude"] for each in wanted if "exclude" in each]
    assert [len(each) for each in excluded] == [1, 3]
    assert excluded[0] == ["second"]


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ({}, ('calibrate = "mse"',)),
        ({"calibrate": "mse"}, ()),
        ({"how": "qat"}, ('how = "ptq"', 'calibrate = "mse"')),
    ],
)
def test_remedies_fit_the_recipe(options: dict[str, Any], written: tuple[str, ...]) -> None:
    assert lines([("calibrate", "mse"), ("unheard_of", 1)], {**broken.OPTIONS, **options}) == written


@pytest.mark.parametrize(
    ("options", "change"),
    [
        ({"activations": "int16"}, ("calibrate", "mse")),
        ({"activations": "int16"}, ("exclude", ["a"])),
        ({"precision": "auto", "flash": "9 KiB"}, ("activations", "int16")),
    ],
)
def test_what_quantize_would_refuse_is_no_remedy(options: dict[str, Any], change: tuple[str, Any]) -> None:
    given = {**broken.OPTIONS, "precision": "uniform", "flash": None, **options}
    assert lines([change], given) == ()
    wanted, _ = proposals(NOTHING, given)
    assert wanted
    for each in wanted:
        PASSES["quantize"].model_validate({"use": "quantize", **given, **each})


def test_what_helped_is_tried_together_and_a_refusal_is_a_result() -> None:
    data, net = artifacts.data(), broken.net()
    x = inputs(data.validation.x, net.task)
    y = np.asarray(net.model(x)).argmax(-1)
    right = to_int8_tflite(net.model, inputs(data.calibration.x, net.task))
    turned = broken.net(logits=lambda kernel, bias: [-kernel, -bias])
    wrong = to_int8_tflite(turned.model, inputs(data.calibration.x, net.task))
    seen: list[dict[str, Any]] = []

    def quantized(change: Any) -> bytes:
        seen.append(dict(change))
        if "exclude" in change:
            raise UserError("exclude", "cannot be")
        return wrong if change == {"calibrate": "mse"} else right

    tried: list[dict[str, Any]] = [
        {"calibrate": "mse"},
        {"calibrate": "percentile"},
        {"exclude": ["second"]},
        {"equalize": True},
    ]
    with Pool(1) as pool:
        done = list(attempts(tried, quantized, TrialExamples(x, y, pool), wrong))
    assert [trial.helped for trial in done] == [False, False, True, False, True, True]
    assert done[3].problem == "cannot be"
    assert done[3].accuracy is None
    assert seen[-1] == {"calibrate": "percentile", "equalize": True}
    assert (done[-1].accuracy or 0) > 0.9
