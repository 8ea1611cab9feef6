"""Arrays by name, as an .npz or a function of the user's has them: which is what, and what is missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tinyc.core import limits
from tinyc.core.errors import UserError, quoted
from tinyc.core.scope import beyond
from tinyc.core.spelling import nearest
from tinyc.data.raw import Raw
from tinyc.data.text import strings

SPLIT = ("x_train", "y_train", "x_test", "y_test")
VALIDATION = ("x_val", "y_val")
WHOLE = ("x", "y")
KNOWN = (*SPLIT, *VALIDATION, *WHOLE, "class_names")
LAYOUT = "give x_train, y_train, x_test, y_test (and x_val, y_val, class_names if you like), or x and y to be split"
COLUMN_KINDS = "biuUS"
MOST_LISTED = 20


@dataclass(frozen=True)
class Layout:
    """Which array is what.

    Attributes:
        suffixes: what the names of a part's arrays end with, by part: "_train", or "" where there is one part.
        columns: the name of each group's array, by part and group.
        unread: names of arrays that are neither.
    """

    suffixes: Mapping[str, str]
    columns: Mapping[str, Mapping[str, str]]
    unread: tuple[str, ...]

    def taken(self, axis: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Give the arrays of one axis, x or y, by part."""
        return {part: arrays[axis + suffix] for part, suffix in self.suffixes.items()}


def is_column(array: NDArray[Any]) -> bool:
    return array.ndim == 1 and array.dtype.kind in COLUMN_KINDS


def layout(where: str, arrays: Mapping[str, NDArray[Any]], unread: tuple[str, ...]) -> Layout:
    """Sort arrays into parts, and columns beside them into groups; looks at names and shapes alone.

    Args:
        where: the file or function.
        arrays: those of KNOWN names, and columns of any name.
        unread: names of arrays that are neither.

    Raises:
        UserError: an array is missing, or both layouts are mixed.
    """
    columns = {name: array for name, array in arrays.items() if name not in KNOWN}
    parts = parts_of(where, [*arrays], (*columns, *unread))
    suffixes = {part: "" if part == "all" else f"_{part}" for part in parts}
    groups = {part: groups_of(columns, suffix, arrays["x" + suffix].shape[:1]) for part, suffix in suffixes.items()}
    taken = {name for each in groups.values() for name in each.values()}
    unread = tuple(name for name in (*columns, *unread) if name not in taken)
    if all(arrays["x" + each].shape[:1] == arrays["y" + each].shape[:1] for each in suffixes.values()):
        has_recordings(where, [f"recording{each}" for each in suffixes.values()], unread)
    return Layout(suffixes, groups, unread)


def parts_of(where: str, names: Sequence[str], others: tuple[str, ...]) -> tuple[str, ...]:
    """Find the parts by the names of the arrays; `others` are those that are not examples, labels or class names.

    Raises:
        UserError: an array is missing, or both layouts are mixed.
    """
    whole = [name for name in WHOLE if name in names]
    given = [name for name in (*SPLIT, *VALIDATION) if name in names]
    if whole and given:
        raise UserError(where, f"mixes {' and '.join(whole)} with {', '.join(given)}", LAYOUT)
    needed = WHOLE if whole else (SPLIT + VALIDATION if set(VALIDATION) & set(given) else SPLIT)
    missing = [name for name in needed if name not in names]
    if missing:
        raise incomplete(where, missing, names, others)
    return ("all",) if whole else tuple(name[2:] for name in needed if name.startswith("x_"))


def incomplete(where: str, missing: list[str], names: Sequence[str], others: tuple[str, ...]) -> UserError:
    """Say what is missing, and what it may be called here."""
    has = listed([*names, *(name for name in others if name not in names)])
    several = next((found for name in missing if len(found := pieces_of(name, others)) > 1), ())
    if several:
        what = "inputs" if several[0].startswith("x") else "labels"
        return beyond(where, f"has several {what} an example: {listed(several)}")
    has_inputs = not any(name.startswith("x") for name in missing)
    if {"y", "y_train"} & set(missing) and has_inputs and not others:
        return beyond(where, f"has no labels to train on: it lacks {', '.join(missing)}, and has {has}")
    return UserError(where, f"lacks {', '.join(missing)}; it has {has}", guess(missing, others) + LAYOUT)


