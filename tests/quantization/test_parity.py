"""Wrapped for training under int8 rounding, a network computes what it did; where it would not, the layer is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinyc.core.errors import UserError
from tinyc.network import backend
from tinyc.quantization import fixed_ranges, parity, qat
from tinyc.quantization.convert import to_int8_tflite
from tinyc.quantization.wrappers import inside, unrounded
from tinyc.tflite.run.pool import Pool

SHAPE = (8, 8, 3)
FEATURES = (8, 8, 4)


def images() -> Any:
    return np.random.default_rng(0).uniform(0, 255, (32, *SHAPE)).astype(np.float32)


def network(front: Any = None, middle: Any = None) -> Any:
    """Two convolutions with drawn statistics, and layers under test before them or between them."""
    keras = backend.keras()
    layers, draw = keras.layers, np.random.default_rng(1)
    backend.seed_everything(1)
    x = given = keras.Input(SHAPE)
    x = front(x) if front else x
    x = layers.Conv2D(4, 3, padding="same", name="one")(x)
    x = layers.ReLU(name="bent")(layers.BatchNormalization(name="norm")(x))
    x = middle(x) if middle else x
    x = layers.Conv2D(4, 3, activation="relu", name="two")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(given, layers.Dense(3, name="logits")(x), name="net")
    for variable in model.get_layer("norm").weights:
        variable.assign(draw.uniform(0.5, 2, variable.shape))
    return model


def adapted(shape: tuple[int, ...], **options: Any) -> Any:
    layer = backend.keras().layers.Normalization(name="under_test", **options)
    layer.adapt(np.random.default_rng(2).normal(90, 40, (64, *shape)).astype(np.float32))
    return layer


def drawn(layer: Any) -> Callable[[Any], Any]:
    """Put other numbers than it starts with into all weights of a layer."""

    def call(x: Any) -> Any:
        found = layer(x)
        draw = np.random.default_rng(3)
        layer.set_weights([draw.uniform(0.2, 0.9, weight.shape).astype(np.float32) for weight in layer.get_weights()])
        return found

    return call


def keras_layer(kind: str, *given: Any, **options: Any) -> Callable[[], Any]:
    return lambda: drawn(getattr(backend.keras().layers, kind)(*given, name="under_test", **options))


def own_classes() -> dict[str, Any]:
    """Layers as users write them: state in weights, in weights without names, in layers within, made of weights."""
    keras: Any = backend.keras()
    tf = backend.tensorflow()

    class Shifted(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.shift = self.add_weight("shift", (shape[-1],), trainable=False)

        def call(self, x: Any) -> Any:
            return x + self.shift

    class Unnamed(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.first, self.second = tf.Variable(np.ones(shape[-1], "f")), tf.Variable(np.ones(shape[-1], "f"))

        def call(self, x: Any) -> Any:
            return x * self.first + self.second

    class Nested(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.parts = [keras.layers.Dense(shape[-1]) for _ in range(2)]
            for part in self.parts:
                part.build(shape)

        def call(self, x: Any) -> Any:
            return self.parts[1](self.parts[0](x))

    class Derived(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.held = self.add_weight("held", (shape[-1],), initializer="ones", trainable=False)
            self.finalize_state()

        def finalize_state(self) -> None:
            self.factor = tf.constant(self.held.numpy())

        def call(self, x: Any) -> Any:
            return x * self.factor

    class Attribute(keras.layers.Layer):
        factor = 1.0

        def call(self, x: Any) -> Any:
            return x * self.factor

    class Noisy(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x + tf.random.normal(tf.shape(x))

    class Bare(keras.layers.Layer):
        def __init__(self, factor: float, **options: Any) -> None:
            super().__init__(**options)
            self.factor = factor

        def call(self, x: Any) -> Any:
            return x * self.factor

    return {
        each.__name__: each for each in (Shifted, Unnamed, Nested, Derived, Attribute, Noisy, Bare)
    }  # fmt: skip


def own(kind: str) -> Callable[[], Any]:
    return lambda: drawn(own_classes()[kind](name="under_test"))


KEPT = {
    "adapted": ("front", lambda: adapted(SHAPE)),
    "adapted over all": ("front", lambda: adapted(SHAPE, axis=None)),
    "adapted at each place": ("front", lambda: adapted(SHAPE, axis=(1, 2, 3))),
    "inverted": ("middle", lambda: adapted(FEATURES, invert=True)),
    "given": ("front", keras_layer("Normalization", mean=[1.0, 2, 3], variance=[4.0, 5, 6])),
    "rescaled": ("front", keras_layer("Rescaling", 1 / 255, offset=-0.5)),
    "separable": ("middle", keras_layer("SeparableConv2D", 4, 3, activation="relu", depth_multiplier=2)),
    "transposed": ("middle", keras_layer("Conv2DTranspose", 4, 3)),
    "depthwise": ("middle", keras_layer("DepthwiseConv2D", 3, dilation_rate=2)),
    "slopes": ("middle", keras_layer("PReLU", shared_axes=[1, 2])),
    "groups": ("middle", keras_layer("GroupNormalization", 2)),
    "noise": ("middle", keras_layer("GaussianNoise", 1.0)),
    "flip": ("front", keras_layer("RandomFlip")),
    "weights": ("middle", own("Shifted")),
    "unnamed weights": ("middle", own("Unnamed")),
    "layers in it": ("middle", own("Nested")),
    "made of weights": ("middle", own("Derived")),
}
MENDED = {"adapted", "adapted over all", "adapted at each place", "inverted", "made of weights"}


@pytest.mark.parametrize("kind", KEPT)
def test_what_a_layer_holds_is_kept(kind: str) -> None:
    """Judged without the proof's own code: with rounding, outputs are near those of the network that came in."""
    place, made = KEPT[kind]
    model, x = network(**{place: made()}), images()
    before = [weight.copy() for weight in model.get_weights()]
    aware = qat.quantization_aware(model, x)
    wanted, given = (np.asarray(each(x, training=False)) for each in (model, aware.model))
    assert np.abs(given - wanted).max() < 0.1 * np.ptp(wanted)
    assert [*aware.parity.mended] == (["under_test"] if kind in MENDED else [])
    assert aware.parity.largest < 1e-6
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


