"""What a run has at hand, and what it lends to its passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tinyc import measure
from tinyc.core.progress import Progress
from tinyc.core.run_folder import RunFolder
from tinyc.data.dataset import Dataset
from tinyc.data.task import Task
from tinyc.network.contract import Context
from tinyc.network.state import Flat, Net
from tinyc.spec.contract import Pass
from tinyc.spec.recipe import Recipe
from tinyc.tflite.run.pool import Pool


@dataclass(frozen=True)
class Bench:
    """One run's recipe, data, interpreters and folders; `checkpoint` is where the source's was found."""

    recipe: Recipe
    folder: RunFolder
    cache: Path
    dataset: Dataset
    pool: Pool
    progress: Progress
    checkpoint: Path | None = None

    def context(
        self,
        index: int,
        source: Net,
        source_key: str,
        earlier: tuple[Pass, ...],
        scratch: Path,
        rehearse: Literal["lower", "upper"] | None = None,
        task: Task | None = None,
    ) -> Context:
        """What pass `index` may use: the data as the state that it takes sees it, and never the test split."""
        data = self.dataset.for_training()
        return Context(
            seed=self.recipe.seed * 1000 + index,
            data=replace(data, task=task or data.task),
            source=source,
            source_key=source_key,
            earlier=earlier,
            cache=self.cache,
            find=self.recipe.find,
            progress=self.progress,
            scratch=scratch,
            rehearse=rehearse,
            compare=self.compare,
            spec=self.recipe.data.fitted(data.task.scale, data.task.offset)
            .spelt_out()
            .model_dump_json(exclude_none=True),
        )

    def compare(self, flat: Flat) -> Mapping[str, Any]:
        """Run an artifact under every runtime over the test split."""
        return measure.compare_runtimes(flat, self.dataset, self.pool, self.progress)