def arranged(where: str, arrays: Mapping[str, NDArray[Any]], plan: Layout) -> Raw:
    """Give the arrays of a layout as examples, labels, and groups as text: "8" is the same in a .csv and an .npz."""
    left = f"array {quoted(plan.unread[0])} is" if len(plan.unread) == 1 else f"arrays {listed(plan.unread)} are"
    return Raw(
        where,
        plan.taken("x", arrays),
        plan.taken("y", arrays),
        class_names(where, arrays.get("class_names")),
        warnings=(f"{where}: {left} not read",) if plan.unread else (),
        groups={
            part: {group: column(f"{where}: {name}", arrays[name]) for group, name in columns.items()}
            for part, columns in plan.columns.items()
        },
    )


def listed(names: Sequence[str]) -> str:
    """List some names of arrays."""
    shown = ", ".join(name if name.isidentifier() else quoted(name) for name in names[:MOST_LISTED])
    return (shown or "nothing") + (f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else "")


def column(where: str, array: NDArray[Any]) -> NDArray[Any]:
    """Give a column of a group as text.

    Raises:
        UserError: a value is too long for one.
    """
    texts = as_names(where, array)
    longest = max(map(len, texts), default=0)
    if longest > limits.GROUP_CHARACTERS:
        problem = f"has a value of {longest:,} characters; a group's have at most {limits.GROUP_CHARACTERS:,}"
        raise UserError(where, problem, "give short names")
    return strings.column(where, texts)


def has_recordings(where: str, names: Sequence[str], unread: Sequence[str]) -> None:
    """Refuse an array of recordings that was not read: one recording's examples could stand in two splits."""
    broken = next((name for name in names if name in unread), None)
    if broken is not None:
        problem = "is not one text or whole number for each example, so that no recording can be kept in one split"
        raise UserError(f"{where}: {broken}", problem, "correct it, or give it another name")


def groups_of(columns: Mapping[str, NDArray[Any]], suffix: str, examples: tuple[int, ...]) -> dict[str, str]:
    """Find the columns of one part: the array's name, by its name without the part's suffix."""
    return {
        name.removesuffix(suffix): name
        for name, array in columns.items()
        if name.endswith(suffix) and name != suffix and array.shape == examples
    }


def pieces_of(name: str, given: Sequence[str]) -> tuple[str, ...]:
    """Return the arrays that stand for pieces of one, such as x_train.image and x_train_vector of x_train."""
    return tuple(each for each in given if re.match(rf"{name}[^a-zA-Z]", each))


def guess(missing: list[str], unknown: tuple[str, ...]) -> str:
    """Offer the unknown array that a missing one may be."""
    close = [(name, nearest(name, unknown)) for name in missing]
    return "".join(f"is {found[0]!r} meant as {name}? " for name, found in close if found)


def class_names(where: str, names: NDArray[Any] | None) -> tuple[str, ...] | None:
    """Read `class_names`, one string a class in label order."""
    if names is None:
        return None
    if names.ndim != 1 or names.dtype.kind not in "USiu":
        raise UserError(
            f"{where}: class_names",
            f"is {names.dtype} of shape {names.shape}",
            "give one string a class, in label order",
        )
    return as_names(f"{where}: class_names", names)


def as_names(where: str, values: NDArray[Any]) -> tuple[str, ...]:
    """Strings of a string, bytes or integer array.

    Raises:
        UserError: one is not Unicode: two of them could become one name.
    """
    return tuple(as_name(where, value) for value in values.tolist())


def as_name(where: str, value: object) -> str:
    """Give one value as text that can be written as UTF-8."""
    try:
        name = value.decode() if isinstance(value, bytes) else str(value)
        name.encode()
    except UnicodeError as error:
        raise UserError(where, f"holds {quoted(value)}, which is not UTF-8", "give it in UTF-8") from error
    return name
