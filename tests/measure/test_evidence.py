"""Measured latencies in the cache: kept whole, found by artifact and board, and read strictly."""

from __future__ import annotations

import json
import shutil

import pytest
from support import timings
from support.optional import not_none

from tinyc.core import cache
from tinyc.core.errors import MachineError, UserError
from tinyc.measure import evidence

SHA = timings.document()["sha256"]
BOARD = "raspberry-pi-4"


def test_what_is_kept_is_found_again() -> None:
    assert evidence.latest(SHA, BOARD) is None
    evidence.store(timings.timings(), BOARD)
    found = not_none(evidence.latest(SHA, BOARD))
    assert (found.board, found.sha256, found.threads, found.runs) == (BOARD, SHA, 2, 50)
    assert (found.median, found.p5, found.p95, found.cold) == (0.02, 0.019, 0.024, 0.07)
    assert found.fps == pytest.approx(50)
    assert (found.runtime, found.date, found.xnnpack) == ("tflite-runtime 2.14.0", "2026-11-29T12:00:00Z", True)
    assert found.machine.name == "Raspberry Pi 4 Model B Rev 1.4"
    assert evidence.latest(SHA, "arduino-nano-33-ble") is None
    assert evidence.latest("0" * 64, BOARD) is None


def test_what_is_kept_later_counts_whatever_the_clock_of_the_board_says() -> None:
    evidence.store(timings.timings(), BOARD)
    evidence.store(timings.timings(date="1970-01-01T00:00:40Z", results=[timings.result(3, 0.5)]), BOARD)
    assert not_none(evidence.latest(SHA, BOARD)).median == 0.5


def test_the_cache_lists_and_clears_it() -> None:
    evidence.store(timings.timings(), BOARD)
    (entry,) = cache.entries(cache.folder())
    assert (entry.kind, entry.key) == ("measurements", SHA)
    assert entry.bytes > 0
    cache.clear(cache.folder(), SHA[:8])
    assert evidence.latest(SHA, BOARD) is None


@pytest.mark.parametrize(
    ("board", "architecture", "said"),
    [
        ("raspberry-pi-5", "aarch64", "unknown board 'raspberry-pi-5'\n  did you mean 'raspberry-pi-4'?"),
        ("zephyr", "aarch64", "unknown board 'zephyr'\n  `tinyc boards` lists them"),
        (f"../{BOARD}", "aarch64", "unknown board"),
        ("arduino-nano-33-ble", "aarch64", "arduino-nano-33-ble does not run Linux"),
        (BOARD, "riscv64", "raspberry-pi-4 has a cortex-a72, and this was measured on riscv64"),
        (BOARD, "x86_64", "raspberry-pi-4 has a cortex-a72, and this was measured on x86_64"),
    ],
)
def test_a_board_that_it_cannot_be_of_is_refused(board: str, architecture: str, said: str) -> None:
    machine = timings.document()["machine"] | {"architecture": architecture}
    with pytest.raises(UserError) as caught:
        evidence.store(timings.timings(machine=machine), board)
    assert said in str(caught.value)
    assert cache.entries(cache.folder()) == []


@pytest.mark.parametrize(("sha256", "board"), [("../../x", BOARD), (SHA, f"../{BOARD}"), (SHA, "a/b"), (SHA, "")])
def test_no_name_leads_out_of_the_cache(sha256: str, board: str) -> None:
    with pytest.raises(UserError):
        evidence.latest(sha256, board)


@pytest.mark.parametrize("kind", ["cut", "empty", "negative", "other board", "other artifact", "large"])
def test_a_damaged_file_is_named(kind: str) -> None:
    path = evidence.store(timings.timings(), BOARD)
    text = path.read_text()
    board, sha256 = (
        ("arduino-nano-33-ble", SHA)
        if kind == "other board"
        else (BOARD, "f" * 64 if kind == "other artifact" else SHA)
    )
    table = json.loads(text)
    table["timings"]["results"][0]["warm"]["min"] = -1
    path.write_text({
        "cut": text[:200], "empty": "", "negative": json.dumps(table), "large": text + " " * (1 << 20),
    }.get(kind, text))  # fmt: skip
    other = evidence.place(sha256, board)
    if other != path:
        other.parent.mkdir(exist_ok=True)
        shutil.copy(path, other)
    with pytest.raises(UserError) as caught:
        evidence.latest(sha256, board)
    assert caught.value.where == str(other)


def test_a_cache_that_cannot_be_written_is_the_machines_affair() -> None:
    (cache.folder() / "measurements").write_text("a file is in the way")
    with pytest.raises(MachineError, match="cannot be written"):
        evidence.store(timings.timings(), BOARD)
