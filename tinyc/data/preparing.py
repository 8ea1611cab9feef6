"""What the steps of `[data] prepare` make of examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from tinyc.data.images.pictures import grayscale, resize
from tinyc.data.raw import Raw
from tinyc.data.recordings.features import log_mel, mfcc
from tinyc.spec.preparation import Step, Window, window_of

WORK: Mapping[str, Callable[[NDArray[Any], Any], NDArray[Any]]] = {
    "mfcc": mfcc, "log_mel": log_mel, "resize": resize, "grayscale": grayscale,
}  # fmt: skip
"""What each step after the window does, by its `op`: from examples and the step's keys to examples."""


def with_channels(raw: Raw, steps: Sequence[Step]) -> Raw:
    """Give recordings of one channel, x (samples,), their channel axis; sentences and all else stay."""
    if window_of(steps) is None:
        return raw
    x = {part: x[:, None] if x.ndim == 1 and x.dtype.kind in "biuf" else x for part, x in raw.x.items()}
    return replace(raw, x=x)


def applied(step: Step, x: NDArray[Any]) -> NDArray[Any]:
    """Run one step over examples, (n, ...).

    Raises:
        UserError: the examples do not suit it.
    """
    return WORK[step.op](x, step)


def prepared(raw: Raw, steps: Sequence[Step]) -> Raw:
    """Run the steps after the window over all examples of every part; says what the device has to compute as well."""
    after = [step for step in steps if not isinstance(step, Window)]
    for step in after:
        raw = replace(raw, x={part: applied(step, x) for part, x in raw.x.items()})
    if not after:
        return raw
    named = " and ".join(step.op for step in after)
    note = (
        f"{raw.where}: {named} makes the examples, before the network: the device has to do it too, and no C is written"
    )
    return replace(raw, warnings=(*raw.warnings, note))
