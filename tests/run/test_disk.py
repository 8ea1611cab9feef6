"""Odd things in a run folder, and disks that refuse: one sentence, nothing half written, nothing outside the folder."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import example

from tinyc import cli
from tinyc.core import cache, files, run_folder
from tinyc.core.errors import MachineError, TinycError, UserError
from tinyc.core.run_folder import MANIFEST, SEAL, RunFolder
from tinyc.run import newest, stored
from tinyc.run.stored import SCORES

KEY = "k" * 64


def step(folder: Path, **changes: Any) -> Path:
    """A finished step, some of whose manifest is of other values, as if tinyc had written it so."""
    table = {
        "key": KEY, "numbers": {"prune": 1}, "seconds": 1.5, "ledger": example.PRUNED.to_json(), "facts": {},
        "skipped": [], "layers": [], "files": [], "state": {"kind": "net"}, **changes,
    }  # fmt: skip
    np.save(folder / "scores.npy", np.zeros((3, 3), np.float32))
    place = RunFolder(folder).step(1, "prune", KEY)
    run_folder.store(place, table, {SCORES: (folder / "scores.npy").read_bytes()})
    return place


def test_a_sound_step_is_read(tmp_path: Path) -> None:
    done = stored.load_step(step(tmp_path))
    assert done
    assert done.ledger == example.PRUNED


def rewritten(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def rewrite(path: Path) -> None:
        table = json.loads((path / MANIFEST).read_text())
        (path / MANIFEST).write_text(json.dumps(change(table)))

    return rewrite


def replaced(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        (path / name).unlink()
        make(path / name)

    return replace


def overwritten(content: bytes) -> Callable[[Path], None]:
    def rewrite(path: Path) -> None:
        (path / MANIFEST).write_bytes(content)

    return rewrite


ODD: dict[str, Callable[[Path], None]] = {
    "a list": rewritten(lambda _: []),
    "a number": rewritten(lambda _: 3),
    "no hashes": rewritten(lambda table: {**table, "sha256": []}),
    "hashes of no kind": rewritten(lambda table: {**table, "sha256": {SCORES: 3}}),
    "a file outside": rewritten(lambda table: {**table, "sha256": {"../../secret": "0" * 64}}),
    "facts of another kind": rewritten(lambda table: {**table, "facts": 3}),
    "a figure": rewritten(lambda table: {**table, "seconds": 2.5}),
    "no seal": rewritten(lambda table: {name: value for name, value in table.items() if name != SEAL}),
    "deep": overwritten(b"[" * 100_000),
    "not UTF-8": overwritten(b"\xff"),
    "a pipe as its manifest": replaced(MANIFEST, os.mkfifo),
    "a folder as its manifest": replaced(MANIFEST, Path.mkdir),
    "zeros without end as its manifest": replaced(MANIFEST, lambda path: path.symlink_to("/dev/zero")),
    "a pipe as its scores": replaced(SCORES, os.mkfifo),
    "zeros without end as its scores": replaced(SCORES, lambda path: path.symlink_to("/dev/zero")),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_step_is_none_and_is_lent_to_no_run(tmp_path: Path, odd: str) -> None:
    (tmp_path / "one").mkdir()
    place = step(tmp_path / "one")
    ODD[odd](place)
    assert stored.load_step(place) is None
    assert stored.stored_numbers(place) == {}
    assert not run_folder.borrow(RunFolder(tmp_path / "two"), tmp_path / "two" / place.name)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": ["../../x"]},
        {"files": ["/etc/hostname"]},
        {"files": 3},
        {"ledger": []},
        {"skipped": [3]},
        {"layers": 1},
    ],
    ids=str,
)
def test_a_step_that_was_written_wrongly_is_none(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert stored.load_step(step(tmp_path, **changes)) is None


def test_a_step_is_lent_without_what_does_not_belong_to_it(tmp_path: Path) -> None:
    """A pipe beside its files stopped the copy for ever."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    place = step(tmp_path / "one")
    os.mkfifo(place / "pipe")
    mine = tmp_path / "two" / place.name
    assert run_folder.borrow(RunFolder(tmp_path / "two"), mine)
    assert sorted(path.name for path in mine.iterdir()) == [SCORES, MANIFEST]
    assert run_folder.manifest(mine) == run_folder.manifest(place)


