"""The preprocessing that runs before an artifact, as `export` wrote it beside the file."""

from __future__ import annotations

from pathlib import Path

from tinyc.cli.inspection import read_file
from tinyc.errors import UserError
from tinyc.signals.front import Front

NAME = "preprocess.json"


def front_beside(file: Path, shape: tuple[int, ...]) -> Front | None:
    """Open the front of an artifact whose examples have `shape`; None where there is none.

    Raises:
        UserError: it is damaged, or gives another shape than the artifact takes.
    """
    path = file.parent / NAME
    if not path.is_file():
        return None
    front = Front.from_json(read_file(path).decode("utf-8", errors="replace"), str(path))
    if front.output_shape != tuple(shape):
        problem = f"gives {front.output_shape}, and the artifact takes {tuple(shape)}"
        raise UserError(str(path), problem, "name the artifact in the run folder that it was made in")
    return front
