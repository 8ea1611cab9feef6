"""`tinyc boards`, `runtimes` and `fit`: everything that is known, with its sources, within 80 columns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import artifacts, few_values, stateful

from tinyc import cli
from tinyc.devices.board import Board
from tinyc.devices.runtime import Runtime
from tinyc.spec import device_files

Shown = pytest.CaptureFixture[str]


def out(capsys: Shown, *arguments: str, code: int = 0) -> str:
    assert cli.invoke(list(arguments)) == code
    return capsys.readouterr().out


@pytest.mark.parametrize(("command", "kind"), [("boards", Board), ("runtimes", Runtime)])
def test_all_are_listed_and_each_is_described_within_80_columns(
    command: str, kind: type[Board] | type[Runtime], capsys: Shown
) -> None:
    listed = out(capsys, command).splitlines()
    names = device_files.names(kind)
    assert [line.split()[0] for line in listed[1:]] == names
    assert max(map(len, listed)) <= 80
    for name in names:
        described = out(capsys, command, name)
        assert described.startswith(f"{name}: ")
        assert max(map(len, described.splitlines())) <= 80, name
    whole = json.loads(out(capsys, command, "--json"))
    assert [each["name"] for each in whole] == names
    assert all(each["sources"] for each in whole)


@pytest.mark.parametrize("command", ["boards", "runtimes"])
def test_an_unknown_name_is_refused(command: str, capsys: Shown) -> None:
    assert cli.invoke([command, "nothing-at-all"]) == 2
    assert f"unknown {command[:-1]} 'nothing-at-all'" in capsys.readouterr().err
    assert cli.invoke([command, "none.toml"]) == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in (
        ("small", artifacts.content()),
        ("scaled", artifacts.content(True)),
        ("gelu", stateful.unary("GELU")),
        ("float", few_values.content("float")),
    ):
        (tmp_path / f"{name}.tflite").write_bytes(content)
    return tmp_path


def test_a_small_network_fits_every_board(folder: Path, capsys: Shown) -> None:
    path = str(folder / "small.tflite")
    told = out(capsys, "fit", path)
    assert max(map(len, told.splitlines()[1:])) <= 80  # the first is the path
    found = json.loads(out(capsys, "fit", path, "--json"))
    assert [each["board"] for each in found["boards"]] == device_files.names(Board)
    for each in found["boards"]:
        assert each["runs"]
        assert each["holds"] in (True, None)
        assert each["arena_bytes"] >= found["arena_bytes_on_host"]
    assert set(found["runtimes"]) == set(device_files.names(Runtime))


def test_what_is_in_the_way_is_said_once_with_what_to_write(folder: Path, capsys: Shown) -> None:
    told = out(capsys, "fit", str(folder / "scaled.tflite")).replace("\n  ", " ")
    assert told.count("per_channel_dense = false") == 2  # refused, and computed wrongly
    assert "zephyr-3.7: FULLY_CONNECTED has a scale for each output, which it refuses" in told
    assert "computes wrongly, without an error" in told


def test_what_no_board_runs_ends_with_1(folder: Path, capsys: Shown) -> None:
    told = out(capsys, "fit", str(folder / "gelu.tflite"), "--board", "arduino-nano-33-ble", code=1)
    assert "GELU is not in it" in told
    assert "refused" in told
    assert "fits" not in told


def test_one_board_is_shown_with_each_of_its_runtimes(folder: Path, capsys: Shown) -> None:
    found = json.loads(out(capsys, "fit", str(folder / "small.tflite"), "--board", "arduino-nano-33-ble", "--json"))
    board = device_files.known(Board, "arduino-nano-33-ble", "")
    assert [each["runtime"] for each in found["boards"]] == list(board.runtimes)


def test_bad_files_and_boards_are_refused(folder: Path, capsys: Shown) -> None:
    (folder / "broken.tflite").write_bytes(b"TFL3" * 9)
    for arguments, said in (
        (["broken.tflite"], "is not a TensorFlow Lite file"),
        (["none.tflite"], "there is no such file"),
        (["small.tflite", "--board", "arduino-nano-34"], "did you mean 'arduino-nano-33-ble'?"),
        (["small.tflite", "--board", "none.toml"], "'none.toml' does not exist"),
    ):
        assert cli.invoke(["fit", str(folder / arguments[0]), *arguments[1:]]) == 2
        assert said in capsys.readouterr().err
