"""Whether arrays hold sentences, and whether each can be an example."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError, quoted
from tinyc.data import room
from tinyc.data.raw import Raw, array_name

UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def are_sentences(raw: Raw) -> bool:
    """Say whether any part holds strings, one an example."""
    return any(holds_strings(x) for x in raw.x.values())


def holds_strings(x: NDArray[Any]) -> bool:
    if x.ndim != 1 or not x.size:
        return False
    return x.dtype.kind == "U" or (x.dtype == object and any(isinstance(value, str) for value in x))


def clean(raw: Raw) -> Mapping[str, NDArray[Any]]:
    """Check sentences by part; give them without spaces around, as objects of type str, (examples,).

    Raises:
        UserError: a part holds something else, a sentence is empty or no Unicode, or the labels are too few or many.
    """
    for part, x in raw.x.items():
        where, y = f"{raw.where}: {array_name('x', part)}", raw.y[part]
        if not holds_strings(x):
            problem = f"holds {x.dtype} of shape {x.shape}, where another part holds sentences"
            raise UserError(where, problem, "give all parts as strings, one an example")
        if y.ndim == 0 or len(x) != len(y):
            name = array_name("y", part)
            raise UserError(where, f"has the shape {x.shape}, but {name} {y.shape}", "give one label an example")
    return {
        part: np.array(
            [sentence(f"{raw.where}: {array_name('x', part)}[{i}]", value) for i, value in enumerate(x.tolist())],
            object,
        )
        for part, x in raw.x.items()
    }


def column(where: str, texts: Sequence[str]) -> NDArray[np.str_]:
    """Give the values of a group by example, (examples,); each takes the room of the longest.

    Raises:
        UserError: they take more than is read.
        MachineError: they do not fit into memory.
    """
    width = max(map(len, texts), default=0) * np.dtype("U1").itemsize
    room.require(where, len(texts) * width, remedy="give the values of groups short names")
    return np.array(texts, np.str_)


def can_be_name(text: str) -> bool:
    """Say whether text can be written into a report and into C: it has no control characters and no half ones."""
    return not UNWRITABLE.search(text)


def sentence(where: str, value: object, what: str = "sentence") -> str:
    """Check one sentence or label and give it without spaces around.

    Raises:
        UserError: it is not a string, empty, or holds half a character.
    """
    if not isinstance(value, str):
        raise UserError(where, f"holds {quoted(value)}, not a string, for a {what}", "give text, or remove the row")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            where, f"has a {what} with half a character: {quoted(value)}", "write it again as UTF-8"
        ) from error
    if not value.strip():
        raise UserError(where, f"has an empty {what}", "fill it, or remove the row")
    return value.strip()
