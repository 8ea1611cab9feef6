"""A board as data: its core, flash and RAM, what a model may have of both, and how it is flashed."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tinyc.devices.table import Name, Sourced, Table

Core = Literal[
    "cortex-m0+", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55", "cortex-m85", "xtensa-lx6",
    "xtensa-lx7", "riscv", "arm1176", "cortex-a53", "cortex-a72",
]  # fmt: skip
Size = Annotated[int, Field(gt=0, lt=1 << 48)]
Address = Annotated[int, Field(ge=0, lt=1 << 32)]


class Bank(Table, frozen=True):
    """One bank of RAM; `address` None where an operating system deals it out."""

    name: str
    bytes: Size
    address: Address | None = None
    external: bool = False


class Region(Table, frozen=True):
    """Flash for a model apart from the firmware, on whole erase blocks."""

    address: Address
    bytes: Size
    erase_bytes: Size
    note: str | None = None

    @model_validator(mode="after")
    def whole_blocks(self) -> Region:
        """Refuse a region that does not begin and end with a block."""
        if self.address % self.erase_bytes or self.bytes % self.erase_bytes:
            raise ValueError(f"does not begin and end on blocks of {self.erase_bytes} bytes")
        return self


class Board(Sourced, frozen=True):
    """One board; sizes in bytes, the clock in MHz.

    `model_flash_bytes` and `model_ram_bytes` are the shares that a model may have: what flash and the largest bank of
    RAM leave beside a typical firmware. They are the default targets of a recipe that names the board.
    """

    name: Name
    title: str
    core: Core
    cores: int = Field(1, ge=1, le=64)
    clock_mhz: Annotated[float, Field(gt=0, lt=10_000)] | None = None
    fpu: Literal["none", "single", "double"] | None = None
    dsp: bool | None = Field(None, description="integer SIMD: Arm's DSP extension, or the vector unit of an ESP32-S3")
    mve: bool | None = Field(None, description="Arm's vector extension, Helium")
    npu: str | None = Field(None, description="a neural processor, e.g. ethos-u55-128")
    flash_bytes: Size | None = None
    flash_address: Address | None = None
    flash_kind: Literal["internal", "serial", "file system"] | None = Field(
        None, description="on the chip, over a serial bus (executed in place), or a file system"
    )
    ram: tuple[Bank, ...] = Field(min_length=1)
    model_flash_bytes: Size | None = None
    model_ram_bytes: Size | None = None
    region: Region | None = None
    runtime: str = Field(description="the runtime that is taken where a recipe names none")
    runtimes: tuple[str, ...] = Field(min_length=1, description="runtimes that it runs")
    flashed: tuple[str, ...] = Field((), description="commands or tools that flash it, the usual one first")
    notes: tuple[str, ...] = Field((), description="what its users trip over")

    @model_validator(mode="after")
    def figures_agree(self) -> Board:
        """Refuse figures that contradict each other."""
        fault = contradiction(self)
        if fault:
            raise ValueError(fault)
        return self

    @property
    def largest_bank_bytes(self) -> int:
        """Give the size of the largest bank of RAM on the chip: an arena lies in one; of all, where none is."""
        return max(bank.bytes for bank in [each for each in self.ram if not each.external] or self.ram)


def contradiction(board: Board) -> str | None:
    """Say which figures of a board cannot both be right; None where all can."""
    if board.runtime not in board.runtimes:
        return f"`runtime` {board.runtime!r} is not among `runtimes`"
    if board.model_flash_bytes and board.flash_bytes and board.model_flash_bytes > board.flash_bytes:
        return f"`model_flash_bytes` {board.model_flash_bytes} is more than `flash_bytes` {board.flash_bytes}"
    if board.model_ram_bytes and board.model_ram_bytes > board.largest_bank_bytes:
        largest = board.largest_bank_bytes
        return f"`model_ram_bytes` {board.model_ram_bytes} is more than the largest bank of `ram`, {largest}"
    for one, other in combinations([bank for bank in board.ram if bank.address is not None], 2):
        if overlap(one, other):
            return f"`ram` {one.name!r} and {other.name!r} overlap"
    return outside(board)


def overlap(one: Bank, other: Bank) -> bool:
    """Say whether two banks share an address."""
    first, second = one.address or 0, other.address or 0
    return first < second + other.bytes and second < first + one.bytes


def outside(board: Board) -> str | None:
    """Say where `region` leaves the flash; None where it does not."""
    if board.region is None or board.flash_bytes is None or board.flash_address is None:
        return None
    end = board.flash_address + board.flash_bytes
    if board.flash_address <= board.region.address and board.region.address + board.region.bytes <= end:
        return None
    return f"`region` lies outside the flash, {board.flash_address:#x} to {end:#x}"
