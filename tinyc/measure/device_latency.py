"""The latency of an artifact on a recipe's board: as it was measured there, else estimated."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tinyc.core.errors import TinycError, UserError
from tinyc.devices.board import Board
from tinyc.devices.work import Work
from tinyc.measure import evidence
from tinyc.measure.figures import Latency
from tinyc.measure.latency import Unknown, estimate
from tinyc.measure.vela import vela_estimate
from tinyc.spec.device import Device


def latency_of(
    content: bytes, works: Sequence[Work], device: Device, arena_bytes: int | None, patient: bool = True
) -> Latency:
    """Give the measurement of these very bytes on the board that is kept, or an estimate; or say why there is none.

    Args:
        content: the artifact.
        works: its operators.
        device: what it is for.
        arena_bytes: what it needs there; None where it was not measured.
        patient: whether Vela may take its seconds, where the board has an Ethos-U.
    """
    board = device.board
    if board is None:
        return Latency("there is no board: name one in [device]")
    known = measured(content, board) if device.runtime.kind == "interpreter" else None
    if known is not None:
        return known
    if board.npu is not None:
        return by_vela(content, board.npu) if patient else Latency("no estimate: Vela's takes seconds", "estimate")
    return estimated(works, board, device, arena_bytes)


def measured(content: bytes, board: Board) -> Latency | None:
    """Give what `tinyc bench` kept, or say that it is damaged; None where it kept nothing."""
    try:
        found = evidence.latest(hashlib.sha256(content).hexdigest(), board.name)
    except UserError as error:
        return Latency(f"no figure: {error.where} {error.problem}; {error.remedy}")
    if found is None:
        return None
    says = f"measured on {board.title} on {found.date} with {found.runtime}, {found.threads} threads"
    return Latency(says, "measured", found.median, found.p5, found.p95)


def estimated(works: Sequence[Work], board: Board, device: Device, arena_bytes: int | None) -> Latency:
    """Give an estimate, whose slow end is what a bound is judged on."""
    found = estimate(works, board, device.runtime, arena_bytes)
    if isinstance(found, Unknown):
        return Latency(found.sentence, "estimate")
    low, high = found.low_ms / 1000, found.high_ms / 1000
    return Latency(found.sentence, "estimate", high, low, high)


def by_vela(content: bytes, npu: str) -> Latency:
    """Give Vela's estimate, called its; none of the whole where it leaves operators to the CPU, or cannot be run."""
    try:
        found = vela_estimate(content, npu, "the artifact")
    except TinycError as error:
        return Latency(f"no estimate: {error.where}: {error.problem}; {error.remedy}", "estimate")
    if found.cpu_operators:
        return Latency(f"no estimate of the whole; {found.sentence}", "estimate")
    seconds = found.ms / 1000
    return Latency(found.sentence, "estimate", seconds, seconds, seconds)
