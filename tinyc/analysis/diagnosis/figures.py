"""What is measured of each layer: its noise, where the noise is made, and the ranges behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.analysis.diagnosis.layers import INPUT, Layer, channels
from tinyc.tflite.read.quantization import dequantize, quantize, zero_point

LOUDEST_DB = 99.0
TAIL = 99.9
# The quantizer gives their outputs a scale that no data decide, and their ends are no loss.
FIXED = frozenset({"SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "TANH", "L2_NORMALIZATION"})


@dataclass(frozen=True)
class Figures:
    """One layer's figures; ratios in dB are signal to noise power, shares are fractions, extremes real values.

    Attributes:
        sqnr_db: the artifact's tensor against the float network's, with all noise from before; None without a signal.
        own_db: what this tensor's range and steps alone make of the float values; the median channel.
        weights_db: what the kernel's steps alone make of it; the median output channel. None without a kernel.
        saturated: values at the ends of the integers, but for a ReLU's floor.
        clipped: noise to signal power by values beyond the range, on validation and on calibration examples.
        outside: values beyond the range by more than half a step, on validation examples.
        range, seen, calibrated: what the integers can hold, and the float network's extremes on both sets.
        peak: the largest absolute value of any channel, in channel `peak_channel`; `median_peak` the median channel's.
        tail: the largest absolute value, in multiples of its 99.9th percentile.
        dead: channels that are constant in the artifact; `dead_before` those that are in the float network too.
        shift: the share of the noise that is a constant error of each channel.
        rows: the kernel's largest absolute value, in multiples of the median output channel's; None without a kernel.
        scales, bits: how many scales the kernel has, and of how many bits; 0 without a kernel.
    """

    layer: str
    op: str
    channels: int
    sqnr_db: float | None
    own_db: float | None
    weights_db: float | None
    saturated: float
    clipped: tuple[float, float]
    outside: float
    range: tuple[float, float]
    seen: tuple[float, float]
    calibrated: tuple[float, float]
    peak: float
    peak_channel: int
    median_peak: float
    tail: float
    dead: tuple[int, ...]
    dead_before: tuple[int, ...]
    shift: float
    rows: float | None = None
    scales: int = 0
    bits: int = 0
    inputs: tuple[int, ...] = ()

    @property
    def peak_ratio(self) -> float:
        return self.peak / self.median_peak if self.median_peak else 1.0

    @property
    def is_fixed(self) -> bool:
        return self.op in FIXED


def figures(layer: Layer, trained: bool) -> Figures:
    """Measure one layer; `trained` says that the artifact's weights were trained on after the float network."""
    values, wanted = channels(layer.values), channels(layer.wanted)
    peaks = np.abs(wanted).max(0)
    alive = peaks[peaks > 0]
    low, high = limits(layer)
    step = layer.tensor.scales[0] if layer.tensor.scales else 0.0
    beyond = (wanted < low - step / 2) | (wanted > high + step / 2)
    size = np.abs(wanted).ravel()
    usual = float(np.percentile(size, TAIL)) or float(size.max())
    return Figures(
        layer=layer.name, op=layer.op, channels=wanted.shape[1],
        sqnr_db=decibels(power(wanted), power(values - wanted)),
        own_db=None if layer.tensor.scales == () else own(layer, wanted),
        weights_db=kernel_noise(layer, trained),
        saturated=saturated(layer), clipped=(excess(wanted, low, high), excess(layer.calibrated, low, high)),
        outside=float(beyond.mean()), range=(low, high), seen=extremes(wanted), calibrated=extremes(layer.calibrated),
        peak=float(peaks.max()), peak_channel=int(peaks.argmax()),
        median_peak=float(np.median(alive)) if len(alive) else 0.0,
        tail=float(size.max()) / usual if usual else 1.0,
        dead=constants(values, layer), dead_before=constants(wanted, layer), shift=shift(values - wanted),
        inputs=layer.inputs, **kernel(layer),
    )  # fmt: skip


def kernel(layer: Layer) -> dict[str, Any]:
    """Return the figures of the kernel's rows."""
    if layer.weights is None:
        return {}
    rows = np.abs(layer.weights.wanted).max(1)
    alive = rows[rows > 0]
    ratio = float(rows.max() / np.median(alive)) if len(alive) else 1.0
    return {"rows": ratio, "scales": layer.weights.scales, "bits": layer.weights.bits}


def kernel_noise(layer: Layer, trained: bool) -> float | None:
    """Return the median output channel's signal to noise by the steps of its weights; rows of zeros have none."""
    if layer.weights is None:
        return None
    wanted = layer.weights.wanted
    noise = (layer.weights.rounded if trained else layer.weights.held) - wanted
    found = [decibels(power(row), power(error)) for row, error in zip(wanted, noise, strict=True)]
    return median(found)


def own(layer: Layer, wanted: NDArray[Any]) -> float | None:
    """Return the median channel's signal to noise by this tensor's range and steps."""
    rounded = dequantize(quantize(wanted, layer.tensor), layer.tensor)
    return median([decibels(power(wanted[:, i]), power((rounded - wanted)[:, i])) for i in range(wanted.shape[1])])


def limits(layer: Layer) -> tuple[float, float]:
    """Return the real values that the tensor's integers reach."""
    if not layer.tensor.scales:
        return -np.inf, np.inf
    ends = np.iinfo(np.dtype(layer.tensor.dtype))
    low, high = dequantize(np.array([ends.min, ends.max], np.int64), layer.tensor).tolist()
    return low, high


def saturated(layer: Layer) -> float:
    """Return the share of values at an end of the integers; at the lower end zero itself is no loss."""
    if not layer.tensor.scales or layer.op in FIXED:
        return 0.0
    ends = np.iinfo(layer.raw.dtype)
    floor = zero_point(layer.tensor) == ends.min
    at_end = (layer.raw == ends.max) | ((layer.raw == ends.min) & (not floor))
    return float(at_end.mean())


def excess(values: NDArray[Any], low: float, high: float) -> float:
    """Noise to signal power by what lies beyond the range."""
    signal = power(values)
    return power(values - np.clip(values, low, high)) / signal if signal else 0.0


def constants(values: NDArray[Any], layer: Layer) -> tuple[int, ...]:
    """Return the channels that never change; one value an example tells nothing of a network's input."""
    if layer.op == INPUT or len(values) < 2:
        return ()
    return tuple(np.flatnonzero(values.max(0) == values.min(0)).tolist())


def shift(noise: NDArray[Any]) -> float:
    """Return the share of the noise's power that is a constant error of each channel."""
    total = power(noise)
    return float((noise.mean(0, dtype=np.float64) ** 2).sum() * len(noise) / total) if total else 0.0


def power(values: NDArray[Any]) -> float:
    return float(np.square(values, dtype=np.float64).sum())


def decibels(signal: float, noise: float) -> float | None:
    """Signal to noise power in dB, at most 99; None without a signal."""
    if signal <= 0:
        return None
    return min(LOUDEST_DB, float(10 * np.log10(signal / noise))) if noise > 0 else LOUDEST_DB


def median(found: list[float | None]) -> float | None:
    known = [each for each in found if each is not None]
    return float(np.median(known)) if known else None


def extremes(values: NDArray[Any]) -> tuple[float, float]:
    return float(values.min()), float(values.max())
