"""The boards that tinyc has, and what is said of a file of a board that contradicts itself."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from tinyc.devices.board import Board
from tinyc.spec import device_files

BOARDS = {name: device_files.shipped(Board, name) for name in device_files.names(Board)}
FIRMWARE = 85 * 1024 + 84528
"""An empty Arduino sketch, and TFLM with its kernels, as measured on a Nano 33 BLE."""
WORDS = {"name", "title", "sources"}
RUNTIMES = {
    "tflite-micro", "esp-tflite-micro", "zephyr-3.6", "zephyr-3.7", "zephyr-4.1", "zephyr-4.4", "pico-tflmicro",
    "arduino-tensorflowlite", "chirale", "tflm-esp32", "tflm-cortexm", "edge-impulse", "helia-rt", "linux",
}  # fmt: skip
GOOD: dict[str, Any] = {
    "name": "mine",
    "title": "Mine",
    "core": "cortex-m4",
    "clock_mhz": 64,
    "flash_bytes": 1 << 20,
    "flash_address": 0x08000000,
    "model_flash_bytes": 800_000,
    "model_ram_bytes": 150_000,
    "runtime": "chirale",
    "runtimes": ["chirale", "tflite-micro"],
    "ram": [
        {"name": "SRAM", "bytes": 0x40000, "address": 0x20000000},
        {"name": "TCM", "bytes": 0x10000, "address": 0x10000000},
    ],
    "region": {"address": 0x08080000, "bytes": 0x80000, "erase_bytes": 4096},
}


def read(table: dict[str, Any]) -> Board:
    """Read a table as a file of a board is read."""
    return Board.model_validate_json(json.dumps(table), strict=True)


def beside(bank: dict[str, Any]) -> list[dict[str, Any]]:
    return [*GOOD["ram"], {"name": "more", "bytes": 4096, **bank}]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a negative flash": ({"flash_bytes": -1}, "flash_bytes: Input should be greater than 0"),
    "no flash at all": ({"flash_bytes": 0}, "flash_bytes: Input should be greater than 0"),
    "a negative share": ({"model_ram_bytes": -4096}, "model_ram_bytes: Input should be greater than 0"),
    "a negative bank": ({"ram": beside({"bytes": -4096})}, "ram.2.bytes: Input should be greater than 0"),
    "a size that no device has": ({"flash_bytes": 1 << 48}, f"flash_bytes: Input should be less than {1 << 48}"),
    "half a byte": ({"flash_bytes": 1024.5}, "flash_bytes: Input should be a valid integer"),
    "a size in words": ({"flash_bytes": "1 MiB"}, "flash_bytes: Input should be a valid integer"),
    "no RAM": ({"ram": []}, "ram: Tuple should have at least 1 item after validation, not 0"),
    "an address of 33 bits": (
        {"ram": beside({"address": 1 << 32})}, f"ram.2.address: Input should be less than {1 << 32}",
    ),
    "a clock that is no number": ({"clock_mhz": float("nan")}, "clock_mhz: Input should be a finite number"),
    "a clock without an end": ({"clock_mhz": float("inf")}, "clock_mhz: Input should be a finite number"),
    "a clock in Hz": ({"clock_mhz": 64_000_000}, "clock_mhz: Input should be less than 10000"),
    "no core": ({"cores": 0}, "cores: Input should be greater than or equal to 1"),
    "an unknown core": ({"core": "cortex-m4f"}, "core: Input should be 'cortex-m0+', "),
    "an unknown key": ({"flash": 1 << 20}, "flash: Extra inputs are not permitted"),
    "an unknown key of a bank": ({"ram": beside({"size": 1})}, "ram.2.size: Extra inputs are not permitted"),
    "no runtime": ({"runtimes": []}, "runtimes: Tuple should have at least 1 item after validation, not 0"),
    "a runtime that it does not run": ({"runtime": "linux"}, "`runtime` 'linux' is not among `runtimes`"),
    "more flash for a model than there is": (
        {"model_flash_bytes": (1 << 20) + 1}, "`model_flash_bytes` 1048577 is more than `flash_bytes` 1048576",
    ),
    "more RAM for a model than in a bank": (
        {"model_ram_bytes": 0x40001}, "`model_ram_bytes` 262145 is more than the largest bank of `ram`, 262144",
    ),
    "one bank within another": ({"ram": beside({"address": 0x20010000})}, "`ram` 'SRAM' and 'more' overlap"),
    "one bank over the end of another": ({"ram": beside({"address": 0x1000F800})}, "`ram` 'TCM' and 'more' overlap"),
    "one bank over another": (
        {"ram": beside({"address": 0x1FFF0000, "bytes": 0x100000})}, "`ram` 'SRAM' and 'more' overlap",
    ),
    "a region below the flash": (
        {"region": {"address": 0, "bytes": 4096, "erase_bytes": 4096}},
        "`region` lies outside the flash, 0x8000000 to 0x8100000",
    ),
    "a region over the flash's end": (
        {"region": {"address": 0x080FF000, "bytes": 8192, "erase_bytes": 4096}},
        "`region` lies outside the flash, 0x8000000 to 0x8100000",
    ),
    "a region in the middle of a block": (
        {"region": {"address": 0x08080800, "bytes": 4096, "erase_bytes": 4096}},
        "region: Value error, does not begin and end on blocks of 4096 bytes",
    ),
    "a region of half a block": (
        {"region": {"address": 0x08080000, "bytes": 2048, "erase_bytes": 4096}},
        "region: Value error, does not begin and end on blocks of 4096 bytes",
    ),
    "the source of no key": ({"sources": {"flash": "a book"}}, "`sources` names 'flash', which is no key"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_is_said_of_a_board_that_contradicts_itself(what: str) -> None:
    change, said = BAD[what]
    with pytest.raises(ValidationError) as caught:
        read(GOOD | change)
    error = caught.value.errors()[0]
    where = ".".join(str(part) for part in error["loc"])
    assert said in (f"{where}: {error['msg']}" if where else error["msg"])


@pytest.mark.parametrize("key", ["name", "title", "core", "ram", "runtime", "runtimes"])
def test_what_a_board_cannot_do_without(key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read({each: value for each, value in GOOD.items() if each != key})
    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [((key,), "missing")]


def test_banks_that_touch_are_two_banks() -> None:
    board = read(GOOD | {"ram": beside({"address": 0x20040000})})
    assert [bank.name for bank in board.ram] == ["SRAM", "TCM", "more"]


def test_there_are_twenty_boards_and_more() -> None:
    assert len(BOARDS) >= 22


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_is_named_as_its_file(name: str) -> None:
    assert BOARDS[name].name == name
    assert re.fullmatch(r"[a-z0-9]+([-.][a-z0-9]+)*", name)


@pytest.mark.parametrize("name", BOARDS)
def test_every_figure_of_a_board_has_a_source_of_its_own(name: str) -> None:
    board = BOARDS[name]
    given = {key for key in board.model_fields_set - WORDS if getattr(board, key) not in (None, ())}
    assert set(board.sources) == given


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_names_runtimes_that_are_known_each_once(name: str) -> None:
    board = BOARDS[name]
    assert set(board.runtimes) <= RUNTIMES
    assert len(set(board.runtimes)) == len(board.runtimes)
    assert board.runtimes[0] == board.runtime


@pytest.mark.parametrize("name", BOARDS)
def test_a_region_lies_on_blocks_within_a_flash_whose_place_is_known(name: str) -> None:
    board = BOARDS[name]
    if board.region is None:
        return
    assert board.flash_address is not None
    assert board.flash_bytes is not None
    assert board.flash_address < board.region.address
    assert board.region.address + board.region.bytes <= board.flash_address + board.flash_bytes
    assert board.region.address % board.region.erase_bytes == 0
    assert board.region.bytes % board.region.erase_bytes == 0


def reckoned(source: str) -> tuple[int, int]:
    """Give the figure that a source begins with, and what it comes to after all that it says to take off."""
    whole = int(re.findall(r"\b\d{5,}\b", source)[0])
    return whole, whole - sum(map(int, re.findall(r"less (?:the )?(\d+)", source)))


@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if board.model_flash_bytes])
def test_the_flash_for_a_model_is_what_its_source_reckons(name: str) -> None:
    board = BOARDS[name]
    assert board.flash_bytes is not None
    whole, left = reckoned(board.sources["model_flash_bytes"])
    assert board.model_flash_bytes == left
    if board.region is not None and left == whole:
        assert left == board.region.bytes
        return
    assert whole <= board.flash_bytes
    assert f"less the {FIRMWARE} bytes" in board.sources["model_flash_bytes"]
    assert board.region is None or left >= board.region.bytes


@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if board.model_ram_bytes])
def test_the_ram_for_a_model_is_what_its_source_reckons(name: str) -> None:
    board = BOARDS[name]
    whole, left = reckoned(board.sources["model_ram_bytes"])
    assert whole == max(bank.bytes for bank in board.ram if not bank.external)
    assert board.model_ram_bytes == left < whole


@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if board.flash_kind == "file system"])
def test_a_board_with_linux_has_no_bounds_of_its_own(name: str) -> None:
    board = BOARDS[name]
    assert (board.model_flash_bytes, board.model_ram_bytes, board.region, board.runtime) == (None, None, None, "linux")
