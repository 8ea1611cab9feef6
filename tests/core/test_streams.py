"""What cannot be shown changes no exit code and gives no traceback, and a terminal obeys nothing that is quoted."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tinyc import cli
from tinyc.core import streams
from tinyc.core.errors import UserError

TINYC = f"{shlex.quote(sys.executable)} -m tinyc"
GOOD, BAD = "check resnet50-tiny", "check nothing-at-all"
FULL = "standard output could not be written: no space left on device\n"


def shell(line: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash that ends with the exit code of tinyc."""
    root = str(Path(cli.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, **more}
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, errors="replace", check=False, env=environment, timeout=60
    )


@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        (f"{TINYC} {GOOD} >/dev/full", 0, FULL),
        (f"{TINYC} --help >/dev/full", 0, FULL),
        (f"{TINYC} {BAD} 2>/dev/full", 2, ""),
        (f"{TINYC} {GOOD} >&-", 0, ""),
        (f"{TINYC} {BAD} 2>&-", 2, ""),
        (f"{TINYC} {GOOD} <&- >&- 2>&-", 0, ""),
        (f"{TINYC} {BAD} <&- >&- 2>&-", 2, ""),
        (f"{TINYC} passes --schema | head -1; exit ${{PIPESTATUS[0]}}", 0, ""),
        (f"{{ {TINYC} {BAD}; }} 2>&1 | true; exit ${{PIPESTATUS[0]}}", 2, ""),
    ],
)
def test_what_cannot_be_written_changes_no_exit_code(line: str, code: int, error: str) -> None:
    done = shell(line)
    assert (done.returncode, done.stderr) == (code, error)


def test_json_that_cannot_be_written_is_an_error_of_the_machine() -> None:
    done = shell(f"{TINYC} {GOOD} --json >/dev/full")
    assert done.returncode == 3
    assert done.stderr.splitlines()[0] == "error: standard output: cannot be written: no space left on device"
    assert done.stderr.splitlines()[-1] == "tinyc: exit 3 (this machine)"


@pytest.mark.parametrize(
    "more", [{"PYTHONIOENCODING": "ascii:strict"}, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}]
)
def test_letters_that_a_terminal_lacks(tmp_path: Path, more: dict[str, str]) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xc3\xa9\xe2\x82\xac.toml"
    Path(os.fsdecode(path)).write_text('[[pass]]\nuse = "quantize"\n')
    done = shell(f"{TINYC} check {os.fsdecode(path)}", **more)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}/\\xff")
    assert "Traceback" not in done.stderr


def test_json_is_json_in_every_encoding() -> None:
    done = shell(f"{TINYC} {GOOD} --json --set description=é€🐍", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["description"] == "é€🐍"
    told = io.TextIOWrapper(io.BytesIO(), "ascii")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", told)
        streams.result(json.dumps("é€🐍", ensure_ascii=False))
        told.flush()
    assert json.loads(told.buffer.getvalue()) == "é€🐍"


CONTROL = "a\n\r\x1b[31m\u202e\u200b\x07\x9b\udcff"


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", CONTROL],
        ["check", "resnet50-tiny", "--set", f"{CONTROL}=1"],
        ["check", "resnet50-tiny", "--set", f"seed={CONTROL}"],
        ["check", f"--{CONTROL}"],
        [CONTROL],
        ["report", CONTROL],
        ["inspect", CONTROL],
        ["passes", CONTROL],
        ["cache", "clear", CONTROL, "--yes"],
    ],
)
def test_what_is_quoted_is_obeyed_by_no_terminal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(arguments) == 2
    shown = capsys.readouterr()
    lines = (shown.out + shown.err).split("\n")
    assert all(line.isprintable() for line in lines)
    # What is quoted begins no line: it could look like a line of tinyc's own.
    assert sum(line.startswith("tinyc: exit") for line in lines) == 1


def test_a_path_of_control_characters_is_spelled_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a\nb\x1b[31m.toml"
    path.write_text('name = "x"\n[source]\nfile = "x.h5"\n[data]\npath = "x.npz"\n[[pass]]\nuse = "quantize"\n')
    for name in ("x.h5", "x.npz"):
        (tmp_path / name).touch()
    cli.invoke(["check", str(path)])
    assert capsys.readouterr().out.splitlines()[0] == f"{tmp_path}/a\\nb\\x1b[31m.toml: ok"


def test_a_message_of_several_lines_is_one_line() -> None:
    error = UserError("a\nb", "raised ValueError: one\n\n  two\r\nthree", "do\tthis")
    assert str(error) == "a\\nb: raised ValueError: one two three\n  do\\tthis"


@pytest.mark.parametrize("arguments", [["check", "--" + "x" * 100_000], ["x" * 100_000], ["check", "a", "x" * 100_000]])
def test_a_long_command_line_is_quoted_in_part(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(arguments) == 2
    assert len(capsys.readouterr().err) < 5000


def test_a_pipe_that_breaks_elsewhere_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A connection that breaks raises the same as a closed standard output; the run ended with exit 0 then."""

    def broken(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("tinyc.run.commands.check.load", broken)
    assert cli.invoke(["check", "resnet50-tiny"]) == 3
    assert "Broken pipe" in capsys.readouterr().err


def test_a_path_that_can_be_none_is_the_command_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(*_: object) -> None:
        (tmp_path / ("x" * 300)).mkdir()

    monkeypatch.setattr("tinyc.run.commands.check.load", make)
    assert cli.invoke(["check", "resnet50-tiny"]) == 2
