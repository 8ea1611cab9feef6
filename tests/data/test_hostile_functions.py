"""A function of a user's that gives data: whatever it raises or returns ends in one message."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tinyc.core.errors import TinycError
from tinyc.data.loading import load_dataset
from tinyc.spec.data import DataSpec

BEGIN = """\
import numpy as np

X = np.random.default_rng(0).normal(size=(30, 4))
Y = np.arange(30) % 3


class Shy:
    def __repr__(self):
        raise ValueError("no repr")

    __str__ = __repr__


class ShyError(Exception):
    def __str__(self):
        raise ValueError("no str")


class Deaf:
    def __array__(self, *_):
        raise TypeError("no array")


class Odd(dict):
    def items(self):
        raise LookupError("no items")


class Unlike(BaseException):
    pass


def sink():
    return sink()


def make():
"""
BODIES: list[tuple[str, str]] = [
    ("raise SystemExit('enough')", "make raised SystemExit: enough"),
    ("raise GeneratorExit", "make raised GeneratorExit\n"),
    ("raise Unlike('odd')", "make raised Unlike: odd"),
    ("raise ShyError", "make raised ShyError\n"),
    ("raise ValueError('x' * 100_000)", " characters) ... xxxxxxxxx"),
    ("raise ValueError('\\ud800 \\x1b[31m')", r"make raised ValueError: \ud800 \x1b[31m"),
    ("return sink()", "make raised RecursionError: maximum recursion depth exceeded"),
    ("return (name for name in 'xy')", "returned generator, not a dict of arrays"),
    ("return None", "returned NoneType, not a dict of arrays"),
    ("return Shy()", "returned Shy, not a dict of arrays"),
    ("return Odd(x=X, y=Y)", "what make returned raised LookupError: no items"),
    ("return {1: X, 2: Y}", "lacks x_train, y_train, x_test, y_test; it has '2', '1'"),
    ("return {Shy(): X, 'y': Y}", "lacks x; it has y, 'a Shy'"),
    ("return {'x': (row for row in X), 'y': Y}", "x: is generator, and no array"),
    ("return {'x': None, 'y': Y}", "x: is NoneType, and no array"),
    ("return {'x': Deaf(), 'y': Y}", "x: is not an array: TypeError: no array"),
    ("return {'x': [[1, 2], [3]], 'y': Y}", "x: is not an array: ValueError: setting an array element"),
    ("return {'x': np.array([[1, 2], [3]] * 15, object), 'y': Y}", "x: has the shape (30,)"),
    ("return {'x': [[Shy()] * 4] * 30, 'y': Y}", "x: holds Python objects"),
    ("return {'x': X, 'y': [Shy()] * 30}", "y: holds object, not labels"),
    ("return {'x': X, 'y': np.array([1, 'a', None] * 10, object)}", "y: holds object, not labels"),
    ("return {'x': np.array(5.0), 'y': Y}", "x: has the shape ()"),
    ("return {'x': X, 'y': 5}", "x: has the shape (30, 4), but y ()"),
    ("return {'x': X, 'y': Y[:29]}", "x: has the shape (30, 4), but y (29,)"),
    ("return {'x': X[:0], 'y': Y[:0]}", "x: has the shape (0, 4)"),
    ("return {'x': np.ma.masked_greater(X, 1), 'y': Y}", "values under its mask\n  leave out what is not known"),
    ("return {'x': X.astype(complex), 'y': Y}", "x: holds complex128, not numbers"),
    ("return {'x': X.astype('datetime64[s]'), 'y': Y}", "x: holds datetime64[s], not numbers"),
    ("return {'x': X.astype('V8'), 'y': Y}", "x: holds |V8, not numbers"),
    ("return {'x': np.zeros((30, 4), [(f'f{i}', 'f4') for i in range(500)]), 'y': Y}", "x: holds [('f0', '<f4'), "),
    ("return {'x': X, 'y': np.zeros(30, [('a', 'i4')])}", "y: holds [('a', '<i4')], not labels"),
    ("return {'x': X, 'y': Y.astype('M8[D]')}", "y: holds datetime64[D], not labels"),
    ("return {'x': X, 'y': np.where(Y == 1, np.nan, Y)}", "y: is nan at [1], which is not a label"),
    (
        "return {'x': X, 'y': Y.astype(np.uint64) + 2**63}",
        "y: is 9223372036854775810 at [2], and is not a class number",
    ),
    ("return {'x': X, 'y': np.array([b'\\xe9', b'\\xe8', b'a'] * 10)}", r"y: holds b'\xe9', which is not UTF-8"),
    (
        "return {'x': X, 'y': np.array(['a', 'b\\n#', 'c'] * 10)}",
        r"a class of the name 'b\n#', which holds control",
    ),
    ("return {'x': X, 'y': Y, 'class_names': ['a', ' ', 'c']}", "has a class of the name ' ', which is empty"),
    ("return {'x': X, 'y': Y, 'class_names': (c for c in 'abc')}", "class_names: is generator, and no array"),
    ("return {'x': X, 'y': Y, 'class_names': [1.5, 2.5, 3.5]}", "class_names: is float64 of shape (3,)"),
]


def refused(folder: Path, source: str) -> str:
    (folder / "data.py").write_text(source)
    with pytest.raises(TinycError) as caught:
        load_dataset(DataSpec.model_validate({"load": "data.py:make"}), folder.joinpath, folder / "cache", 7)
    assert caught.value.exit_code == 2
    assert caught.value.remedy
    str(caught.value).encode()
    return str(caught.value)


@pytest.mark.parametrize(("body", "message"), BODIES, ids=[body for body, _ in BODIES])
def test_what_functions_do(tmp_path: Path, body: str, message: str) -> None:
    said = refused(tmp_path, f"{BEGIN}    {body}\n")
    assert message in said
    assert said.startswith(str(tmp_path / "data.py"))
    assert len(said) < 3000


MODULES: list[tuple[str, str]] = [
    ("import sys\nsys.exit(3)\n", "data.py:2: the module raised SystemExit: 3"),
    ("def __getattr__(name):\n    raise OSError('no')\n", "data.py:2: make raised OSError: no"),
    ("make = 5\n", "has no function 'make'"),
    ("x = (" * 500 + ")" * 500, "the module raised SyntaxError: too many nested parentheses"),
    ("x = " + "-" * 50_000 + "1\n", "the module raised "),
    ("x = 1\0\n", "the module raised "),
]


@pytest.mark.parametrize(("source", "message"), MODULES, ids=[message for _, message in MODULES])
def test_what_modules_do(tmp_path: Path, source: str, message: str) -> None:
    assert message in refused(tmp_path, source)


def test_a_ctrl_c_stays_one(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text("def make():\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_dataset(DataSpec.model_validate({"load": "data.py:make"}), tmp_path.joinpath, tmp_path / "cache", 7)


@pytest.mark.parametrize(
    "returned",
    [
        "{'x': np.ma.array(X), 'y': Y}",
        "{'x': np.memmap('x.bin', np.float32, 'w+', shape=(30, 4)) + X, 'y': Y.tolist()}",
        "{'x': X.tolist(), 'y': tuple(Y)}",
        "{'x': np.asfortranarray(X), 'y': Y[:, None], 'more': Shy(), 3: 4}",
        "{'x': X.astype('>f4')[::-1][::-1], 'y': Y == 1}",
    ],
)
def test_unusual_arrays_that_are_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, returned: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.py").write_text(f"{BEGIN}    return {returned}\n")
    dataset = load_dataset(DataSpec.model_validate({"load": "data.py:make"}), tmp_path.joinpath, tmp_path / "cache", 7)
    x = np.random.default_rng(0).normal(size=(30, 4))
    assert dataset.train.x == pytest.approx(x[dataset.train.ids], abs=1e-6)


def test_a_file_that_leads_to_itself(tmp_path: Path) -> None:
    (tmp_path / "data.py").symlink_to(tmp_path / "data.py")
    with pytest.raises(TinycError, match="is not a path: too many levels of symbolic links"):
        load_dataset(DataSpec.model_validate({"load": "data.py:make"}), tmp_path.joinpath, tmp_path / "cache", 7)


def test_a_place_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    home = tmp_path / os.fsdecode(b"caf\xe9")
    home.mkdir()
    (home / "more.py").write_text("import numpy as np\nX = np.random.default_rng(0).normal(size=(30, 4))\n")
    (home / "data.py").write_text(
        "import more\n\n\ndef make():\n    return {'x': more.X, 'y': list(range(3)) * 10, 'z': 1}\n"
    )
    dataset = load_dataset(DataSpec.model_validate({"load": "data.py:make"}), home.joinpath, tmp_path / "cache", 7)
    assert rf"{tmp_path}/caf\xe9/data.py:make: array z is not read" in dataset.warnings[0].replace("'", "")
    (home / "data.py").write_text("def make():\n    return 5\n")
    with pytest.raises(TinycError) as caught:
        load_dataset(DataSpec.model_validate({"load": "data.py:make"}), home.joinpath, tmp_path / "cache", 7)
    assert r"caf\xe9/data.py:make: returned int" in str(caught.value)
