"""The preprocessing that runs before an artifact, as `export` wrote it beside the file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from tinyc.core import files, limits
from tinyc.core.errors import UserError
from tinyc.data.signals.front import Front

NAME = "preprocess.json"
UNFIT = (ValueError, TypeError, IndexError, MemoryError)


def front_beside(file: Path, shape: tuple[int, ...]) -> Front | None:
    """Open the front of an artifact whose examples have `shape`; None where there is none.

    Raises:
        UserError: it is damaged or cannot run, or gives another shape than the artifact takes.
    """
    path = file.parent / NAME
    if not path.is_file():
        return None
    front = Front.from_json(files.read_text(path, limits.JSON_BYTES), str(path))
    if math.prod(front.input_shape) > limits.EXAMPLE_VALUES:
        problem = f"takes examples of {front.input_shape}; at most {limits.EXAMPLE_VALUES:,} numbers are worked on"
        raise UserError(str(path), problem, "export it again")
    try:
        given = front.apply(np.zeros((1, *front.input_shape), np.float32)).shape[1:]
    except UNFIT as error:
        raise UserError(str(path), f"describes preprocessing that cannot run: {error}", "export it again") from error
    if given != tuple(shape):
        problem = f"gives {given}, and the artifact takes {tuple(shape)}"
        raise UserError(str(path), problem, "name the artifact in the run folder that it was made in")
    return front
