"""Which weight gets how many bits: the least total loss within a budget of bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tinyc.core import units
from tinyc.core.errors import UserError

End = Literal["lower", "upper"]
FRONT = 4096
"""Sums that are kept at most; where there are more, the best of each of so many steps of bytes."""


@dataclass(frozen=True)
class Option:
    """One way to store a weight: bits of a number, bytes of the whole, and the loss that it brings (nats)."""

    bits: int
    bytes: int
    loss: float


@dataclass(frozen=True)
class Sum:
    """Options taken for the weights so far; `before` is the sum without the last of them."""

    bytes: int
    loss: float
    option: Option | None = None
    before: Sum | None = None


def allocate(options: Mapping[str, Sequence[Option]], budget_bytes: int) -> dict[str, Option]:
    """Take one option for each name: the least total loss within the budget, and of equals the fewest bytes.

    Sums that are both larger and worse than another are dropped, name by name (the Pareto front of the multiple-choice
    knapsack problem); exact up to FRONT sums. Losses of different weights are taken to add up.

    Raises:
        UserError: even the smallest options together exceed the budget.
    """
    least = sum(min(each.bytes for each in choice) for choice in options.values())
    if least > budget_bytes:
        problem = f"{units.show_bytes(budget_bytes)} is too little: at the fewest bits it takes {least} bytes"
        raise UserError("budget", problem, f'write budget = "{-(-least // 1024)} KiB" or more')
    front = [Sum(0, 0.0)]
    slack = budget_bytes - least
    for choice in options.values():
        # Each later weight needs at least its smallest option: what leaves no room for it is dropped at once.
        smallest = min(each.bytes for each in choice)
        room = front[0].bytes + smallest + slack
        front = thinned(list(improving(grown(front, choice, room))))
    return dict(zip(options, reversed(list(path(front[-1]))), strict=True))


def extreme(options: Mapping[str, Sequence[Option]], budget_bytes: int, end: End) -> dict[str, Option]:
    """Take the fewest bytes, or the most within the budget, whatever is lost: what `allocate` takes lies between.

    Raises:
        UserError: even the smallest options together exceed the budget.
    """
    by_bytes = {
        name: [Option(number, each.bytes, -each.bytes if end == "upper" else each.bytes)
               for number, each in enumerate(choice)]
        for name, choice in options.items()
    }  # fmt: skip
    return {name: options[name][taken.bits] for name, taken in allocate(by_bytes, budget_bytes).items()}


def grown(front: Sequence[Sum], choice: Sequence[Option], room: int) -> list[Sum]:
    """Add every option to every sum, within the room."""
    sums = (Sum(each.bytes + one.bytes, each.loss + one.loss, one, each) for each in front for one in choice)
    return [each for each in sums if each.bytes <= room]


def improving(sums: list[Sum]) -> Iterator[Sum]:
    """Keep the sums that are better than all smaller ones, from the smallest up."""
    best = float("inf")
    for each in sorted(sums, key=lambda each: (each.bytes, each.loss)):
        if each.loss < best:
            best = each.loss
            yield each


def thinned(front: list[Sum]) -> list[Sum]:
    """Keep the smallest sum, and the best of each step of bytes."""
    if len(front) <= FRONT:
        return front
    step = (front[-1].bytes - front[0].bytes) / FRONT
    best = {int((each.bytes - front[0].bytes) / step): each for each in front}
    return [front[0], *(each for each in best.values() if each is not front[0])]


def path(end: Sum) -> Iterator[Option]:
    """Walk back through the options that were taken, the last first."""
    here: Sum | None = end
    while here is not None and here.option is not None:
        yield here.option
        here = here.before
