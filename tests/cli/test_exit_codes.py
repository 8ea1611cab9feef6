"""Bad input of any kind: one message, no traceback, the right exit code, nothing lost."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import small

from tinyc import cli
from tinyc.core import run_folder

NAN_NET = (
    small.NET
    + """

def nan_net(input_shape, classes):
    model = net(input_shape, classes)
    model.layers[-1].bias.assign([float("nan")] * classes)
    return model


def raises(input_shape, classes):
    raise ValueError("no such width")


def nothing(input_shape, classes):
    return None


def wrong_classes(input_shape, classes):
    return net(input_shape, classes + 1)
"""
)


def arrays(folder: Path) -> dict[str, NDArray[Any]]:
    with np.load(folder / "images.npz") as content:
        return dict(content)


def change_data(**changes: Callable[[dict[str, NDArray[Any]]], NDArray[Any]]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = arrays(folder)
        np.savez(folder / "images.npz", **{**content, **{name: make(content) for name, make in changes.items()}})

    return change


def replace(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "small.toml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return change


def rewrite(name: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def in_turn(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for each in changes:
            each(folder)

    return change


def net(function: str) -> Callable[[Path], None]:
    return in_turn(rewrite("net.py", NAN_NET.encode()), replace('build = "net.py:net"', f'build = "net.py:{function}"'))


PRUNE = 'use = "prune"\nhow = "channels"\nfraction = 0.1'
BAD = {
    "broken TOML": (rewrite("small.toml", b"name = = 3"), "small.toml:1: broken TOML", 2),
    "not UTF-8": (rewrite("small.toml", b"name = '\xff'"), "is not UTF-8", 2),
    "unknown key": (replace("views = 2", "veiws = 2"), "did you mean 'views'", 2),
    "wrong type": (replace("views = 2", 'views = "two"'), "views", 2),
    "impossible order": (replace('use = "verify"', PRUNE), "takes a Keras network", 2),
    "selector that matches nothing": (replace("= 0.34", '= 0.34\nskip = ["steam"]'), "'steam' matches no", 2),
    "builder that raises": (net("raises"), "raises raised ValueError: no such width", 2),
    "builder that returns nothing": (net("nothing"), "nothing", 2),
    "builder of other classes": (net("wrong_classes"), "classes", 2),
    "no such function": (replace("net.py:net", "net.py:not"), "has no function 'not'", 2),
    "no such file": (replace("net.py:net", "nit.py:net"), "'nit.py' does not exist", 2),
    "syntax error": (rewrite("net.py", b"def net(:"), "net.py:1", 2),
    "NaN loss": (net("nan_net"), "the loss is nan", 2),
    "no data": (lambda folder: (folder / "images.npz").unlink(), "'images.npz' does not exist", 2),
    "damaged data": (rewrite("images.npz", b"PK\x03\x04 nothing"), "images.npz", 2),
    "labels missing": (change_data(y_test=lambda a: a["y_test"][:-1]), "y_test", 2),
    "labels out of range": (change_data(y_train=lambda a: a["y_train"].astype(np.int64) - 1), "label", 2),
    "other shapes": (change_data(x_test=lambda a: a["x_test"][:, :20]), "x_test", 2),
    "test images in train": (change_data(x_test=lambda a: a["x_train"][:60]), "train", 2),
    "NaN in data": (change_data(x_train=lambda a: np.full_like(a["x_train"], np.nan, np.float32)), "x_train", 2),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_message(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil, message, code = BAD[name]
    recipe = small.write(tmp_path, train=120, test=60)
    spoil(tmp_path)
    assert cli.invoke(["compress", str(recipe), "--out", str(tmp_path / "runs")]) == code
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err + shown.out
    assert shown.err.rstrip().splitlines()[-1].startswith(f"tinyc: exit {code} (")


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["compress"], "Missing argument", 2),
        (["compres", "x"], "No such command", 2),
        (["compress", "resnet50-tini"], "did you mean 'resnet50-tiny'", 2),
        (["compress", "resnet50-tiny", "--from", "cluster"], "names no single step", 2),
        (["compress", "resnet50-tiny", "--fresh", "--from", "2"], "contradict", 2),
        (["compress", "resnet50-tiny", "--set", "seed"], "KEY=VALUE", 2),
        (["check", "/nowhere/x.toml"], "no such file", 2),
        (["passes", "prone"], "did you mean 'prune'", 2),
        (["report", "nowhere"], "there is no report here", 2),
        (["compare", "nowhere", "nowhere"], "there is no report here", 2),
        (["inspect", "nowhere.tflite"], "nowhere.tflite", 2),
        (["predict", "nowhere.tflite", "x.png"], "nowhere.tflite", 2),
    ],
)
def test_bad_command_lines(arguments: list[str], message: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(arguments) == code
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.rstrip().splitlines()[-1].startswith(f"tinyc: exit {code} (")


@pytest.mark.parametrize("command", ["inspect", "verify"])
@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x1c\0\0\0TFL3" + bytes(range(256)), os.urandom(4096)])
def test_a_file_that_is_no_tflite(
    command: str, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.tflite"
    path.write_bytes(content)
    assert cli.invoke([command, str(path)]) == 2
    assert "is not a TensorFlow Lite file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ENOSPC, "free some space"), (errno.EROFS, "--out"), (errno.EACCES, "--out")]
)
def test_a_disk_that_refuses(
    number: int, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small.write(tmp_path, train=120, test=60)
    (tmp_path / "runs" / "small").mkdir(parents=True)
    (tmp_path / "runs" / "small" / "mine.txt").write_text("mine")

    def refuse(path: Path, content: bytes) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(run_folder, "write", refuse)
    assert cli.invoke(["compress", str(recipe), "--out", str(tmp_path / "runs")]) == 3
    shown = capsys.readouterr().err
    assert os.strerror(number) in shown
    assert remedy in shown
    assert [path.name for path in (tmp_path / "runs" / "small").iterdir() if path.name != ".lock"] == ["mine.txt"]


def test_a_bug_of_ours_names_its_log(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tinyc.run.commands.check.load", lambda *_: 1 / 0)
    assert cli.invoke(["check", "resnet50-tiny"]) == 70
    shown = capsys.readouterr().err
    path = Path(shown.partition("the log is ")[2].strip().rstrip(")"))
    assert "ZeroDivisionError" in path.read_text()
    path.unlink()


@pytest.mark.parametrize("name", ["MemoryError", "ResourceExhaustedError"])
def test_too_little_memory(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    error = MemoryError() if name == "MemoryError" else type(name, (Exception,), {})("OOM when allocating tensor")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("tinyc.run.commands.check.load", fail)
    assert cli.invoke(["check", "resnet50-tiny"]) == 3
    assert "not have enough of it" in capsys.readouterr().err


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tinyc.run.commands.check.load", interrupt)
    assert cli.invoke(["check", "resnet50-tiny"]) == 130
    assert "run the same command again" in capsys.readouterr().err


def tinyc(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from tinyc.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **more})


def test_processes_end_with_the_code(tmp_path: Path) -> None:
    assert tinyc("check", "resnet50-tiny").returncode == 0
    assert tinyc("check", "nothing").returncode == 2
    recipe = small.write(tmp_path)
    assert tinyc("compress", str(recipe), "--out", "/proc/nowhere").returncode == 3


def test_check_as_json_is_the_resolved_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["check", "resnet50-tiny-full", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["name"] == "resnet50-tiny-full"
    assert "extends" not in table
