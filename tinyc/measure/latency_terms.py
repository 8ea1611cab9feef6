"""What an operator has to do, in the terms that a latency is estimated in: multiply-accumulates, elements, bytes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tinyc.devices.board import Core
from tinyc.devices.latency import Figure, Flash, Kind, Layer, Measurements
from tinyc.devices.runtime import Kernels
from tinyc.devices.work import Work

KINDS: tuple[Kind, ...] = ("convolution", "product", "depthwise")
CALIBRATED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})
"""Operators whose multiply-accumulates the public measurements are of."""
FREE = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
REDUCING = ("MEAN", "SUM", "REDUCE_", "AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D", "ARG_M")
EXTENSIONS: dict[str, str] = {
    "cortex-m4": "dsp", "cortex-m7": "dsp", "cortex-m33": "dsp", "cortex-m55": "mve", "cortex-m85": "mve",
}  # fmt: skip
"""Instructions that CMSIS-NN's kernels are written for; cores that share them share the cost of one kind of
operator relative to another."""
COLUMNS: dict[str, int] = {"cmsis-nn": 2}
"""Output positions for which kernels read the weights once: CMSIS-NN multiplies two columns at a time."""


def family(core: Core, kernels: Kernels) -> tuple[str, str]:
    """Name kernels, and the instructions that they are written for on a core."""
    return kernels, EXTENSIONS.get(core, core) if kernels == "cmsis-nn" else core


@dataclass(frozen=True)
class Platform:
    """What runs the operators: `flash` is None where weights and code are not read over a serial bus."""

    core: Core
    kernels: Kernels
    hertz: float
    flash: Flash | None = None

    @property
    def family(self) -> tuple[str, str]:
        """Name the kernels, and the instructions that they are written for."""
        return family(self.core, self.kernels)

    @property
    def cycles_a_flash_byte(self) -> float:
        """Give the cycles in which a byte comes from serial flash; none where it does not."""
        return self.hertz / self.flash.bytes_per_second if self.flash else 0.0


@dataclass(frozen=True)
class Terms:
    """One operator: multiply-accumulates of a kind, and the cycles beside them, least, middle and most."""

    macs: int
    kind: Kind | None
    low: float
    middle: float
    high: float


def layer(work: Work) -> Layer:
    """Keep of an operator what its latency depends on."""
    return Layer(
        operator=work.operator,
        input=work.inputs[0] if work.inputs else (),
        output=work.output,
        weights=work.weight_shape,
        macs=work.macs or 0,
        weight_bytes=work.weight_bytes,
        value_bytes=work.value_bytes,
    )


def terms(layers: Sequence[Layer], platform: Platform, known: Measurements) -> tuple[Terms, ...]:
    """Reckon every operator of a network, in the order of execution."""
    made: list[Terms] = []
    seen: set[str] = set()
    for each in layers:
        beside = known.call.cycles + platform.cycles_a_flash_byte * fetched_bytes(each, platform, known, seen)
        seen.add(each.operator)
        low, middle, high = (0.0, 0.0, 0.0) if each.macs else elementwise(each, platform, known)
        made.append(Terms(each.macs, kind(each), beside + low, beside + middle, beside + high))
    return tuple(made)


def kind(each: Layer) -> Kind | None:
    """Say how an operator multiplies: by filters over several places, by a matrix, or within a channel."""
    if not each.macs:
        return None
    if each.operator == "DEPTHWISE_CONV_2D":
        return "depthwise"
    if each.operator == "CONV_2D" and each.weights and math.prod(each.weights[1:-1]) > 1:
        return "convolution"
    return "product"


def fetched_bytes(each: Layer, platform: Platform, known: Measurements, seen: set[str]) -> float:
    """Count what a call reads from serial flash: its code, and its weights.

    Weights that the cache cannot hold are read again for each output position, or each two of them.
    """
    code = known.call.bytes if each.operator in seen else known.call.first_bytes
    cache = platform.flash.cache_bytes if platform.flash else None
    again = 1.0
    if cache is not None and each.weight_bytes > cache:
        again = max(1.0, math.prod(each.output[:-1]) / COLUMNS.get(platform.kernels, 1))
    return code + each.weight_bytes * again


def elementwise(each: Layer, platform: Platform, known: Measurements) -> tuple[float, float, float]:
    """Give the cycles of an operator that does not multiply and accumulate: least, middle and most of its figures.

    Where nobody has published a figure of it, it may cost anything from a cycle to the most on record.
    """
    if each.operator in FREE:
        return 0.0, 0.0, 0.0
    elements = math.prod(each.input if each.operator.startswith(REDUCING) else each.output)
    costs = [figure.each for figure in figures(each.operator, platform, known)]
    if costs:
        return elements * min(costs), elements * geometric_mean(costs), elements * max(costs)
    scalar = [figure.each for figure in known.figures if figure.kernels == "reference"]
    return float(elements), elements * geometric_mean(scalar), elements * max(scalar)


def figures(operator: str, platform: Platform, known: Measurements) -> list[Figure]:
    """Find the figures of an operator: of this core and its kernels, of such kernels, of plain C, in this order."""
    of_it = [figure for figure in known.figures if figure.operator == operator]
    for fits in (
        [each for each in of_it if (each.core, each.kernels) == (platform.core, platform.kernels)],
        [each for each in of_it if family(each.core, each.kernels) == platform.family],
        [each for each in of_it if each.kernels == "reference"],
    ):
        if fits:
            return fits
    return of_it


def is_without_figure(operator: str, known: Measurements) -> bool:
    """Say whether nobody has published what an operator costs."""
    return operator not in CALIBRATED | FREE and all(figure.operator != operator for figure in known.figures)


def geometric_mean(values: Iterable[float]) -> float:
    """Average positive numbers by their logarithms."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs))
