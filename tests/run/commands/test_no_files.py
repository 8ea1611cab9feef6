"""What a command names and is no file: a pipe must not hang, a device not fill the memory, 64 GiB not be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.odd_places import MAKE
from support.tiny import Plan, by_hand

from tinyc import cli

PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (MAKE["pipe"], "is a pipe, not a regular file"),
    "folder": (MAKE["folder"], "is a folder, not a regular file"),
    "device": (MAKE["device"], "is a device, not a regular file"),
    "circle": (MAKE["circle"], "is not a path: too many levels of symbolic links"),
    "sparse": (MAKE["vast"], "has 64.0 GiB; at most"),
    "missing": (MAKE["missing"], "there is no such file"),
}
COMMANDS: dict[str, tuple[str, ...]] = {
    "inspect": ("inspect", "odd"),
    "verify": ("verify", "odd"),
    "predict": ("predict", "odd", "x.npy"),
    "the example": ("predict", "net.tflite", "odd"),
}


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_refused_in_one_message(
    command: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, said = PLACES[name]
    monkeypatch.chdir(tmp_path)
    make(Path("odd"))
    Path("net.tflite").write_bytes(by_hand([Plan((1, 4)), Plan((1, 4))], [("RELU", (0,), (1,))]))
    assert cli.invoke(list(COMMANDS[command])) == 2
    assert capsys.readouterr().err.startswith(f"error: odd: {said}")
