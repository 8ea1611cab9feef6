"""What networks and artifacts see of raw examples."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tinyc.data.scaling import scaled
from tinyc.data.task import Task


def inputs(x: NDArray[Any], task: Task) -> NDArray[Any]:
    """Turn raw examples into what networks and artifacts see.

    Token ids, int32; or raw * scale + offset, float32, which the task's front has gone over.
    """
    if task.tokenizer:
        return task.tokenizer.encode(x)
    seen = scaled(x, task.scale, task.offset)
    return task.front.apply(seen) if task.front else seen
