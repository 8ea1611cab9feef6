"""The source, trained by the recipe and kept in the user cache by its content key.

<cache>/sources/<key>/weights.npz        weight-0000 ..., meta (JSON: the facts of the training, its seconds)
<cache>/sources/<key>/checkpoints/       the last two epochs, while it trains
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from tinyc.core import cache, units
from tinyc.core.progress import Progress
from tinyc.network.state import Net
from tinyc.spec.source import TrainSpec
from tinyc.spec.training import SourceTrained, Timed, fit_options
from tinyc.tasks.classification.objectives import labels
from tinyc.training.checkpoints import UNREADABLE, fitting, read_arrays, write_arrays
from tinyc.training.fit import FitContext, fit
from tinyc.training.resume import checkpoint_bytes


def train(net: Net, spec: TrainSpec, context: FitContext, folder: Path, key: str) -> Timed | SourceTrained:
    """Train the source's network in place on the labels, or take its trained weights from the cache.

    A second run with the same key waits for the first and takes its weights; one that was killed goes on from the
    last epoch. In a rehearsal nothing is trained, read or written.

    Args:
        folder: the user cache.
        key: the content key of all that the weights depend on.

    Returns:
        The facts of the training, the same whether it ran now or before, its `seconds` (None where it was stopped
        in between, or is not known), and `cached`.

    Raises:
        UserError: the loss is not a number.
        MachineError: there is no room on the disk, or the cache cannot be written to.
    """
    if context.rehearse is not None:
        return {"cached": False, "seconds": None}
    entry = folder / "sources" / key
    with cache.locked(entry, context.progress.say):
        facts = load_trained(net.model, entry / "weights.npz", context.progress)
        if facts is not None:
            return {"seconds": None, **facts, "cached": True}
        return train_now(net.model, spec, context, entry)


def is_known(folder: Path, key: str) -> bool:
    """Say whether the trained weights lie in the user cache."""
    return (folder / "sources" / key / "weights.npz").is_file()


def load_trained(model: Any, path: Path, shown: Progress) -> SourceTrained | None:
    """Take the weights from the cache; None where there are none, or where the file is corrupt, which is said."""
    if not path.exists():
        return None
    try:
        arrays, text = read_arrays(path)
        found = [fitting(arrays[name(index)], weight) for index, weight in enumerate(model.weights)]
        facts: SourceTrained = json.loads(text)
    except UNREADABLE as error:
        shown.say(f"{path}: discarded and trained again, {error}")
        return None
    model.set_weights(found)
    return facts


def train_now(model: Any, spec: TrainSpec, context: FitContext, entry: Path) -> SourceTrained:
    """Train with epoch checkpoints, and store the weights."""
    options = fit_options(spec)
    reserve(model, options.optimizer, entry, context.progress)
    objective = labels(context.seed, options.label_smoothing)
    is_whole, began = not any((entry / "checkpoints").glob("*")), time.monotonic()
    facts = fit(model, options, objective, context, "train the source", checkpoints=entry / "checkpoints")
    seconds = time.monotonic() - began if is_whole else None
    arrays = {name(index): array for index, array in enumerate(model.get_weights())}
    write_arrays(entry / "weights.npz", arrays, json.dumps({**facts, "seconds": seconds}))
    shutil.rmtree(entry / "checkpoints", ignore_errors=True)
    return {**facts, "seconds": seconds, "cached": False}


def reserve(model: Any, optimizer: str, entry: Path, shown: Progress) -> None:
    """Say the disk that the training needs, and check that it is there: two checkpoints and one in the making."""
    weights = sum(4 * int(weight.shape.num_elements()) for weight in model.weights)
    needed = 3 * checkpoint_bytes(model, optimizer) + weights
    shown.say(
        f"training the source needs up to {units.show_bytes(needed)} of disk in {entry}, "
        f"and leaves {units.show_bytes(weights)} there"
    )
    cache.require(entry, needed)


def name(index: int) -> str:
    return f"weight-{index:04d}"
