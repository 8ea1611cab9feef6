"""Arrays that a function of the user's returns; whatever it returns or raises ends in data or in one message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError, obeyed_by_none, quoted
from tinyc.data import arrays
from tinyc.data.raw import Raw
from tinyc.spec.builders import Builder, Find, error_text, user_code


def call_loader(builder: Builder, find: Find) -> Raw:
    """Call `function(**options)`, which returns a dict with the names of an .npz.

    Raises:
        UserError: the user's code raised, or returned something else.
    """
    path = find(builder.file)
    where = obeyed_by_none(f"{path}:{builder.function}")
    table = builder.call(find)
    with user_code(path, f"what {builder.function} returned"):
        found, unread = taken(where, table)
    return arrays.arranged(where, found, arrays.layout(where, found, unread))


def taken(where: str, table: object) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Take the arrays that have a meaning, and columns, out of what a function returned; and the names of all else."""
    if not isinstance(table, Mapping):
        raise UserError(where, f"returned {type(table).__name__}, not a dict of arrays", arrays.LAYOUT)
    found: dict[str, NDArray[Any]] = {}
    unread = []
    for key, value in table.items():
        name = key if isinstance(key, str) else quoted(key)
        if name in arrays.KNOWN or (isinstance(value, np.ndarray) and arrays.is_column(value)):
            found[name] = as_array(f"{where}: {name}", value)
        else:
            unread.append(name)
    return found, tuple(unread)


def as_array(where: str, value: object) -> NDArray[Any]:
    """Turn what a function returned into an array.

    Raises:
        UserError: it is none, such as ragged lists or a generator, or hides some of its values.
    """
    hidden = int(np.sum(value.mask)) if isinstance(value, np.ma.MaskedArray) else 0
    if hidden:
        raise UserError(where, f"hides {hidden} values under its mask", "leave out what is not known, or fill it")
    try:
        found = np.asarray(value)
    except Exception as error:  # an object of any library may refuse in its own way
        raise UserError(where, f"is not an array: {error_text(error)}", "return numpy arrays of one shape") from error
    if found.ndim == 0 and found.dtype == object:
        raise UserError(where, f"is {type(value).__name__}, and no array", "return numpy arrays of one shape")
    return found
