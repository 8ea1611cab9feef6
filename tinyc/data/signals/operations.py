"""What is done to a window once every number of it is known: filters, affine maps, projections, medians, wavelets.

All take and give windows (examples, time, 1, channels); affine maps and projections take (examples, ..., channels).
Their numbers are tuples, so that operations can be compared, stored as JSON and written as C.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.data.signals.library import library

Threshold = Literal["universal", "bayes"]
GAUSSIAN_MAD = 0.6745
"""The median absolute deviation of a normal distribution with standard deviation 1."""


@dataclass(frozen=True)
class Filter:
    """A FIR filter along time, the same for each channel, centred on its output; zeros beyond a window's ends.

    `taps` are odd in number. y[t] = sum over j of taps[j] * x[t + len // 2 - j].
    """

    taps: tuple[float, ...]

    def apply(self, x: NDArray[Any]) -> NDArray[Any]:
        half, time = len(self.taps) // 2, x.shape[1]
        padded = np.pad(x, [(0, 0), (half, half), *[(0, 0)] * (x.ndim - 2)])
        total = np.zeros(x.shape, np.float64)
        for place, tap in enumerate(reversed(self.taps)):
            total += tap * padded[:, place : place + time]
        return total

    def channels(self, given: int) -> int:
        return given


@dataclass(frozen=True)
class Affine:
    """y = x * scale + offset, by channel."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]

    def apply(self, x: NDArray[Any]) -> NDArray[Any]:
        y: NDArray[Any] = x * np.asarray(self.scale) + np.asarray(self.offset)
        return y

    def channels(self, given: int) -> int:
        return given


@dataclass(frozen=True)
class Project:
    """y = (x - mean) @ matrix.T over channels; `matrix` has a row of length one for each component."""

    mean: tuple[float, ...]
    matrix: tuple[tuple[float, ...], ...]

    def apply(self, x: NDArray[Any]) -> NDArray[Any]:
        y: NDArray[Any] = (x - np.asarray(self.mean)) @ np.asarray(self.matrix).T
        return y

    def channels(self, given: int) -> int:
        return len(self.matrix)


@dataclass(frozen=True)
class Median:
    """The median of `taps` samples around each, the end's sample repeated beyond a window's ends."""

    taps: int

    def apply(self, x: NDArray[Any]) -> NDArray[Any]:
        size = (1, self.taps, *[1] * (x.ndim - 2))
        y: NDArray[Any] = library("scipy.ndimage").median_filter(x, size=size, mode="nearest")
        return y

    def channels(self, given: int) -> int:
        return given


@dataclass(frozen=True)
class Wavelet:
    """Shrink the details of a wavelet transform, window by window and channel by channel (Donoho, Johnstone 1994).

    The noise is the median absolute finest detail / 0.6745. `universal` shrinks by noise * sqrt(2 ln samples),
    `bayes` by noise^2 / signal, level by level (BayesShrink, Chang, Yu and Vetterli 2000). Soft: what is left of a
    detail moves towards zero by the threshold. Beyond its ends a window is mirrored.
    """

    name: str
    level: int
    threshold: Threshold

    def apply(self, x: NDArray[Any]) -> NDArray[Any]:
        pywt, time = library("pywt"), x.shape[1]
        smooth, *details = pywt.wavedec(x.astype(np.float64), self.name, mode="symmetric", level=self.level, axis=1)
        noise = np.median(np.abs(details[-1]), axis=1, keepdims=True) / GAUSSIAN_MAD
        shrunk = [soft(each, self.amount(each, noise, time)) for each in details]
        y: NDArray[Any] = pywt.waverec([smooth, *shrunk], self.name, mode="symmetric", axis=1)[:, :time]
        return y

    def amount(self, detail: NDArray[Any], noise: NDArray[Any], time: int) -> NDArray[Any]:
        """By how much the details of one level shrink, (examples, 1, 1, channels)."""
        if self.threshold == "universal":
            return np.asarray(noise * np.sqrt(2 * np.log(time)))
        signal = np.sqrt(np.maximum(np.mean(detail**2, axis=1, keepdims=True) - noise**2, 0))
        largest = np.max(np.abs(detail), axis=1, keepdims=True)
        return np.where(signal > 0, noise**2 / np.where(signal > 0, signal, 1), largest)

    def channels(self, given: int) -> int:
        return given


Operation = Filter | Affine | Project | Median | Wavelet
KINDS: dict[str, type] = {kind.__name__.lower(): kind for kind in (Filter, Affine, Project, Median, Wavelet)}


def soft(detail: NDArray[Any], by: NDArray[Any]) -> NDArray[Any]:
    """Move each number towards zero by so much, and no further."""
    return np.asarray(np.sign(detail) * np.maximum(np.abs(detail) - by, 0))


def table_of_operation(operation: Operation) -> dict[str, Any]:
    """Write an operation as JSON values."""
    return {"kind": type(operation).__name__.lower(), **asdict(operation)}


def operation_of_table(table: dict[str, Any]) -> Operation:
    """Read what `table_of_operation` made; a table of another make raises KeyError or TypeError."""
    fields = {key: frozen(value) for key, value in table.items() if key != "kind"}
    made: Operation = KINDS[table["kind"]](**fields)
    return made


def frozen(value: Any) -> Any:
    return tuple(map(frozen, value)) if isinstance(value, list) else value
