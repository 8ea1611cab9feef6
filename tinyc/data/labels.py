"""Labels as integers in [0, classes), and the classes' names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core import limits
from tinyc.core.errors import UserError, clipped, quoted
from tinyc.core.scope import CLASSIFIERS, beyond
from tinyc.data.arrays import as_names
from tinyc.data.raw import Raw, array_name
from tinyc.data.text import strings

Labels = Mapping[str, NDArray[np.int64]]
NUMBERS = f"if these are classes, number them from 0 in all parts alike; if they are amounts: {CLASSIFIERS}"


def named_labels(raw: Raw) -> tuple[Labels, tuple[str, ...]]:
    """Read labels as integers or as class names.

    Raises:
        UserError: labels of another kind, out of range, of fewer than two classes, or unlike `class_names`.
    """
    names = raw.class_names
    if names is not None and len(set(names)) != len(names):
        doubled = next(name for name, count in Counter(names).items() if count > 1)
        raise UserError(f"{raw.where}: class_names", f"names {quoted(doubled)} twice", "give each class its own name")
    one_hot = all(map(is_one_hot, raw.y.values()))
    columns = {part: column(f"{raw.where}: {array_name('y', part)}", y, one_hot) for part, y in raw.y.items()}
    if any(y.dtype.kind in "US" for y in columns.values()):
        y, names = from_names(raw, columns)
    else:
        y = {part: whole(f"{raw.where}: {array_name('y', part)}", array) for part, array in columns.items()}
    highest = max(int(array.max()) for array in y.values())
    if names is None:
        names = tuple(map(str, range(bounded(raw, y, highest) + 1)))
    in_range(raw, y, names)
    require_names(raw.where, names)
    if len(names) < 2:
        raise UserError(raw.where, f"has one class, {quoted(names[0])}", "a classifier needs at least two")
    return y, names


def require_names(where: str, names: tuple[str, ...]) -> None:
    """Refuse more classes than any task has, and names that cannot be written into a report and into C."""
    if len(names) > limits.CLASSES:
        raise UserError(where, f"has {len(names):,} classes; at most {limits.CLASSES:,} are read", NUMBERS)
    bad = next((name for name in names if not name.strip() or not strings.can_be_name(name)), None)
    if bad is not None:
        what = "holds control characters" if bad.strip() else "is empty"
        raise UserError(
            where,
            f"has a class of the name {quoted(bad)}, which {what}",
            "give each class a name of letters and digits",
        )


def column(where: str, y: NDArray[Any], one_hot: bool) -> NDArray[Any]:
    """Check shape and dtype of labels; (examples, 1) is read as (examples,).

    Args:
        one_hot: the rows of every part hold one 1 and else 0.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and one_hot:
        raise UserError(where, f"has the shape {y.shape}, each row one-hot", "give y.argmax(axis=1)")
    if y.ndim != 1:
        raise beyond(
            where, f"has the shape {y.shape}: {np.prod(y.shape[1:], dtype=int)} values an example, not a class"
        )
    if y.dtype == object and all(isinstance(value, str) for value in y):
        return y.astype(np.str_)
    if y.dtype == object and any(isinstance(value, list | tuple | set | np.ndarray) for value in y):
        raise beyond(where, "holds lists, so several values an example, not a class")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        place = int(np.flatnonzero(~np.isfinite(y))[0])
        raise UserError(
            where, f"is {y[place]} at [{place}], which is not a label", "give each example its label, or remove it"
        )
    if y.dtype.kind == "f" and (amount := next(iter(y[~is_whole(y)]), None)) is not None:
        raise beyond(where, f"holds {y.dtype}, such as {amount}: amounts, not classes")
    if y.dtype.kind == "f":
        remedy = f"if these are class numbers, give y.astype(int); if they are amounts: {CLASSIFIERS}"
        raise UserError(where, f"holds {y.dtype}, such as {y[0]}", remedy)
    if y.dtype.kind not in "biuUS":
        raise UserError(where, f"holds {clipped(str(y.dtype), 80)}, not labels", "give integers from 0, or class names")
    return y


def whole(where: str, y: NDArray[Any]) -> NDArray[np.int64]:
    """Give whole numbers as int64; of unsigned ones some are beyond it."""
    if y.dtype.kind == "u" and int(y.max()) > np.iinfo(np.int64).max:
        raise UserError(where, f"is {y.max()} at [{y.argmax()}], and is not a class number", NUMBERS)
    return y.astype(np.int64)


def is_whole(y: NDArray[Any]) -> NDArray[np.bool_]:
    """Say which floats are whole numbers."""
    return np.asarray(np.isfinite(y) & (np.trunc(y) == y))


def is_one_hot(y: NDArray[Any]) -> bool:
    """Say whether each row of (examples, classes) holds one 1 and else 0."""
    if y.ndim != 2 or y.shape[1] < 2 or y.dtype.kind not in "biuf":
        return False
    return bool(np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())


def from_names(raw: Raw, columns: Mapping[str, NDArray[Any]]) -> tuple[Labels, tuple[str, ...]]:
    """Turn class names into labels, in the order of `class_names`, else in alphabetical order."""
    mixed = [part for part, y in columns.items() if y.dtype.kind not in "US"]
    if mixed:
        name = array_name("y", mixed[0])
        raise UserError(f"{raw.where}: {name}", "holds numbers where another part holds names", "give all as names")
    texts = {part: as_names(f"{raw.where}: {array_name('y', part)}", y) for part, y in columns.items()}
    names = raw.class_names
    if names is None:
        names = tuple(sorted({text for part in texts.values() for text in part}))
    index = {name: number for number, name in enumerate(names)}
    for part, values in texts.items():
        strange = next((value for value in values if value not in index), None)
        if strange is not None:
            raise UserError(
                f"{raw.where}: {array_name('y', part)}",
                f"holds {quoted(strange)}, which class_names lacks",
                "add it there",
            )
    return {part: np.array([index[value] for value in values], np.int64) for part, values in texts.items()}, names


def bounded(raw: Raw, y: Labels, highest: int) -> int:
    """Refuse labels that count something else than classes (years, ids)."""
    examples = sum(map(len, y.values()))
    if highest >= examples:
        raise UserError(raw.where, f"has the label {highest} among {examples} examples", NUMBERS)
    return highest


def in_range(raw: Raw, y: Labels, names: tuple[str, ...]) -> None:
    """Check that every label is one of the classes."""
    for part, labels in y.items():
        where = f"{raw.where}: {array_name('y', part)}"
        low, high = int(labels.argmin()), int(labels.argmax())
        if labels[low] < 0:
            raise UserError(where, f"is {labels[low]} at [{low}]; labels are not negative", NUMBERS)
        if labels[high] >= len(names):
            raise UserError(
                where,
                f"is {labels[high]} at [{high}], but class_names has {len(names)} names (0 to {len(names) - 1})",
                "name every class, and count classes from 0",
            )


def every_class_present(
    where: str,
    part: str,
    y: NDArray[np.int64],
    names: tuple[str, ...],
    remedy: str = "add some, or drop the class; labels count from 0 without gaps",
) -> None:
    """Refuse a split without a single example of some class: nothing could be learnt or said of it.

    Raises:
        UserError: names the classes.
    """
    empty = [names[index] for index in np.flatnonzero(np.bincount(y, minlength=len(names)) == 0)]
    if empty:
        shown = ", ".join(map(quoted, empty[:8])) + (f" and {len(empty) - 8} more" if len(empty) > 8 else "")
        raise UserError(where, f"{part} has no example of {shown}", remedy)
