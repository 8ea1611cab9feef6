"""Whether arrays can be examples and labels; each refusal names the array, what it holds and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError, clipped
from tinyc.data import scaling
from tinyc.data.dataset import GREY
from tinyc.data.labels import named_labels
from tinyc.data.raw import Raw, array_name
from tinyc.data.text import strings
from tinyc.spec.amounts import Amount, Scaling

Arrays = Mapping[str, NDArray[Any]]


def clean(raw: Raw) -> Raw:
    """Check everything that was read; give x as uint8 or float32 with a channel axis, y as int64, and class names.

    Sentences become objects of type str, (examples,).

    Raises:
        UserError: something cannot be an example or a label.
    """
    if strings.are_sentences(raw):
        x = strings.clean(raw)
        y, names = named_labels(raw)
        return replace(raw, x=x, y=y, class_names=names)
    shapes_agree(raw)
    x = {part: examples(f"{raw.where}: {array_name('x', part)}", raw.x[part]) for part in raw.x}
    kinds_agree(raw.where, x, raw.x)
    images, notes = with_channels(raw.where, x)
    y, names = named_labels(raw)
    return replace(raw, x=images, y=y, class_names=names, warnings=raw.warnings + notes)


def shapes_agree(raw: Raw) -> None:
    """Check that every part has examples, every example a label, and all examples one shape."""
    for part, x in raw.x.items():
        if x.ndim < 2 or not x.size:
            counts = "the first axis counts examples: (examples, features)"
            remedy = "give at least one example" if x.ndim > 1 else counts
            raise UserError(f"{raw.where}: {array_name('x', part)}", f"has the shape {x.shape}", remedy)
    pairs_agree(raw)


def pairs_agree(raw: Raw) -> None:
    """Check that every example has a label, and that all parts hold examples of one shape; looks at no value."""
    first = next(iter(raw.x))
    for part, x in raw.x.items():
        where, y = f"{raw.where}: {array_name('x', part)}", raw.y[part]
        if y.ndim == 0 or x.shape[:1] != y.shape[:1]:
            name = array_name("y", part)
            raise UserError(where, f"has the shape {x.shape}, but {name} {y.shape}", "give one label an example")
        if x.shape[1:] != raw.x[first].shape[1:] and min(x.ndim, raw.x[first].ndim) > 1:
            other = array_name("x", first)
            problem = f"holds examples of shape {x.shape[1:]}, but {other} of {raw.x[first].shape[1:]}"
            raise UserError(where, problem, "bring all examples to one shape")


def examples(where: str, x: NDArray[Any]) -> NDArray[Any]:
    """Check the dtype and that all values are finite; bytes stay bytes, everything else becomes float32."""
    if x.dtype == np.uint8:
        return x
    if x.dtype == object:
        raise UserError(
            where, "holds Python objects (ragged examples?)", "give plain numbers, all examples of one shape"
        )
    if x.dtype.kind not in "biuf":
        raise UserError(where, f"holds {clipped(str(x.dtype), 80)}, not numbers", "give uint8 or float32")
    if x.dtype.kind == "b":
        return x.astype(np.uint8)
    with np.errstate(over="ignore"):
        floats = x.astype(np.float32)
    bad = ~np.isfinite(floats)
    if bad.any():
        place = tuple(int(index) for index in np.argwhere(bad)[0])
        count = int(bad.any(axis=tuple(range(1, x.ndim))).sum())
        shown = ", ".join(map(str, place))
        raise UserError(
            where, f"is {x[place]} at [{shown}], and {count} examples hold such values", "remove or fill them first"
        )
    return floats


def kinds_agree(where: str, x: Arrays, given: Arrays) -> None:
    """Check that no part holds bytes where another holds floats: their units would differ."""
    if len({array.dtype for array in x.values()}) > 1:
        shown = ", ".join(f"{array_name('x', part)} {given[part].dtype}" for part in x)
        raise UserError(where, f"mixes {shown}", "give all parts in the same dtype and units")


def with_channels(where: str, x: Arrays) -> tuple[Arrays, tuple[str, ...]]:
    """Give (examples, height, width) the channel axis of grey images."""
    first = next(iter(x.values()))
    if first.ndim != 3:
        return x, ()
    note = f"{where}: {first.dtype} examples of shape {first.shape[1:]} {GREY} {(*first.shape[1:], 1)}"
    return {part: array[..., None] for part, array in x.items()}, () if first.dtype == np.uint8 else (note,)


def in_range(raw: Raw, scale: Amount, offset: Amount) -> None:
    """Check the values: not all the same, one order of size in all parts, not scaled twice.

    Raises:
        UserError: all values of a part are equal, one part spans a hundred times another, or data within
            [-1, 1] would be divided again.
    """
    spans = {part: (float(x.min()), float(x.max())) for part, x in raw.x.items()}
    for part, (low, high) in spans.items():
        if low == high:
            where = f"{raw.where}: {array_name('x', part)}"
            raise UserError(where, f"holds nothing but {low:g}", "look at how it was written")
    widths = [high - low for low, high in spans.values()]
    if max(widths) >= 100 * min(widths):
        shown = ", ".join(f"{array_name('x', part)} spans {low:g} to {high:g}" for part, (low, high) in spans.items())
        raise UserError(raw.where, f"has parts in different units: {shown}", "bring all parts to the same units")
    first = next(iter(raw.x))
    where, x = f"{raw.where}: {array_name('x', first)}", raw.x[first]
    if isinstance(scale, str) or isinstance(offset, str):  # fitted: mean 0 and deviation 1
        return
    scaling.require_columns(where, x.shape[1:], scale, offset)
    scaled_once(where, x, scale)


def scaled_once(where: str, x: NDArray[Any], scale: Scaling) -> None:
    """Refuse a scale that was meant for bytes on examples that are scaled already, by the span of each column."""
    low, high = scaling.ends(x)
    factor = np.abs(np.broadcast_to(scale, low.shape))
    if x.dtype != np.uint8 and np.all((np.maximum(-low, high) <= 1) & (factor <= 0.01)):
        raise UserError(
            where,
            f"lies within {low.min():g} to {high.max():g} already, and scale = {factor.max():g} would shrink that to "
            "nothing",
            "leave scale out, or give the data as uint8",
        )
