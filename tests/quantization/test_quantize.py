"""The pass `quantize`: its keys, full int8 by both ways, zeros kept, facts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support import artifacts, sentences

from tinyc.compression.clustering.tables import distinct
from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.network.state import Flat, Net
from tinyc.quantization.int8_facts import calibration_notes
from tinyc.spec.passes import apply
from tinyc.spec.passes.cluster import Cluster
from tinyc.spec.passes.quantize import Quantize
from tinyc.tflite.read.counterparts import BIAS, WEIGHTS, heavy, held, unpack
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run import runtimes
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write.integer import zero_weights
from tinyc.tflite.write.pack import pack
from tinyc.tflite.write.strip import strip

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
    ({"how": "qat", "weights": "int4"}, '`weights` belongs to how = "ptq"'),
    ({"how": "qat", "activations": "int16"}, '`activations` belongs to how = "ptq"'),
    ({"how": "qat", "exclude": ["logits"]}, '`exclude` belongs to how = "ptq"'),
    ({"how": "qat", "equalize": True}, '`equalize` belongs to how = "ptq"'),
    ({"how": "qat", "bias_correction": True}, '`bias_correction` belongs to how = "ptq"'),
    ({"how": "qat", "teach": {}, "loss": "labels"}, "`teach` does not go with"),
    ({"activations": "int16", "weights": "int4"}, '`weights` belongs to activations = "int8"'),
    ({"activations": "int16", "exclude": ["logits"]}, '`exclude` belongs to activations = "int8"'),
    ({"activations": "int16", "calibrate": "mse"}, '`calibrate` belongs to activations = "int8"'),
    ({"activations": "int16", "precision": "auto", "flash": "9 KiB"}, '`precision` belongs to activations = "int8"'),
    ({"precision": "auto"}, "`flash` belong together"),
    ({"flash": "9 KiB"}, "`flash` belong together"),
    ({"precision": "auto", "flash": "9 apples"}, "unknown unit 'apples'"),
    ({"precision": "auto", "flash": "0 B"}, "'0 B' is nothing"),
    ({"precision": "auto", "flash": "9 KiB", "weights": "int4"}, "remove `weights`"),
]


@pytest.mark.parametrize(("keys", "message"), BAD_KEYS)
def test_bad_keys(keys, message):
    with pytest.raises(ValidationError, match=message):
        Quantize(use="quantize", **keys)


def test_every_training_key_is_refused_without_training():
    from tinyc.spec.passes.quantize import TRAINING
    from tinyc.spec.training import FitOptions

    assert set(TRAINING) == set(FitOptions.model_fields)


def test_post_training(tmp_path):
    source = artifacts.net()
    outcome = apply(Quantize(use="quantize", calibration=30), source, artifacts.context(tmp_path, source))
    assert isinstance(outcome.state, Flat)
    assert outcome.state.content != artifacts.content()
    facts = outcome.facts
    assert sum(facts["calibration"].values()) == 30
    assert "notes" not in facts
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
        outcome = apply(aware, source, artifacts.context(tmp_path / run, source))
        contents.append(outcome.state.content)
        assert outcome.facts["fine_tune"]["epochs"] == 1
        assert outcome.facts["zero_weights_before"] > 0.45
        assert outcome.facts["zero_weights_after"] >= outcome.facts["zero_weights_before"]
    assert contents[0] == contents[1]
    assert [weight.tobytes() for weight in source.model.get_weights()] == before
    untrained = apply(Quantize(use="quantize", how="qat", epochs=0), source, artifacts.context(tmp_path, source))
    assert untrained.state.content != contents[0]
    assert zero_weights(contents[0]) >= zero_weights(untrained.state.content) - 0.01


def test_a_rehearsal_has_the_shape_of_the_run(tmp_path):
    source = artifacts.net()
    aware = Quantize(use="quantize", how="qat", epochs=50)
    rehearsed = apply(aware, source, artifacts.context(tmp_path, source, "lower")).state.content
    untrained = apply(Quantize(use="quantize", how="qat", epochs=0), source, artifacts.context(tmp_path, source))
    assert rehearsed == untrained.state.content
    assert not list(tmp_path.iterdir())


def test_a_subclassed_network_is_told_to_take_ptq(tmp_path):
    from tinyc.network import backend

    keras: Any = backend.keras()

    class Own(keras.Model):
        def call(self, x):
            return x

    source = Net(Own(name="own"), artifacts.TASK)
    with pytest.raises(UserError, match="subclassed") as raised:
        apply(Quantize(use="quantize", how="qat"), source, artifacts.context(tmp_path, source))
    assert 'how = "ptq"' in raised.value.remedy


@pytest.mark.parametrize(("key", "value"), [("per_channel_dense", True), ("calibrate", "mse")])
def test_what_tfmot_would_not_read_is_refused(key, value, tmp_path):
    source = artifacts.net()
    with pytest.raises(UserError, match="no effect with how") as raised:
        apply(Quantize(use="quantize", how="qat", **{key: value}), source, artifacts.context(tmp_path, source, "lower"))
    assert raised.value.where == f"quantize: {key}"
    usual, said = (
        apply(Quantize(use="quantize", how="qat", **keys), source, artifacts.context(tmp_path, source, "lower"))
        for keys in ({}, {"per_channel_dense": False})
    )
    assert usual.state.content == said.state.content


def run(keys, tmp_path, source=None, rehearse=None):
    source = source or artifacts.net()
    return apply(Quantize(use="quantize", **keys), source, artifacts.context(tmp_path, source, rehearse))


def test_int4_weights_halve_and_are_measured(tmp_path):
    outcome = run({"weights": "int4"}, tmp_path)
    facts = outcome.facts["int4"]
    assert len(facts["layers"]) == 10
    assert facts["others"] == []
    assert outcome.skipped == ()
    assert facts["effect"]["examples"] == 60
    assert facts["effect"]["after"]["output_error"] > facts["effect"]["before"]["output_error"] > 0
    weights = {describe(each).weight_bytes for each in (outcome.state.content, artifacts.content())}
    assert min(weights) < 0.7 * max(weights)
    assert outcome.facts["float_tensors"] == 0
    rehearsed = run({"weights": "int4"}, tmp_path, rehearse="lower")
    assert rehearsed.state.content == outcome.state.content
    assert "effect" not in rehearsed.facts["int4"]


def every_way_to_dense():
    """Dense over time, EinsumDense, a product with a constant, an unrolled LSTM and a Dense."""
    keras, tf = backend.keras(), backend.tensorflow()
    layers = keras.layers
    x = image = keras.Input((14, 14, 1))
    x = layers.Reshape((14, 14))(x)
    x = layers.Dense(6, activation="relu", name="over_time")(x)
    x = layers.EinsumDense("abc,cd->abd", output_shape=(14, 5), name="einsum")(x)
    constant = tf.constant(np.linspace(0.01, 1, 20, dtype=np.float32).reshape(5, 4))
    x = layers.Lambda(lambda values: tf.matmul(values, constant), name="product")(x)
    x = layers.LSTM(3, unroll=True, name="lstm")(layers.AveragePooling1D(7)(x))
    model = keras.Model(image, layers.Dense(10, name="logits")(x), name="ways")
    draw = np.random.default_rng(0)
    model.set_weights([draw.standard_normal(weight.shape) / 2 for weight in model.get_weights()])
    return Net(model, artifacts.TASK)


def scales_of_dense(content):
    described = describe(content)
    dense = [op for op in described.ops if op.name == "FULLY_CONNECTED"]
    return {op.layer: len(described.tensors[op.inputs[1]].scales) for op in dense}


OPTIONS = [
    {}, {"calibrate": "mse"}, {"bias_correction": True}, {"equalize": True}, {"exclude": ["logits"]},
    {"weights": "int4"}, {"activations": "int16"}, {"precision": "auto", "flash": "7 KiB"},
    {"how": "qat", "epochs": 0}, {"per_channel_dense": False},
]  # fmt: skip


@pytest.mark.parametrize("keys", OPTIONS, ids=str)
def test_a_dense_layer_has_one_scale_beside_every_option(keys, tmp_path):
    outcome = run(keys, tmp_path, rehearse="lower")
    assert max(scales_of_dense(outcome.state.content).values()) <= 1
    assert "per_channel_dense" not in outcome.facts


def test_whatever_becomes_a_dense_operator_has_one_scale(tmp_path):
    source = every_way_to_dense()
    found = scales_of_dense(run({}, tmp_path, source, "lower").state.content)
    assert set(found) == {"over_time", "einsum", "product", "lstm", "logits"}
    assert set(found.values()) == {1}
    asked = run({"per_channel_dense": True}, tmp_path, source, "lower")
    assert min(scales_of_dense(asked.state.content).values()) > 1
    assert set(asked.facts["per_channel_dense"]["layers"]) == set(found)


def as_one_multiplier(content):
    """Change a file as firmware sees it that takes the first scale of a FULLY_CONNECTED for all of them."""
    model = unpack(content)
    for work in heavy(model):
        for slot in (WEIGHTS, BIAS) if work.kind == "FULLY_CONNECTED" else ():
            quantization = work.tensor(slot).quantization
            quantization.scale, quantization.zeroPoint = quantization.scale[:1], quantization.zeroPoint[:1]
    return pack(model)


def test_firmware_that_knows_one_multiplier_computes_what_is_made_by_default(tmp_path):
    with Pool(1) as pool:
        for keys, same in (({}, True), ({"per_channel_dense": True}, False)):
            content = run(keys, tmp_path, rehearse="lower").state.content
            raw = [pool.run(each, artifacts.samples(), "tflm").raw for each in (content, as_one_multiplier(content))]
            assert np.array_equal(raw[0], raw[1]) is same


def test_int16_activations_come_nearer_than_int8(tmp_path):
    outcome = run({"activations": "int16"}, tmp_path)
    described = describe(outcome.state.content)
    assert {side.dtype for side in (*described.inputs, *described.outputs)} == {"int16"}
    wanted = artifacts.network()(artifacts.samples(), training=False).numpy()
    with Pool() as pool:
        runs = {name: pool.run(outcome.state.content, artifacts.samples(), name) for name in ("tflm", "reference")}
        narrow = pool.run(artifacts.content(), artifacts.samples(), "tflm").outputs
    np.testing.assert_array_equal(runs["tflm"].raw, runs["reference"].raw)
    assert np.abs(runs["tflm"].outputs - wanted).mean() < 0.8 * np.abs(narrow - wanted).mean()


def test_int16_is_refused_where_tflm_lacks_an_operator(tmp_path):
    source = Net(sentences.network(), sentences.TASK)
    with pytest.raises(UserError, match="'INT16' is not supported by gather") as raised:
        apply(Quantize(use="quantize", activations="int16"), source, sentences.context(tmp_path, source, "lower"))
    assert raised.value.where == "quantize: activations"


def test_excluded_layers_stay_in_float_and_run(tmp_path):
    outcome = run({"exclude": ["stem_*", "logits"]}, tmp_path)
    described = describe(outcome.state.content)
    floats = [op.layer for op in described.ops if op.params and described.tensors[op.inputs[1]].dtype == "float32"]
    assert floats == ["stem_conv", "logits"]
    assert outcome.facts["exclude"]["operators"] == 2
    assert {side.dtype for side in (*described.inputs, *described.outputs)} == {"int8"}
    with pytest.raises(UserError, match="no operator is left"):
        run({"exclude": ["image"]}, tmp_path, rehearse="lower")
    with pytest.raises(UserError, match="matches no layer"):
        run({"exclude": ["convolution"]}, tmp_path, rehearse="lower")


def test_what_tflm_cannot_run_is_named(tmp_path, monkeypatch):
    from tinyc.quantization import effect

    class Refusing:
        def __init__(self, processes): ...
        def __enter__(self):
            return self

        def __exit__(self, *_): ...
        def run(self, *_):
            raise UserError("the artifact", "TensorFlow Lite Micro has no POW", "write otherwise")

    monkeypatch.setattr(effect, "Pool", Refusing)
    with pytest.raises(UserError, match="would not run: TensorFlow Lite Micro has no POW") as raised:
        run({"exclude": ["logits"]}, tmp_path, rehearse="lower")
    assert raised.value.where == "quantize: exclude"
    monkeypatch.setattr(runtimes, "version", lambda runtime: None)
    assert "could not be tried" in run({"exclude": ["logits"]}, tmp_path, rehearse="lower").facts["notes"][0]


def test_corrected_equalized_and_reestimated_networks_are_measured(tmp_path):
    outcome = run({"bias_correction": True, "equalize": True, "reestimate": True, "weights": "int4"}, tmp_path)
    facts = outcome.facts
    assert facts["reestimate"]["training_examples"] == 200
    assert facts["reestimate"]["before"] != facts["reestimate"]["after"]
    assert len(facts["equalize"]["pairs"]) == 3
    assert facts["equalize"]["difference"] < 1e-3
    corrected = facts["bias_correction"]
    assert corrected["layers"] == 10
    assert corrected["effect"]["after"]["output_error"] < corrected["effect"]["before"]["output_error"]
    assert corrected["effect"]["before"] == facts["int4"]["effect"]["after"]
    rehearsed = run({"bias_correction": True, "reestimate": True}, tmp_path, rehearse="lower")
    assert {"bias_correction", "reestimate"}.isdisjoint(rehearsed.facts)


def test_equalizing_a_clustered_network_is_refused(tmp_path):
    source = artifacts.net()
    context = replace(artifacts.context(tmp_path, source), earlier=(Cluster(clusters=16),))
    with pytest.raises(UserError, match="undo the tables of `cluster`"):
        apply(Quantize(use="quantize", equalize=True), source, context)


def test_bits_are_chosen_for_a_flash_target(tmp_path):
    outcome = run({"precision": "auto", "flash": "7 KiB"}, tmp_path)
    facts = outcome.facts["precision"]
    assert facts["flash_predicted"] <= 7 * 1024
    kinds = {name.partition("/")[0]: kernel["as"] for name, kernel in facts["kernels"].items()}
    assert set(kinds.values()) >= {"table", "int4"}
    described = describe(outcome.state.content)
    stored = {op.layer: described.tensors[op.inputs[1]] for op in described.ops if op.params}
    assert {name: tensor.dtype for name, tensor in stored.items()} == {
        name: "int4" if kind == "int4" else "int8" for name, kind in kinds.items()
    }
    model = unpack(outcome.state.content)
    for work in heavy(model):
        if kinds[work.layer] == "table":
            values = distinct(held(model, work.tensor(WEIGHTS)), 0).max()
            assert values <= 2 ** facts["kernels"][f"{work.layer}/kernel"]["bits"]
    saved = sum(
        stored[name].elements - facts["kernels"][f"{name}/kernel"]["bytes"]
        for name, kind in kinds.items()
        if kind == "table"
    )
    assert len(strip(outcome.state.content)) - saved == pytest.approx(facts["flash_predicted"], abs=200)
    assert "the pass `compact`" in outcome.facts["notes"][0]
    assert run({"precision": "auto", "flash": "7 KiB"}, tmp_path).state.content == outcome.state.content


def test_tables_that_were_chosen_survive_training(tmp_path):
    keys = {"how": "qat", "epochs": 1, "batch": 50, "precision": "auto", "flash": "7 KiB"}
    outcome = run(keys, tmp_path)
    chosen = outcome.facts["precision"]["kernels"]
    tables = {name.partition("/")[0]: each["bits"] for name, each in chosen.items() if each["as"] == "table"}
    assert tables
    assert "int4" not in {each["as"] for each in chosen.values()}
    model = unpack(outcome.state.content)
    for work in heavy(model):
        if work.layer in tables:
            assert distinct(held(model, work.tensor(WEIGHTS)), 0).max() <= 2 ** tables[work.layer]


def test_clipping_is_told_by_tensor(tmp_path):
    source = artifacts.net()
    clip = Quantize(use="quantize", calibrate="percentile", percentile=95.0)
    outcome = apply(clip, source, artifacts.context(tmp_path, source))
    ranges = outcome.facts["ranges"]
    assert 0 < ranges["clipped"] <= ranges["activations"]
    assert 0 < ranges["largest"]["fraction_left"] < 1
    described = describe(outcome.state.content)
    assert ranges["largest"]["tensor"] in {tensor.name for tensor in described.tensors}
    assert outcome.state.content != artifacts.content()
    whole = Quantize(use="quantize", calibrate="percentile", percentile=100.0)
    assert apply(whole, source, artifacts.context(tmp_path, source)).facts["ranges"]["clipped"] == 0


def test_a_transformer_takes_ids_and_stays_whole_in_int8(tmp_path):
    source = Net(sentences.network(), sentences.TASK)
    outcome = apply(Quantize(use="quantize"), source, sentences.context(tmp_path, source))
    facts = outcome.facts
    assert facts["input"] == {"dtype": "int32", "shape": [1, sentences.TOKENS]}
    assert set(facts["output"]) == {"scale", "zero_point"}
    assert facts["float_tensors"] == 0
    assert "notes" not in facts
    assert describe(outcome.state.content).outputs[0].dtype == "int8"


def test_dense_layers_over_tokens_by_channel_are_warned_of(tmp_path):
    source = Net(sentences.network(), sentences.TASK)
    asked = Quantize(use="quantize", per_channel_dense=True)
    facts = apply(asked, source, sentences.context(tmp_path, source)).facts
    assert "per_channel_dense = false" in facts["notes"][0]
    assert "layer0_inner" in facts["per_channel_dense"]["layers"]
    usual = apply(Quantize(use="quantize"), artifacts.net(), artifacts.context(tmp_path))
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
        outcomes.append(apply(aware, source, sentences.context(tmp_path / run, source)))
    first, second = outcomes
    assert first.state.content == second.state.content
    assert first.facts["fine_tune"]["epochs"] == 1
    assert first.facts["zero_weights_after"] >= first.facts["zero_weights_before"] > 0.05
    assert first.skipped == ()
    assert [weight.tobytes() for weight in source.model.get_weights()] == before
    untrained = Quantize(use="quantize", per_channel_dense=False, calibrate="percentile")
    assert apply(untrained, source, sentences.context(tmp_path, source)).state.content != first.state.content


def test_padding_is_hidden_even_where_no_calibration_sentence_has_any(tmp_path):
    source = Net(sentences.network(), sentences.TASK)
    context = sentences.context(tmp_path, source)
    words = " ".join(["film"] * sentences.TOKENS)
    calibration = context.data.calibration
    full = replace(calibration, x=np.array([words] * len(calibration), object))
    context = replace(context, data=replace(context.data, calibration=full))
    flat = apply(Quantize(use="quantize", per_channel_dense=False), source, context).state
    described = describe(flat.content)
    masks = [described.tensors[op.outputs[0]] for op in described.ops if op.name == "GATHER" and "mask" in op.layer]
    assert [tensor.scales[0] for tensor in masks] == [pytest.approx(16 / 255, rel=1e-3)]


@pytest.mark.parametrize(
    ("most", "is_asked", "set_aside", "train", "note"),
    [
        (500, False, 200, 5000, None),
        (500, True, 500, 5000, None),
        (300, True, 2000, 5000, None),
        (500, False, 2000, 5000, "[data] sets 2000 calibration examples aside, and quantize takes 500 of them; "
                                 "calibration = 2000 in quantize takes all"),
        (1000, True, 200, 5000, "quantize has calibration = 1000, and [data] sets 200 examples aside; all of them "
                                "calibrate; [data] calibration = 1000 gives more"),
        (1000, True, 200, 700, "quantize has calibration = 1000, and [data] sets 200 examples aside; all of them "
                               "calibrate; [data] calibration = 700 gives more"),
        (1000, True, 150, 150, "quantize has calibration = 1000, and [data] sets 150 examples aside; all of them "
                               "calibrate"),
    ],
)  # fmt: skip
def test_calibration_by_other_than_the_recipe_says_is_noted(
    most: int, is_asked: bool, set_aside: int, train: int, note: str | None
) -> None:
    assert calibration_notes(most, is_asked, set_aside, train) == ([note] if note else [])


def test_the_notes_speak_of_the_recipes_own_number(tmp_path: Path) -> None:
    source = artifacts.net()
    outcome = apply(Quantize(use="quantize", calibration=300), source, artifacts.context(tmp_path, source))
    assert outcome.facts["notes"][0].startswith("quantize has calibration = 300, and [data] sets 40 examples aside")
    assert outcome.facts["notes"][0].endswith("[data] calibration = 200 gives more")
