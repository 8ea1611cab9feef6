"""Bits by layer: how each kernel is stored, so that the file fits a flash target with the least measured loss.

A kernel stays in int8, gets weights of four bits, or shares 2 to 7 bits' worth of values in each channel, which the
pass `compact` turns into tables. What each way costs is measured with that kernel alone changed; losses are taken to
add up (Dong et al. 2019, "HAWQ", does the same with second derivatives), and the joint loss is measured in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.clustering.allocation import End, Option, allocate, extreme
from tinyc.compression.clustering.kernels import Kernel, kernels
from tinyc.compression.clustering.kmeans import share
from tinyc.compression.clustering.tables import as_weight, channels, table_bytes
from tinyc.data.dataset import TrainingData
from tinyc.data.task import Task
from tinyc.quantization.int4 import through_int4
from tinyc.spec.passes.quantize import Precision, Stored
from tinyc.training.probe import Probe, Score

Kind = Literal["int8", "int4", "table"]
TABLE_BITS = (7, 6, 5, 4, 3, 2)
HALVED = ("Conv1D", "Conv2D", "DepthwiseConv2D", "Dense")
"""Layers whose kernels in TensorFlow Lite Micro take weights of four bits."""
PRIOR = 1e-2
"""What a kernel's squared error, as a fraction of its square, counts beside the measured loss, as a fraction of the
network's: few examples cannot tell small losses from none."""


@dataclass(frozen=True)
class Way:
    """One way to store a kernel; `axis` numbers the channels that have a scale, and a table, of their own."""

    kernel: Kernel
    kind: Kind
    axis: tuple[int, ...]
    option: Option

    def values(self, model: Any, seed: int) -> NDArray[np.float32]:
        """Give what the kernel of a network becomes."""
        weight = self.kernel.read(model)
        if self.kind == "table":
            per: Literal["channel", "layer"] = "channel" if self.axis else "layer"
            zeros = bool((weight == 0).any())
            clusters = 2**self.option.bits
            return np.asarray(
                share(weight, clusters, per=per, axis=self.axis, start="kmeans++", seed=seed, keep_zeros=zeros),
                np.float32,
            )
        if self.kind == "int8":
            return weight
        dense = type(model.get_layer(self.kernel.layer)).__name__ == "Dense"
        if dense:
            return through_int4(weight, None)
        return np.asarray(as_weight(through_int4(channels(weight, self.axis), 0), weight.shape, self.axis), np.float32)


@dataclass(frozen=True)
class Chosen:
    """How each kernel is stored, by "layer/weight".

    Attributes:
        flash_bytes: the predicted size of the stripped file, its tables made.
        least_bytes: the smallest size that these ways reach.
        before, after: the network's score as it was, and with all kernels changed; None in a rehearsal.
    """

    ways: Mapping[str, Way]
    flash_bytes: int
    least_bytes: int
    before: Score | None
    after: Score | None
    split: str

    def of(self, kind: Kind) -> list[Way]:
        return [way for way in self.ways.values() if way.kind == kind]


