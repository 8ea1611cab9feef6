"""The arena on a device: what was measured on the host, and what the kernels of its runtime ask beside that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tinyc.devices.board import Board
from tinyc.devices.runtime import Runtime, Scratch
from tinyc.devices.scratch import FORMULAS
from tinyc.devices.work import Work

ALIGNMENT = 16
HANDLE_BYTES = 16
"""Room that TFLM keeps for each request of scratch memory, while it plans and afterwards; at most, with its padding."""


@dataclass(frozen=True)
class Need:
    """Scratch memory beside a model's tensors, in bytes.

    Attributes:
        bytes: the most that one operator asks, and the handles of all requests.
        assumed: operators for which no source tells the size, so that a share of their tensors is reckoned with.
    """

    bytes: int
    assumed: tuple[str, ...] = ()


def scratch(works: Sequence[Work], runtime: Runtime, board: Board | None = None) -> Need:
    """Add up what a runtime's kernels ask: operators run one after the other, so that the largest request decides."""
    requests: list[int] = []
    assumed: dict[str, None] = {}
    for work in works:
        for rule in runtime.scratch:
            if work.operator in rule.operators and on_core(rule, board):
                requests.append(request(work, rule, board))
                if rule.formula is None:
                    assumed[work.operator] = None
    asked = [each for each in requests if each]
    return Need(max(map(aligned, asked), default=0) + len(asked) * HANDLE_BYTES, tuple(assumed))


def on_core(rule: Scratch, board: Board | None) -> bool:
    """Say whether a rule holds on a board; on an unknown one all do, since the larger figure is the safe one."""
    return not rule.cores or board is None or board.core in rule.cores


def request(work: Work, rule: Scratch, board: Board | None) -> int:
    """Give the bytes that one operator asks by one rule."""
    if rule.formula is not None:
        return FORMULAS[rule.formula](work, board)
    return math.ceil((rule.share or 0) * work.value_bytes)


def aligned(size: int) -> int:
    """Round up to where TFLM lets the next buffer begin."""
    return -(-size // ALIGNMENT) * ALIGNMENT
