"""What the pages say of the device that a recipe names, and of every runtime."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from support import example

from tinyc.measure.figures import Latency
from tinyc.report import html, markdown, on_device, write
from tinyc.report.device_record import DeviceRecord, RuntimeRecord
from tinyc.report.notes import notes
from tinyc.report.record import Report

DEVICE = DeviceRecord(
    board="arduino-nano-33-ble", board_title="Arduino Nano 33 BLE", runtime="chirale", runtime_title="Chirale 2.0.0",
    flash_bytes=79_106, flash_room=800_000, flash_whole=1_048_576, arena_bytes=57_216, arena_host_bytes=54_912,
    scratch_bytes=2_304, assumed=("TRANSPOSE_CONV",), arena_room=212_992, arena_whole=262_144,
    latency=Latency("calibrated on four networks", "estimate", 1.4, 0.9, 1.4),
)  # fmt: skip
RUNTIMES = (
    RuntimeRecord("tflite-micro", "TensorFlow Lite Micro", "2026-08-20", "runs", ()),
    RuntimeRecord("chirale", "Chirale 2.0.0", "2024-07-05", "wrong", ("FULLY_CONNECTED is computed wrongly: write x",)),
    RuntimeRecord("old", "An old port", None, "missing", ("BATCH_MATMUL is not in it: build without",)),
)
REPORT = replace(example.REPORT, device=DEVICE, runtimes=RUNTIMES)


def test_the_terminal_says_what_is_taken_and_who_runs_it() -> None:
    said = notes(REPORT)
    assert (
        "on Arduino Nano 33 BLE with Chirale 2.0.0: flash 77.3 KiB of 781.2 KiB, arena 55.9 KiB of 208.0 KiB "
        "(53.6 KiB measured on this host, 2.2 KiB asked by its kernels, that of TRANSPOSE_CONV assumed), "
        "latency estimate: 900 ms to 1.40 s" in said
    )
    assert (
        "of 3 runtimes, by their sources: tflite-micro run it; old refuse it; "
        "chirale compute it wrongly, without an error" in said
    )


def test_the_picture_adds_up_to_the_board() -> None:
    for bar in on_device.stacks(REPORT):
        assert abs(sum(part.width for part in bar.segments) - 100) < 0.1
    flash, ram = on_device.stacks(REPORT)
    assert (flash.text, ram.text) == ("77.3 KiB of 1.0 MiB", "55.9 KiB of 256.0 KiB")
    assert [part.text.partition(":")[0] for part in ram.segments] == [name for _, name in on_device.LEGEND]


def test_more_than_the_board_has_fills_the_bar() -> None:
    huge = replace(REPORT, device=replace(DEVICE, arena_host_bytes=300_000, arena_bytes=302_304))
    ram = on_device.stacks(huge)[1]
    assert abs(sum(part.width for part in ram.segments) - 100) < 0.1
    assert not any("rest" in part.text for part in ram.segments)


def test_nothing_is_drawn_of_a_board_that_nobody_measured() -> None:
    unknown = replace(DEVICE, flash_whole=None, arena_bytes=None, arena_host_bytes=None)
    assert on_device.stacks(replace(REPORT, device=unknown)) == ()
    assert on_device.taken(replace(REPORT, device=unknown)).rows[1][1] == "-"


def test_both_pages_have_the_section() -> None:
    page = html.render(REPORT, example.VIEWS)
    assert 'id="device"' in page
    assert "computes it wrongly" in page
    said = markdown.render(REPORT, example.VIEWS)
    assert "## On the device" in said
    assert re.search(r"\| Chirale 2.0.0 \| 2024-07-05 \| computes it wrongly \|", said)
    without = html.render(example.REPORT, example.VIEWS)
    assert 'id="device"' not in without


def test_the_file_reads_back() -> None:
    found = json.loads(write.to_json(REPORT, example.VIEWS))
    found.pop("views")
    assert Report.from_json(found, "report.json") == REPORT
