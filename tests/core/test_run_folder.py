"""The run folder: whole steps or none, one writer, damage noticed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinyc.core import run_folder
from tinyc.core.errors import MachineError
from tinyc.core.run_folder import RunFolder


def test_a_step_is_stored_whole_and_read_back(tmp_path: Path) -> None:
    step = tmp_path / "01-prune-abc"
    run_folder.store(step, {"key": "abc"}, {"a.bin": b"one", "files/b.bin": b"two"})
    assert run_folder.manifest(step) == {"key": "abc"}
    assert (step / "files" / "b.bin").read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["01-prune-abc"]


@pytest.mark.parametrize("damage", ["flip", "truncate", "missing", "manifest", "not json"])
def test_a_damaged_step_is_none(tmp_path: Path, damage: str) -> None:
    step = tmp_path / "01-prune-abc"
    run_folder.store(step, {"key": "abc"}, {"a.bin": b"one"})
    if damage == "flip":
        (step / "a.bin").write_bytes(b"onf")
    elif damage == "truncate":
        (step / "a.bin").write_bytes(b"")
    elif damage == "missing":
        (step / "a.bin").unlink()
    elif damage == "manifest":
        (step / run_folder.MANIFEST).unlink()
    else:
        (step / run_folder.MANIFEST).write_bytes(b"\xff[")
    assert run_folder.manifest(step) is None
    aside = run_folder.set_aside(step)
    assert aside.exists()
    assert not step.exists()


def test_a_failed_write_leaves_the_old_step(tmp_path: Path) -> None:
    step = tmp_path / "01-prune-abc"
    run_folder.store(step, {"key": "old"}, {"a.bin": b"one"})
    with pytest.raises(TypeError):
        run_folder.store(step, {"key": "new"}, {"a.bin": b"two", "b.bin": "no bytes"})  # type: ignore[dict-item]
    assert run_folder.manifest(step) == {"key": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["01-prune-abc"]


def test_a_second_writer_is_refused_by_its_process_number(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    code = (
        "import sys, time; from pathlib import Path; from tinyc.core import run_folder\n"
        "with run_folder.locked(run_folder.RunFolder(Path(sys.argv[1]))):\n"
        "    print('locked', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(MachineError, match=f"process {other.pid}"), run_folder.locked(folder):
            pass
    finally:
        other.communicate()
    with run_folder.locked(folder):
        assert (folder.path / ".lock").read_text() == str(os.getpid())


def test_leftovers_of_a_killed_writer_are_swept(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / ".writing-dead").mkdir()
    (tmp_path / ".writing-report.json").write_text("half")
    (tmp_path / "mine.txt").write_text("kept")
    with run_folder.locked(folder):
        assert not list(tmp_path.glob(".writing-*"))
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_a_finished_step_is_shared_by_key(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / "r"), RunFolder(tmp_path / "r-bbbbbbbb")
    second.path.mkdir()
    first.path.mkdir()
    run_folder.store(first.step(1, "prune", "k" * 64), {"key": "k"}, {"a.bin": b"one"})
    assert run_folder.borrow(second, second.step(1, "prune", "k" * 64))
    assert run_folder.manifest(second.step(1, "prune", "k" * 64)) == {"key": "k"}
    assert not run_folder.borrow(second, second.step(1, "prune", "j" * 64))


def test_two_processes_may_replace_one_file(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tinyc.core import run_folder\n"
        "for _ in range(60): run_folder.replace(Path(sys.argv[1]), sys.argv[2].encode() * 10_000)"
    )
    path = tmp_path / "report.html"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), text]) for text in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert set(path.read_bytes()) in ({ord("a")}, {ord("b")})
    assert list(tmp_path.iterdir()) == [path]
