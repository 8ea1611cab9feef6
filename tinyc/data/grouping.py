"""Splits that keep groups whole: a recording, or all recordings of a subject, trains, validates or tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.core.spelling import nearest
from tinyc.data import rows, split

Column = NDArray[Any]


def column(where: str, groups: Mapping[str, Column], name: str) -> Column:
    """Find a column of groups by name.

    Raises:
        UserError: there is none of this name.
    """
    if name in groups:
        return groups[name]
    close = nearest(name, groups)
    has = "the columns are " + ", ".join(groups) if groups else "it has no columns beside the examples"
    has += "; a column is one text or whole number an example"
    raise UserError(where, f"has no column {name!r}", f"did you mean {close[0]!r}?" if close else has)


def cut(
    where: str, name: str, values: Column, y: NDArray[np.int64], lists: tuple[Sequence[str], Sequence[str]], seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Choose whole values for validation and test; gives both masks, (examples,).

    Args:
        where: the file or function, for messages.
        name: the column.
        values: its values, (examples,).
        y: labels, (examples,).
        lists: the values that validate and those that test; an empty list is drawn by the seed.
        seed: draws what is not listed, class by class where each value has one class.

    Raises:
        UserError: a listed value does not exist, or too few values are left.
    """
    names, numbers = numbered(values)
    for asked in (*lists[0], *lists[1]):
        if asked not in names:
            raise absent(where, name, asked, names)
    classes = one_class_each(numbers, y, len(names))
    test = np.isin(names, lists[1]) if lists[1] else None
    validation = np.isin(names, lists[0]) if lists[0] else None
    if test is None:
        test = drawn(where, name, classes, validation, split.TEST_FRACTION, seed, split.TEST)
    if validation is None:
        validation = drawn(where, name, classes, test, split.VALIDATION_FRACTION, seed, split.VALIDATION)
    if (test | validation).all():
        raise UserError(where, f"leaves no {name} to train: all {len(names)} validate or test", "list fewer")
    return validation[numbers], test[numbers]


def tenth(where: str, name: str, values: Column, y: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Draw a tenth of all values for validation out of a part that trains, (examples,).

    Raises:
        UserError: there are fewer than two.
    """
    names, numbers = numbered(values)
    classes, none = one_class_each(numbers, y, len(names)), np.zeros(len(names), bool)
    chosen = drawn(where, name, classes, none, split.VALIDATION_FRACTION, seed, split.VALIDATION)
    mask: NDArray[np.bool_] = chosen[numbers]
    return mask


def numbered(values: Column) -> tuple[list[str], NDArray[np.int64]]:
    """Give the different values in their order, numbers as numbers, and the place of each example's among them."""
    names = sorted(set(values.tolist()), key=rows.order(values.tolist()))
    place = {value: index for index, value in enumerate(names)}
    return names, np.array([place[value] for value in values.tolist()])


def one_class_each(numbers: NDArray[np.int64], y: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Give each group's class where all examples of every group share it, else zeros: nothing to balance by."""
    low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    np.minimum.at(low, numbers, y)
    np.maximum.at(high, numbers, y)
    return low if (low == high).all() else np.zeros(count, np.int64)


def drawn(
    where: str,
    name: str,
    classes: NDArray[np.int64],
    taken: NDArray[np.bool_] | None,
    share: float,
    seed: int,
    stream: int,
) -> NDArray[np.bool_]:
    """Draw a share of all groups out of those that are not taken, (groups,).

    Raises:
        UserError: fewer than two groups, of some class, are left to draw from.
    """
    free = np.flatnonzero(~taken) if taken is not None else np.arange(len(classes))
    needed = 2 if taken is not None else 3
    sizes = np.bincount(classes[free])
    if not len(free) or sizes[sizes > 0].min() < needed:
        few = int(sizes[sizes > 0].min()) if len(free) else 0
        whole = "" if not classes.any() else " of some class"
        problem = f"has {few} values of {name!r}{whole} to choose from, and every split needs one"
        raise UserError(where, problem, "add some, or name those that validate and test")
    chosen = split.stratified(classes[free], free, max(1, round(share * len(classes))), seed, stream)
    mask = np.zeros(len(classes), bool)
    mask[free[chosen]] = True
    return mask


def absent(where: str, name: str, asked: str, names: Sequence[str]) -> UserError:
    """Say that a listed value is not in the column, and which may be meant."""
    close = nearest(asked, names)
    has = f"it holds {', '.join(names[:20])}" + (", ..." if len(names) > 20 else "")
    hint = f"did you mean {close[0]!r}? {has}" if close else has
    return UserError(where, f"has no {asked!r} in {name!r}, which prepare lists", hint)


def refuse_shared_recordings(where: str, parts: Mapping[str, Column]) -> None:
    """Refuse a recording that stands in two parts.

    Raises:
        UserError: names the first.
    """
    seen: dict[str, str] = {}
    for part, values in parts.items():
        for value in np.unique(values).tolist():
            if value in seen:
                problem = f"has the recording {value!r} in {seen[value]} and in {part}"
                raise UserError(where, problem, "put each into one part; number recordings through all parts")
            seen[value] = part
