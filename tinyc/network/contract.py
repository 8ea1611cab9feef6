"""The contract between the work of a pass and the run.

A pass's work gets its options, a state and a `Context`, and returns an `Outcome`. It does not print, measure itself,
keep files or change its input: the run measures, judges and stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tinyc.core.progress import Progress
from tinyc.data.dataset import TrainingData
from tinyc.network.state import Flat, Net, State
from tinyc.spec.contract import Pass
from tinyc.spec.device import Device
from tinyc.spec.passes.verify import Compared


@dataclass(frozen=True)
class Skipped:
    """A layer that a pass left alone, and why; the report shows every one."""

    layer: str
    why: str


@dataclass(frozen=True)
class Outcome:
    """What a pass gives back.

    Attributes:
        state: the new state; the input state is untouched.
        facts: what the pass found out, JSON values only (numbers, strings, lists, tables).
        files: artifacts by file name, written into the run folder by the run.
        skipped: what was left alone, and why.
    """

    state: State
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class Context:
    """What the pipeline lends to a pass.

    Attributes:
        seed: all randomness of the pass comes from it (differs per recipe seed and step index).
        data: training, validation and calibration examples; never test.
        source: the network that the run began with, for use as a teacher; not to be changed.
        source_key: content key of the source (names its entries in the soft-label store).
        earlier: the passes that ran before, in order (fine-tuning takes up an earlier distillation).
        cache: the user cache folder; a pass reaches it through `training` alone.
        find: look a path of the recipe up (recipe's folder, its parent, the gallery); raises UserError.
        progress: where to say how far the work is.
        rehearse: None in a real run. `plan` sets it: nothing trains and nothing is stored, so that the untrained
            network gets its final shape; where a ranking decides the shape, "lower" takes the choice that
            leaves the fewest parameters and "upper" the one that leaves the most.
        compare: run a Flat under every runtime over the test split, in the ledger; gives the comparison's facts.
        spec: the recipe's `[data]` as JSON, for clients that prepare examples of their own.
        device: the device that the artifact is for; None where the recipe names none.
    """

    seed: int
    data: TrainingData
    source: Net
    source_key: str
    earlier: tuple[Pass, ...]
    cache: Path
    find: Callable[[str], Path]
    progress: Progress
    rehearse: Literal["lower", "upper"] | None
    compare: Callable[[Flat], Compared]
    spec: str = ""
    device: Device | None = None
