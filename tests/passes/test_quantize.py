"""The pass `quantize`: its keys, full int8 by both ways, zeros kept, facts."""

from __future__ import annotations

import artifacts
import pytest
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
    ({"how": "qat", "per_channel_dense": False}, "one scale in any case"),
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
