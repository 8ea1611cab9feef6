"""A bug of ours leaves a log of its own, and ends with 70 also where none can be written."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tinyc import cli
from tinyc.cli import bugs

BUGGY = (
    "import sys; from tinyc.run.commands import check; check.load = lambda *_: 1 / 0\n"
    "sys.argv[1:] = ['check', 'resnet50-tiny']\n"
)


def logs(folder: Path) -> list[Path]:
    return sorted(folder.glob("tinyc-bug-*.log"))


def test_two_of_one_second_and_one_process_are_two_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("time.strftime", lambda _: "20260101-000000")
    for number in range(2):
        monkeypatch.setattr("tinyc.run.commands.check.load", lambda *_, number=number: [][number])
        assert cli.invoke(["check", "resnet50-tiny"]) == 70
    said = re.findall(r"the log is (.*)\)", capsys.readouterr().err)
    assert sorted(said) == [str(path) for path in logs(tmp_path)]
    assert len(said) == 2
    assert all("IndexError" in path.read_text() for path in logs(tmp_path))


def test_it_tells_the_versions_and_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    bugs.report(ValueError("\ud8ff"))
    text = logs(tmp_path)[0].read_text()
    for line in ("command: ", "tinyc ", "tensorflow 2", "numpy 1", "python 3", "platform ", "ValueError"):
        assert re.search(f"^{line}", text, re.MULTILINE), line


def test_an_endless_traceback_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    bugs.report(ValueError("x" * 5_000_000))
    assert logs(tmp_path)[0].stat().st_size < 300_000


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        ("import tempfile; tempfile.tempdir = '/nowhere'", "no such file or directory"),
        ("import tempfile; tempfile.tempdir = '/proc'", "/proc"),
        ("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))", "no usable temporary directory"),
    ],
    ids=["no folder", "no writing", "full"],
)
def test_what_cannot_be_logged_is_said(trouble: str, why: str) -> None:
    code = f"{trouble}\n{BUGGY}from tinyc.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    start = "tinyc: exit 70 (a bug of ours: ZeroDivisionError: division by zero; its log could not be written to "
    assert done.stderr.startswith(start)
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
