"""What a pass is lent, for tests that apply one by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinyc.core.progress import Silent
from tinyc.data.dataset import TrainingData
from tinyc.network.contract import Context
from tinyc.network.state import Flat, Net


def context(
    folder: Path,
    data: TrainingData,
    source: Net,
    rehearse: Any = None,
    seed: int = 3,
    compare: Callable[[Flat], Any] = lambda _: {},
) -> Context:
    """Lend this data and this source; the cache is in the folder, and paths are as they are given."""
    return Context(
        seed=seed, data=data, source=source, source_key="source", earlier=(), cache=folder / "cache", find=Path,
        progress=Silent(), rehearse=rehearse, compare=compare,
    )  # fmt: skip
