"""Transformers under int8 rounding: rounded as the artifact will be, trainable, and better for it."""

from __future__ import annotations

import numpy as np
import pytest
from support import sentences
from support.optional import not_none

from tinyc.network import backend
from tinyc.network.state import Net
from tinyc.quantization.qat import has_blocks
from tinyc.spec.passes import apply
from tinyc.spec.passes.quantize import Quantize
from tinyc.spec.training import FitOptions
from tinyc.tflite.run.pool import Pool
from tinyc.training.fine_tuning import fine_tune


@pytest.fixture(scope="module")
def pool():
    with Pool(1) as pool:
        yield pool


def error(outputs, expected):
    return float(np.sqrt(np.mean((outputs - expected) ** 2)))


def loss(logits, labels):
    """Cross-entropy in nats."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]))


def make_coarse(model, outlier):
    """Give two dense layers one huge weight each, whose outputs nothing reads: the rest gets coarse steps in int8."""
    for wide, reader in (("layer0_value", "layer0_output"), ("layer0_inner", "layer0_outer")):
        (kernel, bias), (read, shift) = (model.get_layer(name).get_weights() for name in (wide, reader))
        kernel[0, 0], read[0] = outlier, 0.0
        model.get_layer(wide).set_weights([kernel, bias])
        model.get_layer(reader).set_weights([read, shift])


def test_wrapped_it_errs_as_much_as_the_artifact(pool):
    from tinyc.quantization.fake_quant import unwrap, wrap

    model, ids = sentences.network(), sentences.ids(100)
    expected = model(ids).numpy()
    aware = wrap(model, ids, False)
    wrapped = aware.model
    assert aware.skipped == ()
    assert has_blocks(model)
    artifact = error(pool.run(sentences.content(), ids, "tflm").outputs, expected)
    assert artifact / 3 < error(wrapped(ids).numpy(), expected) < artifact * 3
    np.testing.assert_array_equal(unwrap(wrapped, model)(ids).numpy(), expected)
    assert [v.name for v in wrapped.trainable_weights] == [v.name for v in model.trainable_weights]


@pytest.mark.parametrize(("by_channel", "steps"), [(True, (0.01, 1.0)), (False, (1.0, 1.0))])
def test_weights_are_rounded_by_channel_or_by_tensor_and_pass_gradients(by_channel, steps):
    from tinyc.quantization.fake_quant import fake_quantized

    tf = backend.tensorflow()
    weight = tf.Variable([[1.27, 127.0], [0.004, -3.4], [0.0, 0.0]])
    with tf.GradientTape() as tape:
        found = fake_quantized(weight, by_channel)
        total = tf.reduce_sum(found * [[1.0, 2.0]])
    np.testing.assert_allclose(found, np.round(weight / np.array(steps)) * steps, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(tape.gradient(total, weight), [[1.0, 2.0]] * 3)


def test_ranges_start_at_the_data_and_follow_it_in_training_alone():
    from tinyc.quantization.fake_quant import wrap

    model, ids = sentences.network(), sentences.ids(100)
    wrapped = wrap(model, ids, False).model
    probe = backend.keras().Model(model.inputs, model.get_layer("embedding_norm").output)(ids).numpy()
    ranges = wrapped.get_layer("embedding_norm").output_range
    assert float(ranges.low) == pytest.approx(probe.min(), rel=0.02)
    assert float(ranges.high) == pytest.approx(probe.max(), rel=0.02)
    before = float(ranges.high)
    wrapped(ids[:2], training=False)
    assert float(ranges.high) == before
    wrapped(ids[:2], training=True)
    assert 0.9 * before < float(ranges.high) < before
    assert wrapped.get_layer("layer0_inner").output_range is None  # a ReLU is fused into it
    scores = wrapped.get_layer("layer0_attention").score_range
    assert float(scores.low) < -16


def test_training_wins_back_what_coarse_weights_lose(tmp_path, pool):
    source = Net(sentences.network(spread=0.02), sentences.TASK)
    context = sentences.context(tmp_path, source)
    fine_tune(source.model, FitOptions(epochs=3, batch=32, learning_rate=5e-3), context, "source")
    make_coarse(source.model, 40.0)
    (x, labels), losses = sentences.sentences(400, seed=9), {}
    ids = not_none(sentences.TASK.tokenizer).encode(x)
    for how, keys in {"ptq": {}, "qat": {"epochs": 2, "batch": 32, "learning_rate": 5e-3}}.items():
        outcome = apply(Quantize(use="quantize", how=how, per_channel_dense=False, **keys), source, context)
        tflm, reference = (pool.run(outcome.state.content, ids, runtime) for runtime in ("tflm", "reference"))
        np.testing.assert_array_equal(tflm.raw, reference.raw)
        losses[how] = loss(tflm.outputs, labels)
    assert losses["ptq"] > 1.5 * loss(source.model(ids).numpy(), labels)
    assert losses["qat"] < losses["ptq"] / 3
