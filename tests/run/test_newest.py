"""runs/NAME is the newest run: what stood there moves away whole, comes back whole, and is never written by two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tinyc.core import run_folder
from tinyc.core.errors import MachineError, UserError
from tinyc.core.run_folder import RunFolder
from tinyc.run import newest
from tinyc.spec import origin

A, B, C = "a" * 64, "b" * 64, "c" * 64
KEY = "0123456789ab"


def run(base: Path, sha256: str, *steps: str) -> list[str]:
    """Open a run of this recipe, leave its sha, a file and steps in it, and give what was said."""
    said: list[str] = []
    with newest.claim_folder(base, "r", sha256, said.append, lambda _: None) as folder:
        assert folder.path == base / "r"
        run_folder.replace(folder.path / origin.NAME, origin.origin_json(sha256, base / "r.toml", folder.path).encode())
        run_folder.replace(folder.path / "model.tflite", sha256.encode())
        for step in steps:
            run_folder.store(folder.path / step, {"key": step}, {"a.bin": step.encode()})
    return said


def model(folder: Path) -> str:
    return (folder / "model.tflite").read_text()[0]


def names(base: Path) -> list[str]:
    return sorted(path.name for path in base.iterdir())


def test_another_recipe_takes_the_name_and_going_back_brings_the_folder_back(tmp_path: Path) -> None:
    assert run(tmp_path, A, f"01-prune-{KEY}") == []
    assert run(tmp_path, A) == []
    assert run(tmp_path, B) == [
        f"{tmp_path / 'r'} held a run of another recipe (sha aaaaaaaa); it is {tmp_path / 'r-aaaaaaaa'} now"
    ]
    assert (model(tmp_path / "r"), model(tmp_path / "r-aaaaaaaa")) == ("b", "a")
    assert len(run(tmp_path, C)) == 1
    assert (
        run(tmp_path, A)[-1] == f"{tmp_path / 'r-aaaaaaaa'} held the run of this recipe; it is {tmp_path / 'r'} again"
    )
    assert model(tmp_path / "r") == "a"
    assert (tmp_path / "r" / f"01-prune-{KEY}").is_dir()
    assert names(tmp_path) == ["r", "r-bbbbbbbb", "r-cccccccc"]


def test_a_run_that_was_killed_is_known_by_its_origin_and_an_older_one_by_its_report(tmp_path: Path) -> None:
    run(tmp_path, A)
    assert not (tmp_path / "r" / "report.json").exists()
    (tmp_path / "r" / origin.NAME).unlink()
    (tmp_path / "r" / "report.json").write_text(json.dumps({"recipe_sha256": A}))
    assert run(tmp_path, A) == []
    run(tmp_path, B)
    assert (tmp_path / "r-aaaaaaaa" / "report.json").exists()


@pytest.mark.parametrize("report", ["damaged", "{}", '{"recipe_sha256": "../../../x"}', "[]", '{"recipe_sha256": 3}'])
def test_a_run_that_does_not_say_whose_it_is_is_kept_too(tmp_path: Path, report: str) -> None:
    for number in (1, 2):
        (tmp_path / "r").mkdir()
        (tmp_path / "r" / "report.json").write_text(report)
        (tmp_path / "r" / f"01-prune-{KEY}").mkdir()
        (said,) = run(tmp_path, A)
        assert f"r-unknown-{number} now" in said
        assert (tmp_path / f"r-unknown-{number}" / "report.json").read_text() == report
        os.rename(tmp_path / "r", tmp_path / f"away-{number}")


def test_a_folder_that_holds_no_run_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "mine.txt").write_text("mine")
    assert run(tmp_path, A) == []
    assert (tmp_path / "r" / "mine.txt").read_text() == "mine"


def test_two_folders_of_one_recipe_become_one(tmp_path: Path) -> None:
    run(tmp_path, A, f"01-prune-{KEY}", f"02-cluster-{KEY}", f"03-export-{KEY}")
    old = tmp_path / "r-aaaaaaaa"
    os.rename(tmp_path / "r", old)
    (old / "attack.json").write_text("old alone")
    (old / "notes.txt").write_text("old")
    (tmp_path / "r").mkdir()  # so that it is not brought back
    run(tmp_path, A, f"01-prune-{KEY}", f"02-cluster-{KEY}")
    (tmp_path / "r" / "notes.txt").write_text("new")
    (tmp_path / "r" / f"02-cluster-{KEY}" / "a.bin").write_bytes(b"damaged")
    run(tmp_path, B)
    assert names(tmp_path) == ["r", "r-aaaaaaaa"]
    for step in ("01-prune", "02-cluster", "03-export"):
        assert run_folder.manifest(old / f"{step}-{KEY}") == {"key": f"{step}-{KEY}"}
    assert (old / f"02-cluster-{KEY}.damaged-1").is_dir()
    assert (old / "attack.json").read_text() == "old alone"
    assert (old / "notes.txt").read_text() == "new"
    assert (old / "earlier-1" / "notes.txt").read_text() == "old"
    assert run(tmp_path, A)[-1].endswith("again")


def test_a_folder_of_other_content_under_the_name_is_left(tmp_path: Path) -> None:
    run(tmp_path, A)
    other = tmp_path / "r-aaaaaaaa"
    other.mkdir()
    (other / origin.NAME).write_text(origin.origin_json("a" * 8 + "9" * 56, tmp_path / "r.toml", other))
    run(tmp_path, B)
    assert model(tmp_path / "r-aaaaaaaa-2") == "a"
    run(tmp_path, A)
    assert model(tmp_path / "r") == "a"
    assert origin.sha256(other) == "a" * 8 + "9" * 56


@contextmanager
def writer(folder: Path) -> Iterator[None]:
    """Let another process write in a folder."""
    code = (
        "import sys; from pathlib import Path; from tinyc.core import run_folder\n"
        "with run_folder.locked(run_folder.RunFolder(Path(sys.argv[1]))): print('locked', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        yield
    finally:
        other.communicate()


def test_a_folder_being_written_is_left(tmp_path: Path) -> None:
    run(tmp_path, A)
    with writer(tmp_path / "r"), pytest.raises(MachineError, match="is being written by process"):
        run(tmp_path, B)
    assert names(tmp_path) == ["r"]
    run(tmp_path, B)
    with writer(tmp_path / "r-aaaaaaaa"), pytest.raises(MachineError, match="r-aaaaaaaa: is being written"):
        run(tmp_path, A)
    assert model(tmp_path / "r-bbbbbbbb") == "b"
    run(tmp_path, A)
    assert model(tmp_path / "r") == "a"


def test_what_must_not_move_stays(tmp_path: Path) -> None:
    run(tmp_path, A)

    def refuse(folder: Path) -> None:
        raise UserError(str(folder), "is needed")

    with pytest.raises(UserError), newest.claim_folder(tmp_path, "r", B, print, refuse):
        pass
    assert names(tmp_path) == ["r"]


@pytest.mark.parametrize("stop", [1, 2])
def test_a_crash_between_two_renames_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int) -> None:
    run(tmp_path, A)
    run(tmp_path, B)
    real, left = os.rename, [stop]

    def rename(one: Path, other: Path) -> None:
        real(one, other)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, A)
    monkeypatch.setattr(os, "rename", real)
    run(tmp_path, A)
    assert (model(tmp_path / "r"), model(tmp_path / "r-bbbbbbbb")) == ("a", "b")
    assert names(tmp_path) == ["r", "r-bbbbbbbb"]


def test_a_lock_whose_folder_moved_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process has opened the lock, and is at the lock only when another has moved the folder and let go."""
    run(tmp_path, A)
    real, moved = run_folder.take, list[Any]()

    def take(lock: IO[str], path: Path) -> None:
        if not moved:
            moved.append(path)
            os.rename(tmp_path / "r", tmp_path / "r-aaaaaaaa")
        real(lock, path)

    monkeypatch.setattr(run_folder, "take", take)
    with run_folder.locked(RunFolder(tmp_path / "r")):
        assert (tmp_path / "r" / ".lock").read_text() == str(os.getpid())
        assert names(tmp_path / "r") == [".lock"]
    assert model(tmp_path / "r-aaaaaaaa") == "a"


