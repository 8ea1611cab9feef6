"""Weight tables that are proved: those under which TensorFlow Lite Micro still gives the same outputs, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.tflite.run.output_difference import identical
from tinyc.tflite.run.pool import Pool, Run
from tinyc.tflite.write.tables import Gain, compact


@dataclass(frozen=True)
class Proved:
    """A file with tables beside the file without.

    Attributes:
        content: the bytes; those without tables where none held.
        kept: the tensors that are in tables.
        dropped: those that were not put in tables since an output would change, or TFLM refused the file.
        before, after: what TFLM gave without and with tables.
    """

    content: bytes
    kept: tuple[Gain, ...]
    dropped: tuple[Gain, ...]
    before: Run
    after: Run


def prove(
    content: bytes, chosen: Sequence[Gain], samples: NDArray[Any], pool: Pool, advance: Callable[[int], None]
) -> Proved:
    """Put tensors into tables, and leave out those that change an output of TFLM on any example.

    Args:
        content: the file without tables.
        samples: (examples, *input shape) as the network sees them.

    Raises:
        UserError: TFLM does not take the file without tables either.
        MachineError: a worker was ended or hung, or TFLM is not installed.
    """
    before = pool.run(content, samples, "tflm", advance=advance)

    runs: dict[tuple[Gain, ...], Run] = {(): before}

    def holds(gains: tuple[Gain, ...]) -> bool:
        try:
            runs[gains] = pool.run(compact(content, gains), samples, "tflm", advance=advance)
        except UserError:
            return False
        return identical(runs[gains].raw, before.raw)

    kept = exact(tuple(chosen), holds)
    dropped = tuple(gain for gain in chosen if gain not in kept)
    return Proved(compact(content, kept), kept, dropped, before, runs[kept])


def exact(gains: tuple[Gain, ...], holds: Callable[[tuple[Gain, ...]], bool]) -> tuple[Gain, ...]:
    """Find tensors that hold together, by halves: the culprits are found in few trials where they are few."""
    if not gains or holds(gains):
        return gains
    if len(gains) == 1:
        return ()
    middle = len(gains) // 2
    halves = [exact(half, holds) for half in (gains[:middle], gains[middle:])]
    both = (*halves[0], *halves[1])
    if not (halves[0] and halves[1]) or holds(both):
        return both
    return max(halves, key=lambda half: sum(gain.saved_bytes for gain in half))
