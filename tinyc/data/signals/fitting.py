"""From steps to operations: filters are designed, statistics and components are fitted on training examples alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.data.signals.library import library
from tinyc.data.signals.operations import Affine, Filter, Median, Operation, Project, Wavelet
from tinyc.spec.signal_steps import Denoise, Normalize, Pca, rate_of, require_width

Chunks = Callable[[], Iterator[NDArray[Any]]]
ROWS = 8192
"""Rows (time steps, or vectors) that are fitted at once, at least; components want five times their number."""


@dataclass(frozen=True)
class Fitted:
    """An operation, and what was found out for the report."""

    operation: Operation
    facts: dict[str, Any]


def fit(steps: Sequence[Any], shape: tuple[int, ...], chunks: Chunks, rate: float | None) -> list[Fitted]:
    """Make an operation of each step, in order.

    Args:
        steps: Denoise, Normalize and Pca.
        shape: one example's: (time, 1, channels), (height, width, channels) or (features,).
        chunks: gives the training examples anew each time, some at a time, (examples, *shape).
        rate: samples a second, where the data says it.

    Raises:
        UserError: a step does not suit the examples, or a filter cannot be designed.
        MachineError: a library is missing.
    """
    done: list[Fitted] = []
    for index, step in enumerate(steps):
        where = f"steps.{index + 1}"
        before = [each.operation for each in done]

        def rows(before: Sequence[Operation] = tuple(before)) -> Iterator[NDArray[Any]]:
            for part in chunks():
                made = functools.reduce(lambda x, operation: operation.apply(x), before, part)
                yield np.asarray(made, np.float64).reshape(-1, made.shape[-1])

        refuse_shape(step, shape, where)
        if isinstance(step, Denoise):
            done.append(denoise(step, shape[0], rate, where))
        else:
            done.append(normalize(rows) if isinstance(step, Normalize) else pca(step, rows, where))
    return done


def is_windows(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[0] > 1 and shape[1] == 1


def refuse_shape(step: Any, shape: tuple[int, ...], where: str) -> None:
    """Refuse examples that a step knows nothing of."""
    suits = is_windows(shape)
    if isinstance(step, Pca):
        suits = suits or len(shape) == 1
    if isinstance(step, Normalize):
        suits = len(shape) in (1, 3)
    if not suits:
        kinds = {"normalize": "windows, images or vectors", "pca": "windows or vectors", "denoise": "windows"}
        problem = f"{step.op} takes {kinds[step.op]}, and an example is {'x'.join(map(str, shape))}"
        raise UserError(where, problem, "windows are (time, 1, channels), as [data] prepare makes them")


def denoise(step: Denoise, time: int, rate: float | None, where: str) -> Fitted:
    """Design a filter, or fix the numbers of a median or wavelet."""
    if step.how == "wavelet":
        return wavelet(step, time, where)
    taps = step.width
    require_width(step, time, where)
    if step.how == "median":
        return Fitted(Median(taps), {"taps": taps, "beyond_ends": "the end's sample"})
    values = np.full(taps, 1 / taps) if step.how == "moving_average" else designed(step, rate, where)
    facts = {
        "taps": [round(float(tap), 9) for tap in values],
        "group_delay_samples": taps // 2,
        "delay": "compensated: each output is centred on its taps",
        "beyond_ends": "zeros",
    }
    if step.how != "moving_average":
        facts["rate"] = rate_of(step, rate, where)
    return Fitted(Filter(tuple(map(float, values))), facts)


def designed(step: Denoise, rate: float | None, where: str) -> NDArray[Any]:
    """Design a FIR filter by the window method."""
    rate = rate_of(step, rate, where)
    edges = step.cutoff if step.how == "lowpass" else list(step.band or ())
    taps: NDArray[Any] = library("scipy.signal").firwin(step.width, edges, pass_zero=step.how, fs=rate)
    return taps


def wavelet(step: Denoise, time: int, where: str) -> Fitted:
    pywt = library("pywt")
    most = pywt.dwt_max_level(time, pywt.Wavelet(step.name).dec_len)
    if step.level > most:
        problem = f"level {step.level} of {step.name} needs longer windows than {time} samples"
        remedy = f"level {most} is the most" if most else "take a shorter wavelet, such as haar"
        raise UserError(where, problem, remedy)
    facts = {"name": step.name, "level": step.level, "threshold": step.threshold, "beyond_ends": "mirrored"}
    return Fitted(Wavelet(step.name, step.level, step.threshold), facts)


def normalize(rows: Chunks) -> Fitted:
    """Find mean and standard deviation of each channel; one that never changes is only centred."""
    scaler = library("sklearn.preprocessing").StandardScaler()
    for part in rows():
        scaler.partial_fit(part)
    scale = 1 / np.asarray(scaler.scale_)
    operation = Affine(floats(scale), floats(-scaler.mean_ * scale))
    unscaled = (np.asarray(scaler.scale_) == 1) & ~np.isclose(scaler.var_, 1)
    constant = [int(index) for index in np.flatnonzero(unscaled)]
    facts = {"mean": as_numbers(scaler.mean_), "std": as_numbers(np.sqrt(scaler.var_))}
    return Fitted(operation, {**facts, **({"constant_channels": constant} if constant else {})})


def pca(step: Pca, rows: Chunks, where: str) -> Fitted:
    """Find the principal components, as many as asked for."""
    channels = next(iter(rows())).shape[1]
    if (step.components or 1) > channels:
        problem = f"asks for {step.components} components of {channels} channels"
        raise UserError(where, problem, f"give {channels} at most")
    least = step.components or channels
    if sum(len(part) for part in rows()) < max(2, least):
        raise UserError(where, f"{least} components need as many training rows", "give more training data")
    model = library("sklearn.decomposition").IncrementalPCA(n_components=step.components)
    for part in batches(rows(), max(ROWS, 5 * channels), least):
        model.partial_fit(part)
    ratio = np.asarray(model.explained_variance_ratio_)
    wanted = (step.variance or 1.0) - 1e-12  # the shares add up to one only as far as floats do
    kept = step.components or min(len(ratio), int(np.searchsorted(np.cumsum(ratio), wanted)) + 1)
    facts = {
        "components": kept,
        "explained_variance_ratio": as_numbers(ratio[:kept]),
        "explained_variance": as_numbers(model.explained_variance_[:kept]),
        "mean": as_numbers(model.mean_),
    }
    return Fitted(Project(floats(model.mean_), tuple(map(floats, model.components_[:kept]))), facts)


def batches(parts: Iterator[NDArray[Any]], size: int, least: int) -> Iterator[NDArray[Any]]:
    """Join parts to batches of `size` rows and more; what is left at the end goes with the last."""
    held: list[NDArray[Any]] = []
    ready: NDArray[Any] | None = None
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= size:
            if ready is not None:
                yield ready
            ready, held = np.concatenate(held), []
    rest = held if ready is None else [ready, *held]
    if ready is not None and sum(map(len, held)) >= max(least, size // 2):
        yield ready
        rest = held
    yield np.concatenate(rest)


def floats(values: Any) -> tuple[float, ...]:
    return tuple(map(float, values))


def as_numbers(values: Any) -> list[float]:
    return [round(float(value), 6) for value in values]