def test_processes_that_race_never_share_a_folder(tmp_path: Path) -> None:
    """Each holds the folder for a while and finds in it what it wrote; whoever comes too early is refused."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from tinyc.core import run_folder; from tinyc.core.errors import MachineError\n"
        "from tinyc.run import newest; from tinyc.spec import origin\n"
        "base, sha = Path(sys.argv[1]), sys.argv[2] * 64\n"
        "done = 0\n"
        "while done < 12:\n"
        "    try:\n"
        "        with newest.claim_folder(base, 'r', sha, lambda _: None, lambda _: None) as folder:\n"
        "            text = origin.origin_json(sha, base / 'r.toml', folder.path)\n"
        "            run_folder.replace(folder.path / origin.NAME, text.encode())\n"
        "            (folder.path / 'model.tflite').write_text(sha)\n"
        "            time.sleep(0.002)\n"
        "            assert (folder.path / 'model.tflite').read_text() == sha\n"
        "            assert origin.sha256(folder.path) == sha\n"
        "            done += 1\n"
        "    except MachineError: time.sleep(0.001)\n"
    )
    racers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), letter], stderr=subprocess.PIPE)
        for letter in "abc"
    ]
    assert [racer.communicate()[1].decode() for racer in racers] == ["", "", ""]
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    for folder in tmp_path.iterdir():
        if (folder / "model.tflite").exists():
            assert origin.sha256(folder) == (folder / "model.tflite").read_text()
    assert {model(folder) for folder in tmp_path.iterdir() if (folder / "model.tflite").exists()} == set("abc")
