"""Real networks come through the gate in all three formats, and compute what they computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyc.core.errors import UserError
from tinyc.network import backend, sources
from tinyc.network.gate import examine, network
from tinyc.network.gate.names import Rules

IMAGES = np.random.default_rng(0).standard_normal((4, 8, 8, 3)).astype(np.float32)
NAMES = ("net.h5", "net.keras", "net_saved")


def operators(x: Any) -> Any:
    """Arithmetic, slices and shapes in both of TensorFlow's spellings, as people write them."""
    keras, tf = backend.keras(), backend.tensorflow()
    examine = x * tf.nn.relu6(x + 3.0) / 6.0
    left, right = tf.split(1.0 - abs(examine) ** 2 // 1.5, 2, axis=1)
    joined = tf.concat([tf.reshape(left, (tf.shape(x)[0], 4, 24)), tf.reshape(right, (-1, 4, 24))], -1)[:, ::2, 1:-1]
    scaled = tf.image.resize(tf.nn.depth_to_space(tf.nn.space_to_depth(x, 2), 2), (4, 4))
    pooled = tf.where(scaled > 0, scaled, -scaled) @ tf.ones((3, 2))
    padded = tf.pad(tf.transpose(pooled, (0, 2, 1, 3)), [[0, 0], [1, 1], [1, 1], [0, 0]])
    mean = tf.reduce_mean(padded, (1, 2)) + tf.cast(tf.cast(tf.math.reduce_std(padded, (1, 2)), "int32") % 3, "float32")
    return tf.concat([keras.layers.Flatten()(joined), keras.backend.clip(mean, 0.0, 5.0)], 1)


def nested(x: Any) -> Any:
    """Networks in the network, one of them called twice, with normalization and a shared layer."""
    keras = backend.keras()
    layers = keras.layers
    inner = keras.Sequential([layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization(), layers.ReLU(6.0)])
    given = keras.Input((8, 8, 4))
    deep = keras.Model(given, layers.SeparableConv2D(4, 3, padding="same", name="apart")(given), name="deep")
    shared = layers.Conv2D(4, 3, padding="same", kernel_regularizer="l2", kernel_constraint="max_norm", name="shared")
    y = inner(x)
    return layers.Flatten()(layers.Add()([shared(deep(y)), shared(deep(deep(y)))]))


def recurrent(x: Any) -> Any:
    layers = backend.keras().layers
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(layers.Reshape((8, 24))(x))
    x = layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)], return_sequences=True)(x)
    return layers.Flatten()(layers.TimeDistributed(layers.Dense(2, activation="gelu"))(x))


def attentive(x: Any) -> Any:
    layers = backend.keras().layers
    norm = layers.Normalization()
    norm.adapt(np.random.default_rng(0).normal(2, 3, (64, 8, 8, 3)).astype(np.float32))
    x = layers.Reshape((64, 3))(layers.PReLU()(norm(layers.Rescaling(2.0, 1.0)(x))))
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x))
    return layers.GlobalAveragePooling1D()(layers.Dense(4, layers.LeakyReLU(0.2), kernel_initializer="he_normal")(x))


BODIES: dict[str, Callable[[Any], Any]] = {
    each.__name__: each for each in (operators, nested, recurrent, attentive)
}  # fmt: skip


def made(body: Callable[[Any], Any]) -> Any:
    """A network with weights that no initializer would give."""
    keras = backend.keras()
    backend.seed_everything(1)
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Dense(3, name="head")(body(image)))
    draw = np.random.default_rng(2)
    model.set_weights([each + 0.3 * draw.random(each.shape) if each.shape else each for each in model.get_weights()])
    return model


@pytest.mark.parametrize("name", BODIES)
def test_outputs_are_the_same_in_every_format(name: str, tmp_path: Path) -> None:
    model = made(BODIES[name])
    wanted = model(IMAGES, training=False).numpy()
    for file in NAMES:
        model.save(tmp_path / file, **({"save_traces": False} if file == "net_saved" else {}))
        read = sources.read_network(tmp_path / file, "source.file")
        assert np.allclose(read(IMAGES, training=False), wanted, atol=1e-5), file


def test_a_trained_network_comes_back_without_its_optimizer(tmp_path: Path) -> None:
    keras = backend.keras()
    model = made(nested)
    model.compile(
        keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"]
    )
    model.fit(IMAGES, np.arange(4) % 3, verbose=0)
    wanted = model(IMAGES, training=False).numpy()
    for file in NAMES:
        model.save(tmp_path / file)
        assert np.allclose(sources.read_network(tmp_path / file, "x")(IMAGES, training=False), wanted, atol=1e-5), file


