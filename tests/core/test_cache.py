"""The user cache: where it is, what it holds, and files that are whole or absent."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from tinyc.core import cache
from tinyc.core.errors import MachineError, UserError


def fill(root: Path) -> None:
    for kind, key, size in (("sources", "aa11", 100), ("soft-labels", "aa22", 30), ("trainings", "bb33", 7)):
        path = root / kind / key / "deep" / "file"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * size)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"TINYC_CACHE": "/a/b"}, "/a/b"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/tinyc"),
        ({"TINYC_CACHE": "/a", "XDG_CACHE_HOME": "/x"}, "/a"),
        ({"HOME": "/home/someone"}, "/home/someone/.cache/tinyc"),
    ],
)
def test_where_it_is(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str) -> None:
    for name in ("TINYC_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert cache.folder() == Path(expected)


def test_entries_are_weighed(tmp_path: Path) -> None:
    fill(tmp_path)
    assert {(item.kind, item.key, item.bytes) for item in cache.entries(tmp_path)} == {
        ("sources", "aa11", 100), ("soft-labels", "aa22", 30), ("trainings", "bb33", 7),
    }  # fmt: skip
    assert cache.entries(tmp_path / "absent") == []


def test_clear_by_the_begin_of_a_key_and_all(tmp_path: Path) -> None:
    fill(tmp_path)
    assert {item.key for item in cache.clear(tmp_path, "aa")} == {"aa11", "aa22"}
    assert [item.key for item in cache.entries(tmp_path)] == ["bb33"]
    with pytest.raises(UserError, match="begins with 'zz'"):
        cache.clear(tmp_path, "zz")
    assert len(cache.clear(tmp_path)) == 1
    assert cache.clear(tmp_path) == []


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    def half(stream: BinaryIO) -> None:
        stream.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    cache.write(tmp_path / "a", lambda stream: stream.write(b"whole"))
    with pytest.raises(MachineError, match="the disk is full"):
        cache.write(tmp_path / "a", half)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"whole")]


def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot be written"):
        cache.write(tmp_path / "file" / "a", lambda stream: stream.write(b""))
    with (
        pytest.raises(MachineError, match="cannot be written"),
        cache.locked(tmp_path / "file" / "entry", lambda _: None),
    ):
        pass


def test_room_is_checked_where_the_folder_does_not_exist_yet(tmp_path: Path) -> None:
    cache.require(tmp_path / "a" / "b", 1)
    with pytest.raises(MachineError, match=r"needs .* of disk"):
        cache.require(tmp_path / "a" / "b", 2**60)


def test_a_lock_is_waited_for_and_dies_with_its_process(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c",
         "import sys, time; from pathlib import Path; from tinyc.core import cache\n"
         "with cache.locked(Path(sys.argv[1]), print):\n print('held', flush=True); time.sleep(60)", str(tmp_path)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path(cache.__file__).parents[1])},
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        holder.kill()

    with cache.locked(tmp_path, say):
        assert len(said) == 1
        assert "waiting for another run" in said[0]
    holder.wait()
    holder.stdout.close()
    with cache.locked(tmp_path, said.append):
        pass
    assert len(said) == 1
