"""A bug of ours leaves a log of its own, and ends with 70 also where none can be written."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from support.optional import not_none

import tinyc
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


def test_it_tells_the_command_the_versions_and_where_the_code_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    bugs.report(ValueError("\ud8ff"))
    lines = logs(tmp_path)[0].read_text().splitlines()
    assert lines[0].startswith("command: ")
    assert lines[1] == f"tinyc {tinyc.__version__} in {Path(tinyc.__file__).parent}"
    assert lines[2] == f"python {platform.python_version()}"
    for name in ("tensorflow", "tf_keras", "tensorflow-model-optimization", "numpy", "tflite-runtime", "tflite-micro"):
        assert f"{name} {metadata.version(name)}" in lines
    assert any(line.startswith("ValueError") for line in lines)


def test_every_library_that_tinyc_depends_on_is_told() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = [name for extra, names in project["optional-dependencies"].items() if extra != "dev" for name in names]
    needed = {not_none(re.match(r"[\w-]+", each))[0].lower() for each in (*project["dependencies"], *extras)}
    assert needed <= {name.lower() for name in bugs.LIBRARIES}


def test_versions_are_told_without_an_import_of_their_libraries(tmp_path: Path) -> None:
    code = (
        f"import sys, tempfile; tempfile.tempdir = {str(tmp_path)!r}\n"
        "from tinyc.cli import bugs; bugs.report(OSError())\n"
        "sys.exit(len({'tensorflow', 'tf_keras', 'numpy', 'tflite_runtime', 'flwr'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert "numpy 1" in logs(tmp_path)[0].read_text()


def test_a_missing_and_a_damaged_library_are_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "numpy":
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(metadata, "version", version)
    bugs.report(ValueError("the bug"))
    lines = logs(tmp_path)[0].read_text().splitlines()
    assert "tensorflow not installed" in lines
    assert "numpy of damaged metadata (UnicodeDecodeError)" in lines
    assert lines[-1] == "ValueError: the bug"


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
