"""Builders whose code raises anything, at once or later, or gives odd things: one message that names their line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import clients
from support.odd_places import MAKE

from tinyc.core.errors import UserError
from tinyc.network import build
from tinyc.spec.builders import Builder

LAYER = """
import tf_keras as k


class Own(k.layers.Layer):
    def call(self, x):
        {call}

    def get_config(self):
        {config}


def f(shape, classes):
    image = k.Input(shape)
    return k.Model(image, k.layers.Dense(classes, activation="softmax")(k.layers.Flatten()(Own()(image))))
"""
MODEL = """
import tf_keras as k


class Own(k.Model):
    def call(self, x):
        {call}


def f(shape, classes):
    return Own()
"""
NETWORK = """
import tf_keras as k


def f(shape, classes):
    image = k.Input(shape)
    return k.Model(image, k.layers.Dense(classes)(k.layers.GlobalAveragePooling2D()({middle})))
"""
POOLED = "k.layers.AveragePooling2D(3000, 1)(k.layers.UpSampling2D(500)(image))"
SETTINGS = "return super().get_config()"
EAGER = "import tensorflow\n        if tensorflow.executing_eagerly():\n            raise {}\n        return x"
ODD = """
class Odd:
    @property
    def __class__(self):
        raise OSError


def f(shape, classes):
    return Odd()
"""
CODE: dict[str, tuple[str, str]] = {
    "exit of the module": ("import sys\nsys.exit(0)", "net.py:2: the module raised SystemExit: 0"),
    "exit": ("def f(s, c):\n    raise SystemExit", "net.py:2: f raised SystemExit"),
    "own exception": ("class E(BaseException): ...\ndef f(s, c):\n    raise E", "net.py:3: f raised E"),
    "recursion": ("def f(s, c):\n    return f(s, c)", "net.py:2: f raised RecursionError"),
    "memory": ("def f(s, c):\n    return bytearray(1 << 60)", "net.py:2: f raised MemoryError"),
    "text that raises": (
        "class E(Exception):\n    def __str__(self):\n        raise SystemExit\ndef f(s, c):\n    raise E",
        "net.py:5: f raised E",
    ),
    "no object": (ODD, "net.py:5: f raised OSError"),
    "a generator": ("def f(s, c):\n    yield 1", "gives a generator instead of a Keras network"),
    "a class": ("import tf_keras\ndef f(s, c):\n    return tf_keras.Model", "gives a type instead of a Keras network"),
    "call that raises": (MODEL.format(call="raise KeyError(7)"), r"cannot be called on \(8, 8, 1\): KeyError: 7"),
    "call that exits": (MODEL.format(call="raise SystemExit(4)"), "f raised SystemExit: 4"),
    "call that gives nothing": (MODEL.format(call="pass"), "its model gives something else than a tensor"),
    "later": (LAYER.format(call=EAGER.format("ValueError(5)"), config=SETTINGS), "cannot be called .* 5"),
    "exit later": (LAYER.format(call=EAGER.format("SystemExit(5)"), config=SETTINGS), "net.py:9: f raised SystemExit"),
    "settings": (LAYER.format(call="return x", config="raise RuntimeError('no')"), "net.py:10: f raised RuntimeError"),
    "too much": (NETWORK.format(middle="k.layers.UpSampling2D(4000)(image)"), "gives .* that is 1,024,000,000 numbers"),
    "too often": (NETWORK.format(middle=POOLED), "computes .* products"),
}  # fmt: skip


@pytest.mark.parametrize("name", CODE)
def test_what_a_builder_raises_names_its_line(name: str, tmp_path: Path) -> None:
    code, said = CODE[name]
    (tmp_path / "net.py").write_text(code)
    with pytest.raises(UserError, match=said) as caught:
        build.network(Builder.model_validate("net.py:f"), clients.job().task, lambda file: tmp_path / file)
    assert len(str(caught.value)) < 1000


def test_a_fault_of_ours_is_not_blamed_on_the_builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AttributeError("ours")

    (tmp_path / "net.py").write_text(NETWORK.format(middle="k.layers.ReLU()(image)"))
    monkeypatch.setattr(build, "refuse_probabilities", broken)
    with pytest.raises(AttributeError, match="ours"):
        build.network(Builder.model_validate("net.py:f"), clients.job().task, lambda file: tmp_path / file)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (MAKE["pipe"], "is a pipe, not a regular file"),
    "folder": (MAKE["folder"], "is a folder, not a regular file"),
    "device": (MAKE["device"], "is a device, not a regular file"),
    "circle": (MAKE["circle"], "is not a path"),
    "vast": (MAKE["vast"], "has 64.0 GiB; at most 4.0 MiB are read"),
    "missing": (MAKE["missing"], "there is no such file"),
    "bytes": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "the module raised SyntaxError"),
    "latin": (lambda path: path.write_bytes(b"x = '\xe9'"), "the module raised SyntaxError: .*utf-8"),
    "nesting": (lambda path: path.write_text("x = " + "-" * 100_000 + "1"), "the module raised MemoryError"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_builder_s_file_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    make, said = FILES[name]
    make(tmp_path / "net.py")
    builder = Builder.model_validate("net.py:f")
    for deed in (builder.fingerprint, builder.call):
        with pytest.raises(UserError, match=said):
            deed(lambda file: tmp_path / file)
