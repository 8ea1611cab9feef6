"""What report.json says of devices: the one that the recipe names, and every runtime that tinyc knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tinyc.measure.figures import Latency


@dataclass(frozen=True)
class DeviceRecord:
    """The artifact on the recipe's device; sizes in bytes, None where nothing was measured or no source tells.

    `arena_bytes` is `arena_host_bytes`, the least on this host, with the `scratch_bytes` of the runtime's kernels;
    `assumed` names operators whose scratch memory no source tells. `..._room` is what a model may have of the
    board, `..._whole` all that the board has: its flash, its largest bank of RAM.
    """

    board: str | None
    board_title: str | None
    runtime: str
    runtime_title: str
    flash_bytes: int
    flash_room: int | None
    flash_whole: int | None
    arena_bytes: int | None
    arena_host_bytes: int | None
    scratch_bytes: int
    assumed: tuple[str, ...]
    arena_room: int | None
    arena_whole: int | None
    latency: Latency

    @property
    def title(self) -> str:
        """Name board and runtime for people."""
        return f"{self.board_title} with {self.runtime_title}" if self.board_title else self.runtime_title


@dataclass(frozen=True)
class RuntimeRecord:
    """What one runtime makes of the artifact, from what was read of it; `why` has a sentence a problem."""

    name: str
    title: str
    read: str | None
    verdict: Literal["runs", "reported", "missing", "wrong"]
    why: tuple[str, ...]
