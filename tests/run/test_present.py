"""`tinyc check` looks for the files, functions and columns that a recipe names, and runs none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tinyc import cli
from tinyc.core.errors import UserError
from tinyc.run import present
from tinyc.spec.load import load

CODE = """raise SystemExit("nothing here may run")
from elsewhere import brought
def net(input_shape, classes, width=8): ...
def wide(input_shape, classes, **options): ...
chosen = net
if True:
    def later(input_shape, classes): ...
"""
SOURCE = 'name = "here"\n[source]\nbuild = %s\ntrain = { epochs = 1 }\n[data]\n%s\n[[pass]]\nuse = "quantize"\n'


def write(folder: Path, build: str = '"net.py:net"', data: str = 'path = "rows.csv"\nlabel = "kind"') -> Path:
    (folder / "net.py").write_text(CODE)
    (folder / "rows.csv").write_text("heat,kind,person\n1,a,eve\n")
    (folder / "words.tsv").write_text("said\tkind\nyes\ta\n")
    (folder / "here.toml").write_text(SOURCE % (build, data))
    return folder / "here.toml"


@pytest.mark.parametrize("build", [
    '"net.py:net"', '{ build = "net.py:net", width = 12 }', '{ build = "net.py:wide", width = 12 }', '"net.py:later"',
    '"net.py:brought"', '{ build = "net.py:chosen", width = 3 }',
])  # fmt: skip
def test_what_is_there_is_found(tmp_path: Path, build: str) -> None:
    present.require(load(str(write(tmp_path, build))))


@pytest.mark.parametrize(
    ("build", "data", "said"),
    [
        ('"nett.py:net"', "", "'nett.py' does not exist"),
        ('"net.py:nett"', "", r"net.py: has no function 'nett'\n  did you mean 'net'\?"),
        ('{ build = "net.py:net", widht = 12 }', "", r"net.py:3: net takes no 'widht'\n  did you mean 'width'\?"),
        ("", 'path = "row.csv"\nlabel = "kind"', "'row.csv' does not exist"),
        ("", 'path = "rows.csv"\nlabel = "kinds"', r"rows.csv:1: has no column 'kinds'\n  did you mean 'kind'\?"),
        ("", 'path = "rows.csv"\nlabel = "kind"\ngroups = ["persons"]', "has no column 'persons'"),
        ("", 'path = "words.tsv"\nlabel = "kind"\ntext = "say"\nprepare = { tokens = 8 }', "has no column 'say'"),
        ("", 'load = "net.py:data"', "has no function 'data'"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, build: str, data: str, said: str) -> None:
    path = write(tmp_path, **{key: value for key, value in (("build", build), ("data", data)) if value})
    with pytest.raises(UserError, match=said):
        present.require(load(str(path)))
    assert cli.invoke(["check", str(path)]) == 2


def test_a_file_that_is_no_python_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path)
    for text, said in (("def net(:\n", "net.py:1: is not Python"), ("\0", "is not Python")):
        (tmp_path / "net.py").write_text(text)
        with pytest.raises(UserError, match=said):
            present.require(load(str(path)))


@pytest.mark.parametrize(
    "opened", ["from elsewhere import *", "globals()['net'] = print", "def __getattr__(name): ..."]
)
def test_a_file_that_may_bring_any_name_is_left_to_the_run(tmp_path: Path, opened: str) -> None:
    path = write(tmp_path)
    (tmp_path / "net.py").write_text(opened)
    present.require(load(str(path)))


def test_neither_numpy_nor_tensorflow_is_imported(tmp_path: Path) -> None:
    code = "import sys; from tinyc import cli; assert cli.invoke(['check', sys.argv[1]]) == 0; " \
           "print({'numpy', 'tensorflow', 'tf_keras'} & set(sys.modules))"  # fmt: skip
    command = [sys.executable, "-c", code, str(write(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