@pytest.mark.parametrize("target", [None, "nowhere", "/etc"])
def test_what_stands_in_a_steps_place_is_replaced_and_not_followed(tmp_path: Path, target: str | None) -> None:
    place = RunFolder(tmp_path).step(1, "prune", KEY)
    if target:
        place.symlink_to(target)
    else:
        place.touch()
    step(tmp_path)
    assert stored.load_step(place)
    assert Path("/etc/hostname").exists()


def opened(base: Path) -> None:
    with newest.claim_folder(base, "small", "a" * 64, lambda _: None, lambda _: None):
        pass


@pytest.mark.parametrize("make", [Path.touch, os.mkfifo, lambda path: path.symlink_to("nowhere")])
@pytest.mark.parametrize("name", ["runs", "runs/small"])
def test_what_stands_in_a_run_folders_place_is_named(tmp_path: Path, make: Callable[[Path], None], name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    make(tmp_path / name)
    with pytest.raises(UserError, match="cannot be a folder: a file or a broken link stands in its place"):
        opened(tmp_path / "runs")


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("../made")]
)
def test_a_lock_is_a_regular_file_of_the_folder(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "runs" / "small").mkdir(parents=True)
    make(tmp_path / "runs" / "small" / ".lock")
    with pytest.raises(UserError, match="is not a regular file, and a lock is kept there"):
        opened(tmp_path / "runs")
    assert not (tmp_path / "runs" / "made").exists()
    (tmp_path / "cache").mkdir()
    make(tmp_path / "cache" / ".lock")
    with pytest.raises(TinycError), cache.locked(tmp_path / "cache", lambda _: None):
        pass


def test_a_report_names_no_step_outside_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tinyc.report.write import NAME, write_all

    (tmp_path / "run").mkdir()
    write_all(example.REPORT, example.VIEWS, tmp_path / "run")
    table = json.loads((tmp_path / "run" / NAME).read_text())
    (tmp_path / "run" / "01-x").mkdir()
    outside = step(tmp_path)
    table["steps"][0] |= {"index": 1, "pass": "x/../../01-prune", "key": KEY}
    (tmp_path / "run" / NAME).write_text(json.dumps(table))
    assert (tmp_path / "run" / "01-x" / ".." / ".." / outside.name).exists()
    assert cli.invoke(["report", str(tmp_path / "run")]) == 0
    assert "computed or measured otherwise" not in capsys.readouterr().out


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file become larger: the system answers as it does where a disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_what_there_was(tmp_path: Path) -> None:
    place = step(tmp_path)
    run_folder.replace(tmp_path / "report.json", b"old")
    before = sorted(path.name for path in tmp_path.iterdir())
    with files_of_at_most(100):
        with pytest.raises(OSError, match="File too large") as caught:
            run_folder.store(place, {}, {"net.h5": bytes(1000)})
        assert (caught.value.filename, caught.value.errno) == (str(place), errno.EFBIG)
        with pytest.raises(OSError, match="File too large") as caught:
            run_folder.replace(tmp_path / "report.json", bytes(1000))
        assert caught.value.filename == str(tmp_path / "report.json")
        with pytest.raises(MachineError, match="cannot be written"):
            cache.write(tmp_path / "kept.npy", lambda stream: np.save(stream, np.zeros(1000)))
    assert stored.load_step(place)
    assert (tmp_path / "report.json").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_full_disk_is_one_sentence_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "tinyc.run.commands.check.load", lambda *_: run_folder.replace(tmp_path / "report.json", bytes(1000))
    )
    with files_of_at_most(100):
        assert cli.invoke(["check", "resnet50-tiny"]) == 3
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"error: {tmp_path / 'report.json'}: File too large"
    assert "ulimit -f" in said[1]
    assert not list(tmp_path.iterdir())


def test_a_locks_file_is_opened_without_waiting(tmp_path: Path) -> None:
    with files.for_lock(tmp_path / ".lock") as lock:
        lock.write("1")
    with files.for_lock(tmp_path / ".lock") as lock:
        assert lock.read() == "1"
