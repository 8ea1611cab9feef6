"""From figures to causes: each rule looks at the layers and says what it sees, and how much noise that makes.

The measure of a cause is the noise to signal power that it makes on its own, in the channel or tensor that it harms;
so a clipped range and a coarse step can be ranked against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from tinyc.analysis.diagnosis.calibrating import Calibrated, calibration, clipping
from tinyc.analysis.diagnosis.figures import Figures
from tinyc.analysis.diagnosis.findings import Cause, noise, worst
from tinyc.analysis.diagnosis.remedies import Change, lines
from tinyc.quantization.columns import FITTED, in_artifact
from tinyc.tflite.read.flatbuffer import Description

KERNELS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})
OUTLIER, ROWS, TAIL = 12.0, 8.0, 8.0
# A kernel of 4 bits in steps of its own keeps about 20 dB.
COARSE_DB, SHARED_DB, POOR_WEIGHTS_DB, POOR_DB = 20.0, 22.0, 18.0, 15.0
SHIFTED = 0.5
SILENT, SLIGHT = 1e-2, 1e-3


@dataclass(frozen=True)
class Chart:
    """All that the rules look at: the layers' figures, the calibration, and the keys of `quantize`."""

    layers: Sequence[Figures]
    calibrated: Calibrated
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_trained(self) -> bool:
        return self.options.get("how") == "qat"

    def cause(self, kind: str, found: Sequence[tuple[float, Figures]], evidence: str, *changes: Change) -> Cause:
        """Make a cause of the layers that show it, the worst first."""
        size, layer = found[0]
        also = tuple(each.layer for _, each in found[1:])
        return Cause(kind, layer.layer, evidence, lines(changes, self.options), size, also)


def ranked(chart: Chart) -> tuple[Cause, ...]:
    """Return every cause that stands out, the one that makes most noise first; none where nothing does."""
    found = [
        *calibration(chart.layers, chart.calibrated),
        *clipping(chart.layers, chart.calibrated, chart.options),
        *(cause for rule in (one_scale, outliers, tails, weights) for cause in rule(chart)),
    ]
    found += lost(chart, found)
    found = found or [*shifts(chart)] or [*noisiest(chart)]
    return tuple(sorted([*found, *dead(chart)], key=lambda cause: -cause.noise))


def columns_apart(inputs: NDArray[Any], artifact: Description) -> Iterator[Cause]:
    """Columns of the input in other units, of which one int8 scale leaves few values; (examples, ..., columns)."""
    found = in_artifact(inputs, artifact)
    if found is not None:
        yield Cause("columns apart", artifact.inputs[0].name, found.evidence, (FITTED,), found.noise)


def one_scale(chart: Chart) -> Iterator[Cause]:
    """Dense layers whose rows differ much and share one scale."""
    found = worst(
        (max(noise(each.weights_db), noise(each.own_db)), each) for each in chart.layers if is_one_scale(each)
    )
    if found:
        layer = found[0][1]
        evidence = (
            f"one scale for {layer.channels} rows, and the largest weight is {layer.rows:,.0f} times the median row's: "
            f"the median row keeps {layer.weights_db or 0:.0f} dB of signal to noise"
        )
        # Where a ReLU joins the layer to the next, equalizing solves it for every firmware.
        yield chart.cause("per-tensor Dense", found, evidence, ("equalize", True), ("per_channel_dense", True))


def is_one_scale(each: Figures) -> bool:
    wild = each.rows is not None and each.rows >= ROWS and each.weights_db is not None
    shared = each.op == "FULLY_CONNECTED" and each.scales == 1 and each.channels > 1
    return shared and wild and (each.weights_db or 0) < SHARED_DB


def outliers(chart: Chart) -> Iterator[Cause]:
    """Find one channel that is so much larger than the others that its range leaves them few steps."""
    found = worst(
        # Rows that share a scale are the cause of their outputs' ranges too, and cheaper to remove.
        (noise(each.own_db) * (0.99 if is_one_scale(each) else 1), each)
        for each in chart.layers
        if each.op in KERNELS and each.peak_ratio >= OUTLIER and coarse(each)
    )
    if found:
        layer = found[0][1]
        gone = len(set(layer.dead) - set(layer.dead_before))
        evidence = (
            f"channel {layer.peak_channel} reaches {layer.peak:.4g}, the median channel {layer.median_peak:.4g} "
            f"({layer.peak_ratio:,.0f} times): the median channel keeps {layer.own_db or 0:.0f} dB"
            + (f", {gone} of {layer.channels} channels have become constant" if gone else "")
        )
        names = [each.layer for _, each in found]
        yield chart.cause(
            "outlier channel", found, evidence,
            ("equalize", True), ("activations", "int16"), ("how", "qat"), ("exclude", names[:3]),
        )  # fmt: skip


def coarse(each: Figures) -> bool:
    return each.own_db is not None and each.own_db < COARSE_DB