REFUSED = {
    "attribute": ("Attribute", "neither in its weights nor in its get_config", "add_weight"),
    "random": ("Noisy", "gives other values each time", "random at inference"),
    "no get_config": ("Bare", "cannot be copied by its get_config", "all arguments of its __init__"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_kept_is_refused_by_name(kind: str) -> None:
    name, problem, remedy = REFUSED[kind]
    layer = own_classes()[name](*([3.0] if name == "Bare" else []), name="under_test")
    layer.factor = 3.0
    with pytest.raises(UserError, match=problem) as raised:
        qat.quantization_aware(network(middle=layer), images())
    assert raised.value.where == "net, layer under_test"
    assert name in raised.value.problem
    assert remedy in raised.value.remedy
    assert 'how = "ptq"' in raised.value.remedy or kind == "random"


def test_half_precision_is_refused_by_name() -> None:
    layer = backend.keras().layers.Conv2D(4, 3, dtype="mixed_float16", name="under_test")
    with pytest.raises(UserError, match="computes in float16") as raised:
        qat.quantization_aware(network(middle=layer), images())
    assert raised.value.where == "net, layer under_test"


def test_the_artifact_normalizes() -> None:
    """The whole way: int8 outputs under TFLM against the float network, and against one whose statistics were lost."""
    model, x = network(adapted(SHAPE)), images()
    wanted = np.asarray(model(x, training=False))
    content = to_int8_tflite(qat.quantization_aware(model, x).model, x)
    with Pool(1) as pool:
        given = pool.run(content, x, "tflm").outputs.reshape(wanted.shape)
    lost = network(adapted(SHAPE))
    layer = lost.get_layer("under_test")
    layer.mean, layer.variance = layer.mean * 0, layer.variance * 0 + 1
    error, without = (np.abs(each - wanted).max() for each in (given, np.asarray(lost(x, training=False))))
    assert error < 0.1 * np.ptp(wanted) < without


def test_layers_called_twice_and_names_like_the_wrappers() -> None:
    keras = backend.keras()
    given = keras.Input(SHAPE)
    scaled, twice = adapted(SHAPE), keras.layers.Conv2D(3, 3, padding="same", name="quant_conv")
    x = twice(scaled(twice(scaled(given))))
    x = keras.layers.PReLU(shared_axes=[1, 2], name="quant_bent")(x)
    x = keras.layers.Dense(3, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    aware = qat.quantization_aware(keras.Model(given, x, name="net"), images())
    assert [skip.layer for skip in aware.skipped] == ["under_test", "quant_bent"]
    assert [*aware.parity.mended] == ["under_test"]
    assert aware.parity.layers == 5


def test_a_name_that_a_wrapper_would_take_is_refused() -> None:
    layer = backend.keras().layers.PReLU(shared_axes=[1, 2], name="quant_two")
    with pytest.raises(UserError, match="used 2 times") as raised:
        qat.quantization_aware(network(middle=layer), images())
    assert raised.value.where == "net, layer quant_two"


def test_a_separable_convolution_beside_layers_of_the_names_that_parts_would_get() -> None:
    keras = backend.keras()
    x = given = keras.Input(SHAPE)
    x = keras.layers.Conv2D(4, 3, name="conv2d")(x)
    x = keras.layers.SeparableConv2D(5, 3, strides=2, padding="same", name="apart")(x)
    x = keras.layers.Conv2D(4, 2, name="apart_depthwise")(x)
    x = keras.layers.Dense(3, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(given, x, name="net")
    keras.backend.clear_session()
    aware = qat.quantization_aware(model, images())
    assert aware.parity.layers == 6
    ranges = fixed_ranges.read_ranges(aware.model)
    wanted = np.asarray(keras.Model(model.inputs, model.get_layer("apart").output)(images()))
    assert ranges["apart/post_activation"] == pytest.approx((wanted.min(), wanted.max()), rel=1e-4)


def test_rounding_is_left_out_for_the_proof_alone() -> None:
    model, x = network(), images()
    wrapped = qat.quantization_aware(model, x).model
    wanted, rounded = np.asarray(model(x, training=False)), np.asarray(wrapped(x, training=False))
    with unrounded(wrapped):
        np.testing.assert_array_equal(np.asarray(wrapped(x, training=False)), wanted)
    assert np.abs(rounded - wanted).max() > 1e-3 * np.ptp(wanted)
    np.testing.assert_array_equal(np.asarray(wrapped(x, training=False)), rounded)


def test_a_wrong_weight_is_found_where_it_is() -> None:
    model, x = network(), images()
    wrapped = qat.quantization_aware(model, x).model
    norm = next(inside(layer) for layer in wrapped.layers if inside(layer).name == "norm")
    norm.moving_variance.assign(norm.moving_variance * 4)
    assert [*parity.roots(model, parity.differences(model, wrapped, x))] == ["norm"]
    assert parity.prove(model, wrapped, x).mended["norm"] > 0.1
    assert not parity.roots(model, parity.differences(model, wrapped, x))


def test_what_is_not_trainable_is_not_trained() -> None:
    model = network()
    for name in ("one", "norm"):
        model.get_layer(name).trainable = False
    aware = qat.quantization_aware(model, images())
    assert [each.name for each in aware.model.trainable_weights] == [each.name for each in model.trainable_weights]


def test_a_client_gets_the_statistics_too() -> None:
    model, x = network(adapted(SHAPE)), images()
    ranges, _ = fixed_ranges.measured(model, x, False)
    wanted, given = (
        np.asarray(each(x, training=False)) for each in (model, fixed_ranges.wrapped(model, ranges, False))
    )
    assert np.abs(given - wanted).max() < 0.1 * np.ptp(wanted)


def test_memory_bounds_the_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "MOST_BYTES", 1)
    aware = qat.quantization_aware(network(adapted(SHAPE)), images())
    assert (aware.parity.examples, [*aware.parity.mended]) == (1, ["under_test"])