SMALL: dict[str, dict[str, Any]] = {
    "MobileNet": {"alpha": 0.25},
    "MobileNetV2": {"alpha": 0.35},
    "MobileNetV3Small": {"include_preprocessing": True},
    "EfficientNetB0": {},
    "EfficientNetV2B0": {},
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_families_of_keras_come_through(name: str) -> None:
    keras = backend.keras()
    model = getattr(keras.applications, name)(weights=None, classes=5, input_shape=(32, 32, 3), **SMALL[name])
    for table in (json.loads(model.to_json()), json.loads(json.dumps(keras.saving.serialize_keras_object(model)))):
        network.check_network(table, Rules("here"))


FAMILIES = (
    "DenseNet121", "EfficientNetB0", "EfficientNetV2S", "InceptionResNetV2", "InceptionV3", "MobileNetV3Large",
    "NASNetMobile", "RegNetX002", "RegNetY002", "ResNet50", "ResNet50V2", "ResNetRS50", "Xception",
)  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", FAMILIES)
def test_whole_families_of_keras_are_read(name: str, tmp_path: Path) -> None:
    keras = backend.keras()
    image = np.random.default_rng(0).random((1, 96, 96, 3)).astype(np.float32)
    family = getattr(keras.applications, name)
    model = family(weights=None, classes=5, input_shape=(96, 96, 3), classifier_activation=None)
    for file in ("net.h5", "net.keras"):
        model.save(tmp_path / file)
        read = sources.read_network(tmp_path / file, "x")
        assert np.allclose(read(image, training=False), model(image, training=False), atol=1e-4), file


def test_the_graph_of_a_saved_model_is_not_run(tmp_path: Path) -> None:
    """A resource whose initializer writes a file: TensorFlow runs it as it loads, and nobody else does."""
    tf: Any = backend.tensorflow()
    marker = tmp_path / "written"

    class Writing(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self) -> Any:
            return tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="x")

        def _initialize(self) -> None:
            tf.io.write_file(str(marker), "x")

    model = made(attentive)
    model.attached = Writing()
    model.save(tmp_path / "net_saved", save_traces=False)
    marker.unlink(missing_ok=True)
    read = sources.read_network(tmp_path / "net_saved", "x")
    assert np.allclose(read(IMAGES, training=False), model(IMAGES, training=False), atol=1e-5)
    assert not marker.exists()
    tf.saved_model.load(str(tmp_path / "net_saved"))
    assert marker.exists()


def test_variables_that_do_not_fit_a_saved_model_are_refused(tmp_path: Path) -> None:
    keras = backend.keras()

    def save(folder: str, name: str, units: int) -> Path:
        image = keras.Input((4,), name="image")
        keras.Model(image, keras.layers.Dense(units, name=name)(image)).save(tmp_path / folder, save_traces=False)
        return tmp_path / folder

    first, second = save("a", "head", 3), save("b", "head", 2)
    for part in (second / "variables").iterdir():
        (first / "variables" / part.name).write_bytes(part.read_bytes())
    with pytest.raises(UserError, match="cannot be built of Keras' own layers"):
        sources.read_network(first, "x")
    for part in (first / "variables").iterdir():
        part.write_bytes(b"")
    with pytest.raises(UserError, match="cannot be built of Keras' own layers"):
        sources.read_network(first, "x")


def test_layers_in_another_order_are_refused() -> None:
    from tinyc.network import saved_model

    model = made(attentive)
    names = {"root.layer_with_weights-0": "another"}
    with pytest.raises(UserError, match="has the weights of 'another' where"):
        saved_model.refuse_other_order(model, "root", names, "here")


def test_variables_that_claim_more_than_they_weigh_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tinyc.core import limits
    from tinyc.network import saved_model

    made(recurrent).save(tmp_path / "net_saved", save_traces=False)
    prefix = tmp_path / "net_saved" / "variables" / "variables"
    saved_model.count_variables(prefix, "here")
    monkeypatch.setattr(limits, "UNPACKED_SPARE_BYTES", -1_000_000)
    with pytest.raises(UserError, match="its variables unpack to"):
        saved_model.count_variables(prefix, "here")


def test_vocabularies_that_are_inline_are_read(tmp_path: Path) -> None:
    """The vocabulary is there itself; one in a file is refused where Keras would read it."""
    keras = backend.keras()
    number, text = keras.Input((2,), dtype="int64"), keras.Input((2,), dtype="string")
    lookups = [keras.layers.IntegerLookup(vocabulary=[5, 1])(number), keras.layers.StringLookup(vocabulary=["a"])(text)]
    bodies = [keras.layers.Flatten()(keras.layers.Embedding(4, 2)(lookup)) for lookup in lookups]
    of_numbers, of_text = keras.Model(number, bodies[0]), keras.Model(text, bodies[1])
    ids = np.array([[1, 5], [0, 7]])
    for file in NAMES:
        of_numbers.save(tmp_path / file)
        assert np.array_equal(sources.read_network(tmp_path / file, "x")(ids), of_numbers(ids)), file
        of_text.save(tmp_path / f"text_{file}")
        examine.examine(tmp_path / f"text_{file}", "x")
        with pytest.raises(UserError, match="takes text"):
            sources.read_network(tmp_path / f"text_{file}", "x")
