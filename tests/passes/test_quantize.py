"""The pass `quantize`: its keys, full int8 by both ways, zeros kept, facts."""

from __future__ import annotations

from dataclasses import replace

import artifacts
import numpy as np
import pytest
import sentences
from pydantic import ValidationError

from tinyc.errors import UserError
from tinyc.interpreters.flatbuffer import describe
from tinyc.lowering.integer import zero_weights
from tinyc.passes.quantize import Quantize
from tinyc.state import Flat, Net

BAD_KEYS = [
    ({"epochs": 3}, '`epochs` belongs to how = "qat"'),
    ({"how": "ptq", "loss": "labels"}, '`loss` belongs to how = "qat"'),
    ({"augment": ["flip"]}, '`augment` belongs to how = "qat"'),
    ({"percentile": 99.0}, '`percentile` belongs to calibrate = "percentile"; this pass has "minmax"'),
    ({"calibrate": "mse", "percentile": 99.0}, 'this pass has "mse"'),
    ({"calibrate": "percentile", "percentile": 100.5}, "less than or equal to 100"),
    ({"calibrate": "entropy"}, "'minmax', 'percentile' or 'mse'"),
    ({"how": "dynamic"}, "'ptq' or 'qat'"),
    ({"calibration": 0}, "greater than or equal to 1"),
    ({"bits": 4}, "Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("keys", "message"), BAD_KEYS)
def test_bad_keys(keys, message):
    with pytest.raises(ValidationError, match=message):
        Quantize(use="quantize", **keys)


def test_every_training_key_is_refused_without_training():
    from tinyc.passes.quantize import TRAINING
    from tinyc.training.options import FitOptions

    assert set(TRAINING) == set(FitOptions.model_fields)


def test_post_training(tmp_path):
    source = artifacts.net()
    outcome = Quantize(use="quantize", calibration=30).apply(source, artifacts.context(tmp_path, source))
    assert isinstance(outcome.state, Flat)
    assert outcome.state.content != artifacts.content()
    facts = outcome.facts
    assert sum(facts["calibration"].values()) == 30
    assert facts["calibration"]["trouser"] == int((artifacts.images()[1][:30] == 1).sum())
    assert facts["float_tensors"] == 0
    assert facts["ops"] == {"ADD": 3, "CONV_2D": 9, "FULLY_CONNECTED": 1, "MEAN": 1}
    assert facts["input"]["zero_point"] == -128
    assert facts["output"]["scale"] == describe(outcome.state.content).outputs[0].scales[0]
    assert outcome.files == {}


def test_training_keeps_zeros_and_the_source_and_repeats(tmp_path):
    source = artifacts.net(sparse=True)
    before = [weight.tobytes() for weight in source.model.get_weights()]
    aware = Quantize(use="quantize", how="qat", epochs=1, batch=50, learning_rate=1e-2, augment=("crop",))
    contents = []
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        outcome = aware.apply(source, artifacts.context(tmp_path / run, source))
        contents.append(outcome.state.content)
        assert outcome.facts["fine_tune"]["epochs"] == 1
        assert outcome.facts["zero_weights_before"] > 0.45
        assert outcome.facts["zero_weights_after"] >= outcome.facts["zero_weights_before"]
    assert contents[0] == contents[1]
    assert [weight.tobytes() for weight in source.model.get_weights()] == before
    untrained = Quantize(use="quantize", how="qat", epochs=0).apply(source, artifacts.context(tmp_path, source))
    assert untrained.state.content != contents[0]
    assert zero_weights(contents[0]) >= zero_weights(untrained.state.content) - 0.01


def test_a_rehearsal_has_the_shape_of_the_run(tmp_path):
    source = artifacts.net()
    aware = Quantize(use="quantize", how="qat", epochs=50)
    rehearsed = aware.apply(source, artifacts.context(tmp_path, source, "lower")).state.content
    untrained = Quantize(use="quantize", how="qat", epochs=0).apply(source, artifacts.context(tmp_path, source))
    assert rehearsed == untrained.state.content
    assert not list(tmp_path.iterdir())


def test_a_subclassed_network_is_told_to_take_ptq(tmp_path):
    from tinyc import backend

    keras = backend.keras()

    class Own(keras.Model):
        def call(self, x):
            return x

    source = Net(Own(name="own"), artifacts.TASK)
    with pytest.raises(UserError, match="subclassed") as raised:
        Quantize(use="quantize", how="qat").apply(source, artifacts.context(tmp_path, source))
    assert 'how = "ptq"' in raised.value.remedy


@pytest.mark.parametrize(("key", "value"), [("per_channel_dense", False), ("calibrate", "mse")])
def test_what_tfmot_would_not_read_is_refused(key, value, tmp_path):
    source = artifacts.net()
    with pytest.raises(UserError, match="no effect with how") as raised:
        Quantize(use="quantize", how="qat", **{key: value}).apply(source, artifacts.context(tmp_path, source, "lower"))
    assert raised.value.where == f"quantize: {key}"


def test_clipping_is_told_by_tensor(tmp_path):
    source = artifacts.net()
    clip = Quantize(use="quantize", calibrate="percentile", percentile=95.0)
    outcome = clip.apply(source, artifacts.context(tmp_path, source))
    ranges = outcome.facts["ranges"]
    assert 0 < ranges["clipped"] <= ranges["activations"]
    assert 0 < ranges["largest"]["fraction_left"] < 1
    described = describe(outcome.state.content)
    assert ranges["largest"]["tensor"] in {tensor.name for tensor in described.tensors}
    assert outcome.state.content != artifacts.content()
    whole = Quantize(use="quantize", calibrate="percentile", percentile=100.0)
    assert whole.apply(source, artifacts.context(tmp_path, source)).facts["ranges"]["clipped"] == 0


def test_a_transformer_takes_ids_and_stays_whole_in_int8(tmp_path):
    source = Net(sentences.network(), sentences.TASK)
    outcome = Quantize(use="quantize").apply(source, sentences.context(tmp_path, source))
    facts = outcome.facts
    assert facts["input"] == {"dtype": "int32", "shape": [1, sentences.TOKENS]}
    assert set(facts["output"]) == {"scale", "zero_point"}
    assert facts["float_tensors"] == 0
    assert "notes" not in facts
    assert describe(outcome.state.content).outputs[0].dtype == "int8"


def test_dense_layers_over_tokens_by_channel_are_warned_of(tmp_path):
    source = Net(sentences.network(), sentences.TASK)
    asked = Quantize(use="quantize", per_channel_dense=True)
    facts = asked.apply(source, sentences.context(tmp_path, source)).facts
    assert "per_channel_dense = false" in facts["notes"][0]
    usual = Quantize(use="quantize").apply(artifacts.net(), artifacts.context(tmp_path))
    assert "notes" not in usual.facts


def test_a_transformer_trains_under_int8_rounding_keeps_zeros_and_repeats(tmp_path):
    source = Net(sentences.network(), sentences.TASK)
    kernel, bias = source.model.get_layer("layer0_inner").get_weights()
    kernel[np.abs(kernel) < np.median(np.abs(kernel))] = 0
    source.model.get_layer("layer0_inner").set_weights([kernel, bias])
    before = [weight.tobytes() for weight in source.model.get_weights()]
    aware = Quantize(use="quantize", how="qat", epochs=1, batch=64, per_channel_dense=False, calibrate="percentile")
    outcomes = []
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        outcomes.append(aware.apply(source, sentences.context(tmp_path / run, source)))
    first, second = outcomes
    assert first.state.content == second.state.content
    assert first.facts["fine_tune"]["epochs"] == 1
    assert first.facts["zero_weights_after"] >= first.facts["zero_weights_before"] > 0.05
    assert first.skipped == ()
    assert [weight.tobytes() for weight in source.model.get_weights()] == before
    untrained = Quantize(use="quantize", per_channel_dense=False, calibrate="percentile")
    assert untrained.apply(source, sentences.context(tmp_path, source)).state.content != first.state.content


def test_padding_is_hidden_even_where_no_calibration_sentence_has_any(tmp_path):
    source = Net(sentences.network(), sentences.TASK)
    context = sentences.context(tmp_path, source)
    words = " ".join(["film"] * sentences.TOKENS)
    calibration = context.data.calibration
    full = replace(calibration, x=np.array([words] * len(calibration), object))
    context = replace(context, data=replace(context.data, calibration=full))
    flat = Quantize(use="quantize", per_channel_dense=False).apply(source, context).state
    described = describe(flat.content)
    masks = [described.tensors[op.outputs[0]] for op in described.ops if op.name == "GATHER" and "mask" in op.layer]
    assert [tensor.scales[0] for tensor in masks] == [pytest.approx(16 / 255, rel=1e-3)]
