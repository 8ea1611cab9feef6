"""Networks that a user's function builds: what is taken, what is changed, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import checkpoints

from tinyc.core.errors import UserError
from tinyc.data import tokens
from tinyc.data.task import Task
from tinyc.data.tokens import Tokenizer
from tinyc.network import sources
from tinyc.spec.builders import Builder

TASK = Task(("a", "b", "c"), (8, 8, 1))
HEAD = """import tf_keras as k
from tf_keras import layers as L
import tensorflow as tf

def net(shape, classes, **options):
"""
FLAT = "    i = k.Input(shape)\n    x = L.Flatten(name='flat')(i)\n"
IMAGES = np.random.default_rng(0).standard_normal((5, 8, 8, 1)).astype(np.float32)


def network(folder: Path, body: str) -> Any:
    (folder / "net.py").write_text(HEAD + body)
    return sources.network(Builder(build="net.py:net"), TASK, lambda name: folder / name)


def test_a_functional_network_is_taken_as_it_is(tmp_path: Path) -> None:
    model = network(tmp_path, FLAT + "    return k.Model(i, L.Dense(classes, name='head')(x))")
    assert [layer.name for layer in model.layers][1:] == ["flat", "head"]


@pytest.mark.parametrize(
    "end",
    [
        "L.Dense(classes, name='head', activation='softmax')(x)",
        "L.Softmax()(L.Dense(classes, name='head')(x))",
        "L.Activation('softmax')(L.Dense(classes, name='head')(x))",
        "tf.nn.softmax(L.Dense(classes, name='head')(x))",
    ],
    ids=["activation", "Softmax", "Activation", "function"],
)
def test_a_final_softmax_is_cut(tmp_path: Path, end: str) -> None:
    model = network(tmp_path, FLAT + f"    return k.Model(i, {end})")
    assert model.layers[-1].name == "head"
    logits = model(IMAGES, training=False).numpy()
    kernel, bias = model.layers[-1].get_weights()
    assert np.allclose(logits, IMAGES.reshape(5, -1) @ kernel + bias, atol=1e-5)


def test_a_subclassed_model_is_one_opaque_layer(tmp_path: Path) -> None:
    body = """    class Own(k.Model):
        def __init__(self):
            super().__init__()
            self.head = L.Dense(classes)
        def call(self, x):
            return self.head(tf.reshape(x, (-1, 64)))
    return Own()"""
    model = network(tmp_path, body)
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "Own"]
    assert model.output_shape == (None, 3)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    pass", "gives nothing"),
        ("    return 7", "a int instead of a Keras network"),
        ("    return 1 / 0", r"net.py:6.*ZeroDivisionError"),
        (FLAT + "    return k.Model(i, L.Dense(2)(x))", r"gives \(2,\), and the data has 3 classes"),
        ("    i = k.Input((9, 8, 1))\n    return k.Model(i, L.Dense(3)(L.Flatten()(i)))", r"takes \(9, 8, 1\)"),
        (FLAT + "    o = L.Dense(3)(x)\n    return k.Model(i, [o, o + 1.0])", "2 outputs"),
        (FLAT + "    j = k.Input(shape)\n    return k.Model([i, j], L.Dense(3)(L.Flatten()(i + j)))", "2 inputs"),
        (FLAT + "    return k.Model(i, L.Dense(3)(L.Lambda(lambda t: t * 2, name='twice')(x)))", "'twice' is a Lambda"),
        (FLAT + "    return k.Model(i, L.Dense(3, activation='sigmoid', name='s')(x))", "'s' ends in a sigmoid"),
        (FLAT + "    return k.Model(i, L.Reshape((3,))(L.Softmax()(L.Dense(3)(x))))", "gives probabilities"),
        ("    import keras\n    return keras.Sequential([keras.layers.Flatten()])", "a Keras 3 model"),
    ],
    ids=["none", "number", "raises", "classes", "input", "outputs", "inputs", "lambda", "sigmoid", "hidden softmax",
         "keras 3"],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        network(tmp_path, body)


def test_operators_become_layers_at_the_size_of_the_examples(tmp_path: Path) -> None:
    """Which part is taken depends on the size, so the size comes first."""
    body = """    i = k.Input((None, None, 1))
    x = tf.reduce_mean(L.Conv2D(4, 3)(i)[:, 1:, ::2], [1, 2])
    return k.Model(i, tf.nn.softmax(L.Dense(classes)(2 * x)))"""
    model = network(tmp_path, body)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["InputLayer", "Conv2D", "Slice", "GlobalAveragePooling2D", "WithConstant", "Dense"]
    assert model.get_layer(index=2).output_shape == (None, 5, 3, 4)


def test_a_network_for_any_size_gets_the_size_of_the_examples(tmp_path: Path) -> None:
    body = """    i = k.Input((None, None, 1), name='any')
    x = L.Conv2D(4, 3, name='stem')(i)
    x = L.GlobalAveragePooling2D(name='pool')(x)
    return k.Model(i, L.Dense(classes, name='head')(x))"""
    model = network(tmp_path, body)
    assert model.input_shape == (None, 8, 8, 1)
    assert [layer.name for layer in model.layers] == ["any", "stem", "pool", "head"]
    assert model.get_layer("stem").output_shape == (None, 6, 6, 4)


WORDS = Task(("a", "b"), (6,), tokenizer=Tokenizer(tokens.from_vocabulary(checkpoints.PIECES, True, ""), 6))


def of_words(folder: Path, body: str) -> Any:
    (folder / "net.py").write_text(HEAD + body)
    return sources.network(Builder(build="net.py:net"), WORDS, lambda name: folder / name)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_a_table_of_all_pieces_is_taken(tmp_path: Path, dtype: str) -> None:
    table = f"L.Embedding({len(checkpoints.PIECES)}, 4)(i)"
    body = f"    i = k.Input(shape, dtype='{dtype}')\n    x = L.Flatten()({table})\n"
    model = of_words(tmp_path, body + "    return k.Model(i, L.Dense(classes)(x))")
    assert model.output_shape == (None, 2)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_a_table_of_too_few_rows_is_refused(tmp_path: Path, dtype: str) -> None:
    body = f"    i = k.Input(shape, dtype='{dtype}')\n    x = L.Flatten()(L.Embedding(9, 4, name='few')(i))\n"
    with pytest.raises(UserError, match=f"layer 'few' has 9 rows, and the tokenizer {len(checkpoints.PIECES)} pieces"):
        of_words(tmp_path, body + "    return k.Model(i, L.Dense(classes)(x))")


def test_a_network_that_reckons_with_ids_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="takes float32, and sentences are token ids"):
        of_words(tmp_path, "    i = k.Input(shape)\n    return k.Model(i, L.Dense(classes)(i))")
