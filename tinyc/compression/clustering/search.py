"""Bits by layer from measurement: what each weight loses at each width, then the best mix within bytes or a drop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from tinyc.compression.clustering.allocation import End, Option, allocate, extreme
from tinyc.compression.clustering.cluster import Means, Size
from tinyc.compression.clustering.kernels import Kernel
from tinyc.core.errors import UserError
from tinyc.spec.passes.cluster import Searched
from tinyc.training.probe import Probe, Score

BITS = range(2, 8)
DENSE = 8
"""Bits of a weight that stays as it is."""
STEPS = 12
"""Halvings of the range of bytes in search of the smallest mix that keeps the accuracy."""
Options = Mapping[Kernel, Sequence[Option]]
Loss = Callable[[Kernel, int], float]


@dataclass(frozen=True)
class Search:
    """Bits for each weight, in the network's order, and what was measured on the way."""

    bits: Mapping[Kernel, int]
    facts: Searched | None = None


def options(model: Any, kernels: Sequence[Kernel], loss: Loss) -> dict[Kernel, list[Option]]:
    """List for each weight the widths at which a table pays, and the weight as it is; none where no table does."""
    found = {}
    for kernel in kernels:
        size = Size.of(kernel, kernel.read(model))
        widths = [bits for bits in BITS if size.pays(2**bits)]
        if widths:
            tables = [Option(bits, size.bytes(2**bits), each) for bits, each in losses(kernel, widths, loss)]
            found[kernel] = [*tables, Option(DENSE, size.elements, 0.0)]
    return found


def losses(kernel: Kernel, widths: Sequence[int], loss: Loss) -> Iterator[tuple[int, float]]:
    """Measure a weight from its fewest bits up, until it loses nothing: more bits would only take bytes."""
    for bits in widths:
        measured = loss(kernel, bits)
        yield bits, max(measured, 0.0)
        if measured <= 0:
            return


def measured_loss(probe: Probe, means: Means, base: Score) -> Loss:
    """Measure a width by the rise of the validation loss with this one weight shared."""

    def loss(kernel: Kernel, bits: int) -> float:
        shared = means.shared(kernel, kernel.read(probe.model), 2**bits)
        return probe.with_weights({kernel.layer: kernel.weights(probe.model, shared)}).loss - base.loss

    return loss


def within_budget(found: Options, budget_bytes: int, where: str, end: End | None = None) -> dict[Kernel, int]:
    """Take the bits of least total loss within the bytes, or one end of what that could be.

    Raises:
        UserError: the fewest bits take more.
    """
    names = {str(number): kernel for number, kernel in enumerate(found)}
    try:
        listed = {name: found[kernel] for name, kernel in names.items()}
        chosen = extreme(listed, budget_bytes, end) if end else allocate(listed, budget_bytes)
    except UserError as error:
        raise UserError(f"{where}: {error.where}", error.problem, error.remedy) from error
    return {names[name]: option.bits for name, option in chosen.items()}


def within_drop(found: Options, drop: float, base: Score, joint: Callable[[Mapping[Kernel, int]], Score]) -> int:
    """Find the fewest bytes whose mix, measured as a whole, keeps the accuracy within `drop` (a fraction)."""
    low = sum(min(each.bytes for each in choice) for choice in found.values())
    high = sum(max(each.bytes for each in choice) for choice in found.values())
    for _ in range(STEPS):
        if low >= high:
            break
        middle = (low + high) // 2
        kept = joint(within_budget(found, middle, "drop")).accuracy >= base.accuracy - drop - 1e-9
        low, high = (low, middle) if kept else (middle + 1, high)
    return high


@contextmanager
def shared(probe: Probe, bits: Mapping[Kernel, int], means: Means) -> Iterator[None]:
    """Hold the shared weights of all layers while the block runs."""
    with ExitStack() as stack:
        for kernel, width in bits.items():
            if width != DENSE:
                weight = means.shared(kernel, kernel.read(probe.model), 2**width)
                stack.enter_context(probe.changed({kernel.layer: kernel.weights(probe.model, weight)}))
        yield


def search(
    probe: Probe, kernels: Sequence[Kernel], means: Means, goal: tuple[Literal["budget", "drop"], float]
) -> Search:
    """Choose the bits of each weight by what it loses on the probe's examples, and measure the mix as a whole.

    Args:
        goal: ("budget", bytes of all these weights), or ("drop", fraction of accuracy before any training).

    Raises:
        UserError: the budget is less than the fewest bits take.
    """
    kind, amount = goal
    base = probe.score()

    def joint(bits: Mapping[Kernel, int]) -> Score:
        with shared(probe, bits, means):
            return probe.score()

    found = options(probe.model, kernels, measured_loss(probe, means, base))
    budget = int(amount) if kind == "budget" else within_drop(found, amount, base, joint)
    bits = within_budget(found, budget, "cluster")
    reached = joint(bits)
    taken = {kernel: next(each for each in found[kernel] if each.bits == width) for kernel, width in bits.items()}
    facts: Searched = {
        "split": probe.split,
        "examples": base.examples,
        "accuracy_before": round(base.accuracy, 6),
        "accuracy_shared": round(reached.accuracy, 6),
        "loss_before": round(base.loss, 6),
        "loss_expected": round(base.loss + sum(each.loss for each in taken.values()), 6),
        "loss_shared": round(reached.loss, 6),
        "bytes": sum(each.bytes for each in taken.values()),
        "tried": [
            {"layer": kernel.layer, "weight": kernel.weight, "bits": each.bits, "bytes": each.bytes,
             "loss": round(each.loss, 6)}
            for kernel, choice in found.items() for each in choice if each.bits != DENSE
        ],
    }  # fmt: skip
    return Search(bits, facts)


def rehearsed(model: Any, kernels: Sequence[Kernel], means: Means, goal: tuple[str, float], side: End) -> Search:
    """Choose bits for an untrained network: the fewest bytes that a run could take, or the most."""
    found = options(model, kernels, lambda kernel, bits: 1.0)
    if goal[0] == "budget":
        return Search(within_budget(found, int(goal[1]), "cluster", side))
    least = {kernel: min(each.bits for each in choice) for kernel, choice in found.items()}
    return Search(least if side == "lower" else dict.fromkeys(found, DENSE))