def tails(chart: Chart) -> Iterator[Cause]:
    """Ranges that a few values set, far from all others."""
    found = worst(
        (noise(each.own_db), each)
        for each in chart.layers
        if each.tail >= TAIL and coarse(each) and not each.is_fixed and each.peak_ratio < OUTLIER
    )
    if found and chart.options.get("calibrate", "minmax") == "minmax":
        layer = found[0][1]
        evidence = (
            f"the largest value, {layer.peak:.4g}, is {layer.tail:,.0f} times the 99.9th percentile: "
            f"the median channel keeps {layer.own_db or 0:.0f} dB"
        )
        yield chart.cause("rare extremes", found, evidence, ("calibrate", "percentile"), ("activations", "int16"))


def weights(chart: Chart) -> Iterator[Cause]:
    """Kernels that their own steps are too coarse for."""
    found = worst(
        (noise(each.weights_db), each)
        for each in chart.layers
        if each.weights_db is not None and each.weights_db < POOR_WEIGHTS_DB and not is_one_scale(each)
    )
    if found:
        layer = found[0][1]
        evidence = f"weights of {layer.bits} bits, the median channel keeps {layer.weights_db or 0:.0f} dB"
        names = [each.layer for _, each in found]
        yield chart.cause(
            "coarse weights", found, evidence,
            ("weights", "int8"), ("equalize", True), ("how", "qat"), ("exclude", names[:3]),
        )  # fmt: skip


def shifts(chart: Chart) -> Iterator[Cause]:
    """Noise that is a constant error of each channel, where no range or step explains it."""
    found = worst(
        (noise(each.sqnr_db) * each.shift, each)
        for each in chart.layers
        if each.op in KERNELS and each.shift >= SHIFTED and poor(each) and not chart.is_trained
    )
    if found:
        layer = found[0][1]
        evidence = f"{layer.shift:.0%} of the noise is a constant error of each channel, at {layer.sqnr_db or 0:.0f} dB"
        yield chart.cause("shifted means", found, evidence, ("bias_correction", True), ("how", "qat"))


def poor(each: Figures) -> bool:
    return each.sqnr_db is not None and each.sqnr_db < POOR_DB


def noisiest(chart: Chart) -> Iterator[Cause]:
    """Where most of the noise comes in, when the end of the network is noisy and no rule knows why."""
    last = chart.layers[-1] if chart.layers else None
    # Training moves the weights, so that the float network from before is not a measure of noise alone.
    if last is None or not poor(last) or chart.is_trained:
        return
    gains = worst((added(chart.layers, each), each) for each in chart.layers)
    layer = gains[0][1]
    evidence = (
        f"the signal to noise falls from {before(chart.layers, layer):.0f} to {layer.sqnr_db or 0:.0f} dB here, "
        f"and is {last.sqnr_db or 0:.0f} dB at the output"
    )
    yield chart.cause(
        "noisiest layer", gains[:1], evidence,
        ("exclude", [layer.layer]), ("bias_correction", True), ("how", "qat"), ("activations", "int16"),
    )  # fmt: skip


def added(layers: Sequence[Figures], each: Figures) -> float:
    """Compute the noise to signal that a layer adds to its worst input's."""
    return max(0.0, noise(each.sqnr_db) - noise(before(layers, each)))


def before(layers: Sequence[Figures], each: Figures) -> float:
    """Return the worst signal to noise among a layer's inputs, in dB."""
    known = [found for place in each.inputs if (found := layers[place].sqnr_db) is not None]
    return min(known, default=99.0)


def lost(chart: Chart, explained: Sequence[Cause]) -> Iterator[Cause]:
    """Channels that the float network uses and rounding silenced, where no other cause names the layer."""
    named = {name for cause in explained for name in (cause.layer, *cause.also)}
    found = worst(
        (SILENT * gone / each.channels, each)
        for each in chart.layers
        if each.op in KERNELS and each.layer not in named and (gone := len(set(each.dead) - set(each.dead_before)))
    )
    if found:
        layer = found[0][1]
        silent = sorted(set(layer.dead) - set(layer.dead_before))
        evidence = f"{len(silent)} of {layer.channels} channels are constant in int8 alone ({listed(silent)})"
        yield chart.cause("channels lost to rounding", found, evidence, ("equalize", True), ("activations", "int16"))


def dead(chart: Chart) -> Iterator[Cause]:
    """Channels that are constant in the float network already: they cost bytes, and hint at training gone wrong."""
    found = worst(
        (SLIGHT * len(each.dead_before) / each.channels, each)
        for each in chart.layers
        if each.op in KERNELS and each.dead_before
    )
    if found:
        layer = found[0][1]
        evidence = (
            f"{len(layer.dead_before)} of {layer.channels} channels never change in the float network either "
            f"({listed(layer.dead_before)}): they cost bytes, not accuracy"
        )
        yield chart.cause("dead channels", found, evidence, ("prune.how", "channels"))


def listed(channels: Sequence[int]) -> str:
    return (
        ("channel " if len(channels) == 1 else "channels ")
        + ", ".join(map(str, channels[:6]))
        + (", ..." if len(channels) > 6 else "")
    )
