"""What is written with operators is trained under int8 rounding as it is quantized after training: int8 throughout."""

from __future__ import annotations

import numpy as np
import pytest
from support import artifacts, operators
from support.operators import WRITTEN, X, keras, layers, network, tf

from tinyc.core.errors import UserError
from tinyc.network.rewriting.functions import in_layers
from tinyc.quantization.aware_training import require_int8
from tinyc.quantization.convert import to_int8_tflite
from tinyc.quantization.qat import quantization_aware
from tinyc.spec.passes import apply
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write.integer import float_tensors
from tinyc.training import fine_tuning

NEAR = 0.06
"""How far int8 outputs may be from float ones, as a fraction of their range; a wrong range is apart by tenths."""


@pytest.fixture(scope="module")
def pool():
    with Pool(1) as pool:
        yield pool


def lowered(model):
    aware = quantization_aware(model, X)
    return to_int8_tflite(aware.model, X, False), aware


@pytest.mark.parametrize("name", WRITTEN)
def test_training_under_int8_rounding_gives_int8_that_tflm_runs_near_the_float_network(name, pool):
    model = network(WRITTEN[name])
    content, aware = lowered(in_layers(model))
    assert float_tensors(content) == 0
    assert aware.skipped == ()
    tflm, reference = (pool.run(content, X[:12], runtime) for runtime in ("tflm", "reference"))
    np.testing.assert_array_equal(tflm.raw, reference.raw)
    wanted = model(X[:12]).numpy()
    assert np.abs(tflm.outputs - wanted).max() <= NEAR * np.ptp(wanted)


def test_a_hard_swish_is_one_operator_either_way():
    model = in_layers(network(WRITTEN["hard swish"]))
    for content in (lowered(model)[0], to_int8_tflite(model, X, False)):
        names = [op.name for op in describe(content).ops]
        assert names.count("HARD_SWISH") == 1
        assert not {"MUL", "ADD", "QUANTIZE"} & {*names}


@pytest.mark.parametrize("name", ["split", "unstack", "channel shuffle", "gated halves", "places"])
def test_parts_are_taken_by_the_same_operators_either_way(name):
    """`tf.split` and `tf.unstack` came as SPLIT and UNPACK after training alone."""
    model = in_layers(network(WRITTEN[name]))
    one, two = (
        {op.name for op in describe(content).ops} for content in (lowered(model)[0], to_int8_tflite(model, X, False))
    )
    assert one - two <= {"QUANTIZE"}
    assert not {"SPLIT", "SPLIT_V", "UNPACK"} & (one | two)


@pytest.mark.parametrize(
    ("written", "operator"),
    [(lambda x: tf.reverse(x, [1]), "REVERSE_V2"), (lambda x: tf.tile(x, [1, 1, 1, 2]), "TILE")],
)
def test_a_function_that_stays_is_left_out_of_the_wrappers_and_said(written, operator):
    model = in_layers(network(written))
    content, aware = lowered(model)
    assert float_tensors(content) == 0
    assert [skipped.layer for skipped in aware.skipped] == [layer.name for layer in model.layers[3:-3]]
    assert operator in {op.name for op in describe(content).ops}


@pytest.mark.parametrize(
    ("written", "layer", "said"),
    [
        (lambda x: x / (tf.abs(x) + 1.0), "tf.math.truediv", "DIV stays in float"),
        (lambda x: tf.sqrt(tf.nn.relu(x) + 1.0), "tf.math.sqrt", "SQRT stays in float"),
        (lambda x: tf.einsum("bhwc,bhwd->bhwd", x, x), "tf.einsum", "function tf.einsum has no form"),
    ],
)
def test_what_has_no_int8_form_is_refused_by_the_users_layer(written, layer, said):
    keras.backend.clear_session()
    model = in_layers(network(written))
    with pytest.raises(UserError, match=said) as raised:
        require_int8(quantization_aware(model, X).model, model, X)
    assert raised.value.where == f"net, layer {layer}"


def test_it_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    from tinyc.network.state import Net
    from tinyc.spec.passes.quantize import Quantize

    def trained(*_):
        raise AssertionError("it was trained first")

    image = keras.Input((14, 14, 1))
    x = layers.Conv2D(4, 3, 2)(image)
    x = layers.GlobalAveragePooling2D()(x / (1.0 + tf.abs(x)))
    model = in_layers(keras.Model(image, layers.Dense(10)(x), name="net"))
    monkeypatch.setattr(fine_tuning, "fine_tune", trained)
    net = Net(model, artifacts.TASK)
    with pytest.raises(UserError, match="DIV stays in float"):
        apply(Quantize(use="quantize", how="qat"), net, artifacts.context(tmp_path, net))


def test_where_only_the_wrappers_stand_in_the_way_post_training_quantization_is_the_remedy():
    model = in_layers(network(WRITTEN["hard swish"]))
    hidden = keras.Sequential([keras.Input(X.shape[1:]), layers.Flatten(), layers.Dense(4), layers.Lambda(tf.sqrt)])
    with pytest.raises(UserError, match="once it is trained under int8 rounding") as raised:
        require_int8(hidden, model, X)
    assert raised.value.remedy == 'write `how = "ptq"`'


def test_ranges_are_where_int8_has_scales():
    """A product that a ReLU follows has none of its own, and what only moves numbers keeps the one before."""
    model = in_layers(network(lambda x: tf.nn.relu(x * operators.EACH)[:, ::2]))
    aware = quantization_aware(model, X)
    ranged = {
        layer.name.removeprefix("quant_")
        for layer in aware.model.layers
        if any("_max" in weight.name for weight in layer.weights if "kernel" not in weight.name)
    }
    kinds = {type(layer).__name__ for layer in model.layers if layer.name in ranged}
    assert kinds & {"ReLU", "WithConstant", "Slice"} == {"ReLU"}
