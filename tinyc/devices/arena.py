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
    """Memory in the arena beside a model's tensors, in bytes.

    Attributes:
        bytes: the most that one operator asks while it runs, what all ask for good, and the handles of requests.
        assumed: operators for which no source tells the size, so that a share of their tensors is reckoned with; all of
            them where the kernel takes other shapes.
    """

    bytes: int
    assumed: tuple[str, ...] = ()


def scratch(works: Sequence[Work], runtime: Runtime, board: Board | None = None) -> Need:
    """Add up what a runtime's kernels ask.

    Operators run one after the other, so that of what they ask while they run the largest decides. What they ask for
    good adds up.
    """
    largest = lasting = handles = 0
    assumed: dict[str, None] = {}
    for work in works:
        running = 0
        for rule in (each for each in runtime.scratch if work.operator in each.operators and on_core(each, board)):
            found = request(work, rule, board)
            size = aligned(work.value_bytes if found is None else found)
            if rule.formula is None or found is None:
                assumed[work.operator] = None
            if rule.lasting:
                lasting += size
            elif size:
                running += size
                handles += HANDLE_BYTES
        largest = max(largest, running)
    return Need(largest + lasting + handles, tuple(assumed))


def on_core(rule: Scratch, board: Board | None) -> bool:
    """Say whether a rule holds on a board; on an unknown one all do, since the larger figure is the safe one."""
    return not rule.cores or board is None or board.core in rule.cores


def request(work: Work, rule: Scratch, board: Board | None) -> int | None:
    """Give the bytes that one operator asks by one rule; None where its shapes are none that the kernel takes."""
    if rule.formula is None:
        return math.ceil((rule.share or 0) * work.value_bytes)
    try:
        return FORMULAS[rule.formula](work, board)
    except (IndexError, ValueError):
        return None


def aligned(size: int) -> int:
    """Round up to where TFLM lets the next buffer begin."""
    return -(-size // ALIGNMENT) * ALIGNMENT