@dataclass(frozen=True)
class Search:
    """What the ways are chosen among.

    Attributes:
        model: a copy of the network, whose weights are changed and put back.
        seed: of the k-means starts and of the examples.
        int4: whether weights of four bits are a way.
        per_channel_dense: whether Dense layers get a scale for each output.
        leave: layers that are not touched.
    """

    model: Any
    seed: int
    int4: bool
    per_channel_dense: bool
    leave: Collection[str] = ()

    def kernels(self) -> list[Kernel]:
        return [each for each in kernels(self.model) if each.layer not in self.leave]

    def ways(self, kernel: Kernel) -> list[Way]:
        """List the ways that make a kernel smaller, after int8, with no loss known."""
        weight = kernel.read(self.model)
        layer = self.model.get_layer(kernel.layer)
        kind = type(layer).__name__
        # The converter loses the name of a grouped convolution, so that its weights would not be found again.
        halved = self.int4 and kind in HALVED and getattr(layer, "groups", 1) == 1
        axis = ((-1,) if self.per_channel_dense else ()) if kind == "Dense" else kernel.axis
        count = len(channels(weight, axis))
        found = [Way(kernel, "int8", axis, Option(8, weight.size, 0.0))]
        for bits in TABLE_BITS:
            size = table_bytes(weight.size, count, 2**bits)
            found.append(Way(kernel, "table", axis, Option(bits, size, 0.0)))
        if halved:
            found.append(Way(kernel, "int4", axis, Option(4, -(-weight.size // 2), 0.0)))
        return [way for way in found if way.kind == "int8" or way.option.bytes < weight.size]

    def changed(self, ways: Sequence[Way]) -> dict[str, list[NDArray[Any]]]:
        """Give the weights of the layers that the ways change, each layer's all together."""
        made: dict[str, list[NDArray[Any]]] = {}
        for way in ways:
            if way.kind == "int8":
                continue
            layer = self.model.get_layer(way.kernel.layer)
            values = way.values(self.model, self.seed)
            held = made.get(layer.name) or layer.get_weights()
            variable = getattr(layer, way.kernel.weight)
            pairs = zip(layer.weights, held, strict=True)
            made[layer.name] = [values if each is variable else old for each, old in pairs]
        return made


def search(
    asked: Search,
    data: TrainingData,
    task: Task,
    flash_bytes: int,
    stripped_bytes: int,
    rehearse: End | None,
    advance: Callable[[int], None],
) -> Chosen:
    """Choose how each kernel is stored.

    Args:
        flash_bytes: what the stripped file may take; where it cannot, the smallest that there is.
        stripped_bytes: what it takes with all kernels in int8.
        rehearse: the network is untrained, so that no loss tells what a run will choose; take one end of it.
        advance: called with 1 after each way that was tried.
    """
    listed = {f"{kernel.layer}/{kernel.weight}": asked.ways(kernel) for kernel in asked.kernels()}
    probe = None if rehearse else Probe(asked.model, data, task, asked.seed)
    before = probe.score() if probe else None
    priced = {name: priced_ways(asked, ways, probe, before, advance) for name, ways in listed.items()}
    fixed = stripped_bytes - sum(ways[0].option.bytes for ways in priced.values())
    least = fixed + sum(min(way.option.bytes for way in ways) for ways in priced.values())
    options = {name: [way.option for way in ways] for name, ways in priced.items()}
    budget = max(flash_bytes, least) - fixed
    taken = rehearsed(options, budget, rehearse) if rehearse else allocate(options, budget)
    chosen = {name: next(way for way in priced[name] if way.option == option) for name, option in taken.items()}
    after = probe.with_weights(asked.changed(list(chosen.values()))) if probe else None
    total = fixed + sum(way.option.bytes for way in chosen.values())
    return Chosen(chosen, total, least, before, after, probe.split if probe else "")


def rehearsed(options: Mapping[str, Sequence[Option]], budget_bytes: int, end: End) -> dict[str, Option]:
    """Take the fewest bytes that a run could choose, or the most within the budget.

    A run never pays for bytes that save no loss: where each kernel's smallest way without any is within the budget,
    both ends are that.
    """
    whole = {name: min(one.bytes for one in choice if one.loss == 0) for name, choice in options.items()}
    useful = {name: [one for one in choice if one.bytes <= whole[name]] for name, choice in options.items()}
    return extreme(useful, budget_bytes, "upper" if sum(whole.values()) <= budget_bytes else end)


def priced_ways(
    asked: Search, ways: Sequence[Way], probe: Probe | None, before: Score | None, advance: Callable[[int], None]
) -> list[Way]:
    """Measure what each way costs; fewer bits in a table never count as cheaper than more."""
    found, floor = [], 0.0
    for way in ways:
        loss = 0.0
        if way.kind != "int8":
            loss = cost(asked, way, probe, before)
            advance(1)
        if way.kind == "table":
            floor = loss = max(floor, loss)
        found.append(Way(way.kernel, way.kind, way.axis, Option(way.option.bits, way.option.bytes, loss)))
    return found


def cost(asked: Search, way: Way, probe: Probe | None, before: Score | None) -> float:
    """Return the loss (nats) of one kernel's way, with a small part by its error; in a rehearsal that alone."""
    weight, values = way.kernel.read(asked.model).astype(np.float64), way.values(asked.model, asked.seed)
    error = float(((values - weight) ** 2).sum() / max(float((weight**2).sum()), 1e-30))
    if probe is None or before is None:
        return error
    measured = probe.with_weights(asked.changed([way])).loss - before.loss
    return max(0.0, measured) + PRIOR * before.loss * error


def facts(chosen: Chosen, asked_bytes: int) -> Precision:
    """State what was chosen; `loss` of a kernel is what it alone brings (nats)."""
    stored: dict[str, Stored] = {
        name: {"as": way.kind, "bits": way.option.bits, "bytes": way.option.bytes, "loss": round(way.option.loss, 6)}
        for name, way in chosen.ways.items()
    }
    told: Precision = {
        "flash_asked": asked_bytes,
        "flash_predicted": chosen.flash_bytes,
        "flash_least": chosen.least_bytes,
        "kernels": stored,
    }
    if chosen.before and chosen.after:
        told["measured"] = {
            "loss_before": round(chosen.before.loss, 6),
            "loss_after": round(chosen.after.loss, 6),
            "accuracy_before": round(chosen.before.accuracy, 6),
            "accuracy_after": round(chosen.after.accuracy, 6),
            "examples": chosen.after.examples,
            "split": chosen.split,
        }
    return told


def notes(chosen: Chosen, asked_bytes: int) -> list[str]:
    """Say where the target is out of reach, and what has still to come."""
    found = []
    if chosen.flash_bytes > asked_bytes:
        found.append(
            f"flash = {asked_bytes} B is out of reach: with the fewest bits everywhere the file takes about "
            f"{chosen.least_bytes} B; make the network smaller first"
        )
    if tables := len(chosen.of("table")):
        found.append(f"{tables} kernels share values: they become smaller in the pass `compact`, not before")
    return found
