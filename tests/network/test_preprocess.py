"""The pass `preprocess`: what it gives, and that every later pass leaves it alone."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage, signal
from support import texts, waves

from tinyc.core.errors import UserError
from tinyc.core.run_folder import store
from tinyc.data.inputs import inputs
from tinyc.data.task import Stream
from tinyc.network import backend
from tinyc.network.grafting import front_of
from tinyc.network.signal_layers import BACK, FRONT
from tinyc.network.state import Net
from tinyc.run import stored
from tinyc.spec.passes import PASSES, apply
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.pool import Pool
from tinyc.training import teachers

LOWPASS = {"op": "denoise", "how": "lowpass", "cutoff": 10.0, "taps": 9}
MEDIAN = {"op": "denoise", "how": "median", "taps": 3}
NORMALIZE = {"op": "normalize"}
PCA = {"op": "pca", "components": 3}
TRAINING = {"epochs": 1, "batch": 40}


def preprocess(*steps):
    return PASSES["preprocess"].model_validate({"use": "preprocess", "steps": steps})


def made(use, **keys):
    return PASSES[use].model_validate({"use": use, **keys})


@functools.cache
def trained():
    model = waves.network()
    x, y = (each[:240] for each in waves.windows())
    losses = backend.keras().losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(backend.keras().optimizers.Adam(0.01), losses)
    model.fit(inputs(x, waves.TASK), y, epochs=12, batch_size=24, verbose=0)
    return Net(model, waves.TASK)


def accuracy(state, start=240, stop=400):
    x, y = (each[start:stop] for each in waves.windows())
    return float((state.model.predict(inputs(x, state.task), verbose=0).argmax(-1) == y).mean())


def after(state, context):
    """The context that the pipeline lends to the pass that follows."""
    return replace(context, data=replace(context.data, task=state.task))


def front_weights(model):
    return [
        np.array(value)
        for layer in model.layers
        if layer.name.startswith((FRONT, BACK))
        for value in layer.get_weights()
    ]


def same(before, model):
    found = front_weights(model)
    assert len(before) == len(found) > 0
    for old, new in zip(before, found, strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_network_takes_raw_windows_and_sees_its_own_view(tmp_path):
    net = trained()
    outcome = apply(preprocess(LOWPASS, NORMALIZE), net, waves.context(tmp_path))
    assert outcome.state.task == net.task
    raw = inputs(waves.windows()[0][:30], net.task)
    taps = signal.firwin(9, 10, fs=waves.RATE)
    filtered = ndimage.convolve1d(raw.astype(np.float64), taps, axis=1, mode="constant").astype(np.float32)
    front = front_of(outcome.state.model).predict(raw, verbose=0)
    stats = ndimage.convolve1d(inputs(waves.data().train.x, net.task).astype(np.float64), taps, axis=1, mode="constant")
    wanted = (filtered - stats.mean((0, 1, 2))) / stats.std((0, 1, 2))
    np.testing.assert_allclose(front, wanted, atol=1e-5)
    np.testing.assert_allclose(outcome.state.model.predict(raw, verbose=0), net.model.predict(filtered, verbose=0),
                               atol=1e-3)  # fmt: skip
    assert outcome.facts["layers"] == [f"{FRONT}filter"]
    assert json.dumps(outcome.facts)


def test_steps_up_to_the_last_median_run_before_the_network(tmp_path):
    outcome = apply(preprocess(PCA, MEDIAN, NORMALIZE), trained(), waves.context(tmp_path))
    task = outcome.state.task
    assert [type(each).__name__ for each in task.front.operations] == ["Project", "Median"]
    assert task.input_shape == task.front.output_shape == outcome.state.model.input_shape[1:] == (48, 1, 3)
    seen = inputs(waves.windows()[0][:240], task)
    reduced = front_of(outcome.state.model).predict(seen, verbose=0)
    np.testing.assert_allclose(reduced.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(reduced.std((0, 1, 2)), 1, atol=1e-4)
    assert [step["runs"] for step in outcome.facts["steps"]] == ["before the network, as C"] * 2 + ["in the network"]
    # Four channels come back out of three components, which held most of the signal.
    assert accuracy(outcome.state) > accuracy(trained()) - 0.15


def test_only_training_data_is_fitted_on(tmp_path):
    context = waves.context(tmp_path)
    other = replace(context.data.validation, x=context.data.validation.x * 100)
    changed = replace(context, data=replace(context.data, validation=other, calibration=other))
    first, second = (apply(preprocess(NORMALIZE, PCA), trained(), each) for each in (context, changed))
    assert first.facts == second.facts
    same(front_weights(first.state.model), second.state.model)


def test_the_bytes_a_second(tmp_path):
    outcome = apply(preprocess(MEDIAN, PCA), trained(), waves.context(tmp_path))
    assert outcome.facts["stream"] == {"sensor_bytes_per_second": 400.0, "after_preprocessing_bytes_per_second": 150.0}
    for rate, left in ((None, None), (50.0, 150.0)):
        task = replace(waves.TASK, stream=Stream(400.0, 1.0))
        step = {**LOWPASS, "rate": rate} if rate else MEDIAN
        facts = apply(preprocess(step, PCA), Net(trained().model, task), waves.context(tmp_path, task=task)).facts
        assert facts["stream"]["after_preprocessing_bytes_per_second"] == left
    task = replace(waves.TASK, stream=None)
    assert "stream" not in apply(preprocess(PCA), Net(trained().model, task), waves.context(tmp_path, task=task)).facts


def test_what_cannot_be_preprocessed_is_refused(tmp_path):
    once = apply(preprocess(NORMALIZE), trained(), waves.context(tmp_path)).state
    with pytest.raises(UserError, match="preprocessed already"):
        apply(preprocess(NORMALIZE), once, after(once, waves.context(tmp_path)))
    fronted = apply(preprocess(MEDIAN), trained(), waves.context(tmp_path)).state
    with pytest.raises(UserError, match="preprocessed already"):
        apply(preprocess(NORMALIZE), fronted, after(fronted, waves.context(tmp_path)))
    with pytest.raises(UserError, match="reads text"):
        apply(preprocess(NORMALIZE), texts.net(), texts.context(tmp_path))


@pytest.mark.parametrize("steps", [(MEDIAN, NORMALIZE, PCA), (LOWPASS, NORMALIZE)], ids=["front", "layers"])
@pytest.mark.parametrize("views", [1, "fresh"])
def test_a_student_stands_on_the_reduced_signal_and_its_teacher_hears_the_raw_one(tmp_path, monkeypatch, steps, views):
    context = waves.context(tmp_path, trained())
    state = apply(preprocess(*steps), trained(), context).state
    heard = []

    def listening(model, task):
        def predict(x):
            heard.append(x)
            return [model.predict(x, verbose=0)]

        return predict

    monkeypatch.setattr(teachers, "teacher_predictor", listening)
    keys = {"student": waves.student(tmp_path), "views": views, **TRAINING}
    outcome = apply(made("distill", **keys), state, after(state, context))
    same(front_weights(state.model)[: len(front_weights(front_of(state.model)))], outcome.state.model)
    assert outcome.state.model.get_layer("stem").input_shape == (None, 48, 1, 3 if PCA in steps else 4)
    assert not [layer for layer in outcome.state.model.layers if layer.name.startswith(BACK)]
    assert outcome.state.task == state.task
    raw = inputs(context.data.train.x, context.source.task)
    held = {example.tobytes() for example in (*raw, *inputs(context.data.validation.x, context.source.task))}
    assert heard
    assert all(example.tobytes() in held for batch in heard for example in batch)


def test_soft_labels_are_those_of_the_raw_signal_with_a_front_and_without(tmp_path):
    context = waves.context(tmp_path, trained())
    state = apply(preprocess(MEDIAN, NORMALIZE), trained(), context).state
    keys = {"student": waves.student(tmp_path), "views": 1, **TRAINING}
    plain = apply(made("distill", **keys), trained(), context)
    fronted = apply(made("distill", **keys), state, after(state, context))
    stores = [each.facts["store"] for each in (plain, fronted)]
    assert stores[0]["key"] == stores[1]["key"]
    assert [each["views_reused"] for each in stores] == [0, 1]
    assert stores[0]["teacher_train_accuracy"] == stores[1]["teacher_train_accuracy"]
    assert plain.facts["teacher_validation_accuracy"] == fronted.facts["teacher_validation_accuracy"]
    elsewhere = waves.context(tmp_path / "other", trained())
    alone = apply(made("distill", **keys), state, after(state, elsewhere))
    assert alone.facts["store"] == {**stores[0], "views_reused": 0}


LATER: list[tuple[str, dict[str, Any]]] = [
    ("prune", {"how": "channels", "fraction": 0.5, **TRAINING}),
    ("prune", {"how": "channels", "fraction": 0.5, "scope": "global", "importance": "taylor", **TRAINING}),
    ("prune", {"how": "channels", "budget": {"params": "60 %"}, **TRAINING}),
    ("prune", {"how": "magnitude", "sparsity": 0.5, "weight_decay": 0.1, **TRAINING}),
    ("factorize", {"rank": 1, **TRAINING}),
    ("cluster", {"clusters": 2, **TRAINING}),
]


@functools.cache
def projected(folder):
    wide = Net(waves.network(24), waves.TASK)
    return apply(preprocess(LOWPASS, NORMALIZE, PCA), wide, waves.context(folder)).state


@pytest.mark.slow
@pytest.mark.parametrize(("use", "keys"), LATER, ids=[f"{use}-{keys.get('how', '')}" for use, keys in LATER])
def test_later_passes_leave_the_layers_alone(tmp_path, tmp_path_factory, use, keys):
    state = projected(tmp_path_factory.getbasetemp())
    outcome = apply(made(use, **keys), state, after(state, waves.context(tmp_path, trained())))
    same(front_weights(state.model), outcome.state.model)
    assert [layer.name for layer in outcome.state.model.layers[1:4]] == [f"{FRONT}mix", f"{FRONT}filter", f"{BACK}mix"]
    told = {skip.layer: skip.why for skip in outcome.skipped}
    assert f"{FRONT}mix" in told
    assert "preprocessing" in told[f"{FRONT}mix"]
    changed = [not np.array_equal(a, b) for a, b in zip(state.model.get_layer("logits").get_weights(),
               outcome.state.model.get_layer("logits").get_weights(), strict=False)]  # fmt: skip
    assert any(changed) or use == "factorize"


@pytest.mark.slow
def test_training_under_int8_rounding_leaves_the_layers_alone(tmp_path, tmp_path_factory, monkeypatch):
    from tinyc.quantization import qat

    seen = []
    settle = qat.settle
    monkeypatch.setattr(qat, "settle", lambda wrapped: (seen.append(wrapped), settle(wrapped)))
    state = projected(tmp_path_factory.getbasetemp())
    context = after(state, waves.context(tmp_path, trained()))
    outcome = apply(made("quantize", how="qat", weight_decay=0.1, **TRAINING), state, context)
    assert outcome.skipped == ()
    wrapped = seen[-1]
    for name in (f"{FRONT}mix", f"{FRONT}filter", f"{BACK}mix"):
        held = wrapped.get_layer(f"quant_{name}").get_weights()
        for old in state.model.get_layer(name).get_weights():
            assert any(np.array_equal(old, new) for new in held)
    assert not [weight.name for weight in wrapped.trainable_weights if "tinyc_" in weight.name]


@pytest.mark.slow
@pytest.mark.parametrize("steps", [(LOWPASS, NORMALIZE, PCA), (MEDIAN, {"op": "denoise", "how": "wavelet", "level": 2},
                                                               NORMALIZE)], ids=["layers", "front"])  # fmt: skip
def test_the_artifact_takes_raw_windows(tmp_path, steps):
    context = waves.context(tmp_path, trained())
    state = apply(preprocess(*steps), trained(), context).state
    context = after(state, context)
    taught = made("distill", student=waves.student(tmp_path), epochs=12, views=2, batch=24, learning_rate=0.01)
    state = apply(taught, state, context).state
    flat = apply(made("quantize", how="ptq"), state, context).state
    exported = apply(made("export"), flat, context)
    x, y = (each[240:] for each in waves.windows())
    content = exported.state.content
    assert describe(content).inputs[0].shape == (1, *state.task.input_shape)
    with Pool(1) as pool:
        run = pool.run(content, inputs(x, exported.state.task), "tflm")
    found = float((run.outputs.reshape(len(y), -1).argmax(-1) == y).mean())
    assert accuracy(state) > 0.85
    assert found > accuracy(state) - 0.05
    ops = [op.name for op in describe(content).ops]
    assert ("DEPTHWISE_CONV_2D" in ops[:2]) or "CONV_2D" in ops[:1]
    names = {"preprocess.json", "preprocess.c", "preprocess.h"}
    if state.task.front is None:
        assert names.isdisjoint(exported.files)
        return
    assert names < set(exported.files)
    assert exported.state.tables["preprocess"] == 4 * 16
    assert b"model_preprocess" in exported.files["model_data.h"]
    assert b"PREPROCESS_SCALE" not in exported.files["model_data.h"]
    only = apply(made("export", formats=["tflite"]), flat, context)
    assert set(only.files) == {"model.tflite", "preprocess.json"}
    assert "preprocess" not in only.state.tables


@pytest.mark.parametrize("steps", [(MEDIAN, PCA), (PCA,)], ids=["front", "layers"])
def test_a_stored_state_is_read_back(tmp_path, steps):
    state = apply(preprocess(*steps), trained(), waves.context(tmp_path)).state
    step = tmp_path / "01-preprocess-abc"
    store(step, {"state": stored.describe(state)}, stored.state_files(state))
    found: Any = stored.load_state(step, waves.TASK, dict)
    assert found.task == state.task
    same(front_weights(state.model), found.model)
    assert not [weight for weight in found.model.trainable_weights if "tinyc_" in weight.name]
    assert accuracy(found) == accuracy(state)


@pytest.mark.parametrize("steps", [(NORMALIZE,), (PCA, NORMALIZE)])
def test_rows_of_numbers(tmp_path, steps):
    keras = backend.keras()
    task = replace(waves.TASK, input_shape=(4,), stream=Stream(400.0, 10.0, 10.0))
    given = keras.Input((4,))
    model = keras.Model(given, keras.layers.Dense(3, name="logits")(given))
    context = waves.context(tmp_path, task=task)
    split = replace(context.data.train, x=context.data.train.x[:, 7, 0])
    context = replace(context, data=replace(context.data, train=split, validation=split, calibration=split))
    outcome = apply(preprocess(*steps), Net(model, task), context)
    rows = inputs(split.x, task)
    front = front_of(outcome.state.model).predict(rows, verbose=0)
    np.testing.assert_allclose(front.std(0), 1, atol=1e-3)
    if PCA not in steps:
        np.testing.assert_allclose(
            outcome.state.model.predict(rows, verbose=0), model.predict(rows, verbose=0), atol=1e-4
        )
    assert outcome.facts["stream"]["after_preprocessing_bytes_per_second"] == 10 * front.shape[1]
    aware = apply(made("quantize", how="qat", epochs=1, batch=40), outcome.state, after(outcome.state, context))
    assert aware.skipped == ()
    with pytest.raises(UserError, match="denoise takes windows"):
        apply(preprocess(MEDIAN), Net(model, task), context)
