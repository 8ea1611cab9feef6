"""Arrays by name, from an .npz or from a function of the user's."""

from __future__ import annotations

import difflib
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.builders import Builder, Find
from tinyc.data.raw import Raw
from tinyc.errors import MachineError, UserError
from tinyc.scope import beyond

SPLIT = ("x_train", "y_train", "x_test", "y_test")
VALIDATION = ("x_val", "y_val")
WHOLE = ("x", "y")
KNOWN = (*SPLIT, *VALIDATION, *WHOLE, "class_names")
LAYOUT = "give x_train, y_train, x_test, y_test (and x_val, y_val, class_names if you like), or x and y to be split"
COLUMN_KINDS = "biuUS"
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, KeyError, SyntaxError)


def read_npz(path: Path) -> Raw:
    """Read an .npz without pickles.

    Raises:
        UserError: the file is damaged, holds Python objects, or lacks arrays.
    """
    if not zipfile.is_zipfile(path):
        raise UserError(
            str(path), "is no .npz (a zip of arrays), or is damaged", "write it with numpy.savez_compressed"
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = list(archive.files)
            read = [name for name in names if name in KNOWN or may_be_column(archive, name)]
            arrays = {name: read_member(path, archive, name) for name in read}
    except DAMAGE as error:
        raise UserError(str(path), f"is damaged: {error}", "write it again with numpy.savez_compressed") from error
    return from_arrays(str(path), arrays, tuple(name for name in names if name not in arrays))


def may_be_column(archive: Any, name: str) -> bool:
    """Say by its header whether an array beside the examples is one value an example: text or whole numbers."""
    headers: Any = np.lib.format
    with archive.zip.open(f"{name}.npy" if f"{name}.npy" in archive.zip.namelist() else name) as file:
        try:
            is_first = headers.read_magic(file) == (1, 0)
            shape, _, dtype = (headers.read_array_header_1_0 if is_first else headers.read_array_header_2_0)(file)
        except ValueError:
            return False
    return bool(len(shape) == 1 and dtype.kind in COLUMN_KINDS)


def read_member(path: Path, archive: Any, name: str) -> NDArray[Any]:
    """Read one array of an .npz."""
    try:
        array = archive[name]
    except MemoryError as error:
        raise MachineError(f"{path}: {name}", f"does not fit into memory ({error})", "give fewer examples") from error
    except DAMAGE as error:
        if "allow_pickle" in str(error):
            raise UserError(
                f"{path}: {name}",
                "holds Python objects (a pickle), which can carry code and are not read",
                "store plain numbers: all examples of one shape, labels as integers or fixed-width strings",
            ) from error
        raise UserError(f"{path}: {name}", f"is damaged: {error}", "write the .npz again") from error
    if not isinstance(array, np.ndarray):
        raise UserError(f"{path}: {name}", "is no array", "write the .npz with numpy.savez_compressed")
    return array


def from_function(builder: Builder, find: Find) -> Raw:
    """Call `function(**options)`, which returns a dict with the names of an .npz.

    Raises:
        UserError: the user's code raised, or returned something else.
    """
    where = f"{find(builder.file)}:{builder.function}"
    table = builder.call(find)
    if not isinstance(table, Mapping):
        raise UserError(where, f"returned {type(table).__name__}, not a dict of arrays", LAYOUT)
    arrays = {str(name): as_array(where, str(name), value) for name, value in table.items() if name in KNOWN}
    others = {str(name): value for name, value in table.items() if name not in KNOWN}
    columns = {name: value for name, value in others.items() if isinstance(value, np.ndarray) and is_column(value)}
    return from_arrays(where, arrays | columns, tuple(name for name in others if name not in columns))


def is_column(array: NDArray[Any]) -> bool:
    return array.ndim == 1 and array.dtype.kind in COLUMN_KINDS


def as_array(where: str, name: str, value: object) -> NDArray[Any]:
    """Turn what a function returned into an array; ragged lists are refused."""
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise UserError(f"{where}: {name}", f"is no array: {error}", "return numpy arrays of one shape") from error


def from_arrays(where: str, arrays: Mapping[str, NDArray[Any]], unread: tuple[str, ...]) -> Raw:
    """Sort arrays into parts, and columns beside them into groups.

    Args:
        where: the file or function.
        arrays: those of KNOWN names, and columns of any name.
        unread: names of arrays that are neither.

    Raises:
        UserError: an array is missing, or both layouts are mixed.
    """
    columns = {name: array for name, array in arrays.items() if name not in KNOWN}
    has = ", ".join([*arrays, *unread]) or "nothing"
    whole = [name for name in WHOLE if name in arrays]
    given = [name for name in (*SPLIT, *VALIDATION) if name in arrays]
    if whole and given:
        raise UserError(where, f"mixes {' and '.join(whole)} with {', '.join(given)}", LAYOUT)
    needed = WHOLE if whole else (SPLIT + VALIDATION if set(VALIDATION) & set(given) else SPLIT)
    missing = [name for name in needed if name not in arrays]
    several = next((found for name in missing if len(found := parts_of(name, (*columns, *unread))) > 1), ())
    if several:
        what = "inputs" if several[0].startswith("x") else "labels"
        raise beyond(where, f"has several {what} an example: {', '.join(several)}")
    has_inputs = not any(name.startswith("x") for name in missing)
    if {"y", "y_train"} & set(missing) and has_inputs and not columns and not unread:
        raise beyond(where, f"has no labels to train on: it lacks {', '.join(missing)}, and has {has}")
    if missing:
        raise UserError(
            where, f"lacks {', '.join(missing)}; it has {has}", guess(missing, (*columns, *unread)) + LAYOUT
        )
    parts = ("all",) if whole else tuple(name[2:] for name in needed if name.startswith("x_"))
    suffix = {part: "" if part == "all" else f"_{part}" for part in parts}
    x = {part: arrays["x" + suffix[part]] for part in parts}
    groups = {part: groups_of(columns, suffix[part], len(x[part]) if x[part].ndim else 0) for part in parts}
    taken = {name + suffix[part] for part in parts for name in groups[part]}
    unread = tuple(name for name in (*columns, *unread) if name not in taken)
    if all(arrays["x" + each].shape[:1] == arrays["y" + each].shape[:1] for each in suffix.values()):
        has_recordings(where, [f"recording{each}" for each in suffix.values()], unread)
    return Raw(
        where,
        x,
        {part: arrays["y" + suffix[part]] for part in parts},
        class_names(where, arrays.get("class_names")),
        warnings=tuple(f"{where}: array {name!r} is not read" for name in unread),
        groups=groups,
    )


def has_recordings(where: str, names: Sequence[str], unread: Sequence[str]) -> None:
    """Refuse an array of recordings that was not read: one recording's examples could stand in two splits."""
    broken = next((name for name in names if name in unread), None)
    if broken is not None:
        problem = "is not one text or whole number for each example, so that no recording can be kept in one split"
        raise UserError(f"{where}: {broken}", problem, "mend it, or give it another name")


def groups_of(columns: Mapping[str, NDArray[Any]], suffix: str, examples: int) -> dict[str, NDArray[Any]]:
    """Take the columns of one part, by name without its suffix, as text: "8" is the same in a .csv and an .npz."""
    return {
        name.removesuffix(suffix): np.array(as_names(array), np.str_)
        for name, array in columns.items()
        if name.endswith(suffix) and name != suffix and len(array) == examples
    }


def parts_of(name: str, given: Sequence[str]) -> tuple[str, ...]:
    """The arrays that stand for parts of one, such as x_train.image and x_train_vector of x_train."""
    return tuple(each for each in given if re.match(rf"{name}[^a-zA-Z]", each))


def guess(missing: list[str], unknown: tuple[str, ...]) -> str:
    """Offer the unknown array that a missing one may be."""
    close = [(name, difflib.get_close_matches(name, unknown, n=1)) for name in missing]
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
    return as_names(names)


def as_names(values: NDArray[Any]) -> tuple[str, ...]:
    """Strings of a string, bytes or integer array."""
    return tuple(
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values.tolist()
    )
