"""Quantization-aware training: ranges from data, layers left out by name, the network untouched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import artifacts, chains

from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.quantization.convert import to_int8_tflite
from tinyc.quantization.qat import quantization_aware
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.write.integer import float_tensors, zero_weights


def ending(*layers):
    made = backend.keras().layers
    backend.seed_everything(2)
    first = made.Conv2D(4, 3, 2, name="first")
    return chains.chain(
        (14, 14, 1), first, *layers, made.GlobalAveragePooling2D(), made.Dense(10, name="logits"), name="net"
    )


def test_ranges_start_at_the_data():
    model = artifacts.network()
    before = [weight.copy() for weight in model.get_weights()]
    aware = quantization_aware(model, artifacts.samples())
    content = to_int8_tflite(aware.model, artifacts.samples())
    post_training = describe(artifacts.content())
    described = describe(content)
    assert aware.skipped == ()
    assert described.inputs[0].scales == post_training.inputs[0].scales
    # The mean of batches' extremes lies inside the extremes; TFMOT's own start would be 12/255 or more.
    for op, other in zip(described.ops, post_training.ops, strict=True):
        assert op.name == other.name
        scale, measured = described.tensors[op.outputs[0]].scales[0], post_training.tensors[other.outputs[0]].scales[0]
        assert scale == pytest.approx(measured, rel=0.25)
    for weight, was in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, was)
    assert all(len(layer.outbound_nodes) <= 2 for layer in model.layers)


def test_untrained_it_rounds_to_the_same_weights_as_post_training():
    model = artifacts.network(sparse=True)
    aware = quantization_aware(model, artifacts.samples())
    content = to_int8_tflite(aware.model, artifacts.samples())
    assert float_tensors(content) == 0
    assert zero_weights(content) == pytest.approx(zero_weights(to_int8_tflite(model, artifacts.samples())), abs=0.01)
    assert zero_weights(content) > 0.45


def test_a_layer_without_a_training_form_is_left_out_and_said():
    layers = backend.keras().layers
    model = ending(layers.PReLU(shared_axes=[1, 2], name="slopes"), layers.Conv2D(4, 3, name="then"))
    aware = quantization_aware(model, artifacts.samples())
    assert [skipped.layer for skipped in aware.skipped] == ["slopes"]
    content = to_int8_tflite(aware.model, artifacts.samples())
    assert float_tensors(content) == 0
    assert "PRELU" in {op.name for op in describe(content).ops}


def test_an_activation_without_a_training_form_is_refused_by_name():
    model = ending(backend.keras().layers.Conv2D(3, 3, activation="elu", name="smooth"))
    with pytest.raises(UserError, match="the activation elu has no form") as raised:
        quantization_aware(model, artifacts.samples())
    assert raised.value.where == "net, layer smooth"
    assert 'how = "ptq"' in raised.value.remedy


def test_a_subclassed_network_is_refused():
    keras: Any = backend.keras()

    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(UserError, match="subclassed"):
        quantization_aware(Own(name="own"), artifacts.samples())
