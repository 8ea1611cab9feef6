"""Shadows: networks of the run's own architecture, trained anew with and without the examples that are asked about.

shadows-<key>/000.npz    confidences (examples,), and as text what the training found; one file a shadow, so that an
                         attack that was stopped goes on, and one with more shadows keeps those it has
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.analysis.attack.confidences import confidences
from tinyc.analysis.attack.membership_split import MembershipSplit
from tinyc.analysis.attack.pool import Shares, shares
from tinyc.core.errors import UserError
from tinyc.core.progress import Progress
from tinyc.data.cutting import take
from tinyc.data.dataset import Dataset, TrainingData
from tinyc.data.inputs import inputs
from tinyc.network import backend
from tinyc.network.signal_layers import BACK, FRONT
from tinyc.network.state import Net
from tinyc.spec.training import TRAINING, FitOptions
from tinyc.tasks.classification.objectives import labels
from tinyc.training.checkpoints import UNREADABLE, read_arrays, write_arrays
from tinyc.training.fit import fit
from tinyc.training.predict import predictor


@dataclass(frozen=True)
class ShadowTraining:
    """How shadows are trained: `count` of them, each a copy of `net` with new weights; files go below `folder`."""

    net: Net
    options: FitOptions
    count: int
    folder: Path


@dataclass(frozen=True)
class Place:
    """What the fit loop needs to know of where it runs."""

    seed: int
    data: TrainingData
    progress: Progress
    rehearse: Literal["lower", "upper"] | None = None


@dataclass(frozen=True)
class Shadows:
    """Confidences of each shadow, and whether it saw the example, (shadows, examples) both; examples in the mean."""

    confidences: NDArray[np.float64]
    trained: NDArray[np.bool_]
    examples: float


def cast(training: ShadowTraining, dataset: Dataset, sides: MembershipSplit, seed: int, shown: Progress) -> Shadows:
    """Train all shadows, or take those that an earlier call trained.

    Raises:
        UserError: there is too little to halve, the network cannot be built anew, or a training diverges.
    """
    dealt = shares(dataset, sides)
    folder = training.folder / f"shadows-{key(training, dataset, sides, seed)[:12]}"
    asked = np.concatenate([sides.members.x, sides.others.x])
    truth = np.concatenate([sides.members.y, sides.others.y])
    found, sizes = [], []
    for index in range(training.count):
        rows = dealt.rows(index, seed)
        known = kept(folder / f"{index:03d}.npz", len(truth))
        if known is None:
            title = f"shadow {index + 1} of {training.count}"
            model = train_one(training, dataset, dealt, rows, number(seed, index), shown, title)
            known = asked_confidences(model, inputs(asked, training.net.task), truth)
            write_arrays(folder / f"{index:03d}.npz", {"confidences": known}, json.dumps({"examples": len(rows)}))
        found.append(known)
        sizes.append(len(rows))
    trained = np.stack([dealt.half(index, seed)[dealt.scored] for index in range(training.count)])
    return Shadows(np.stack(found), trained, float(np.mean(sizes)))


def train_one(
    training: ShadowTraining, dataset: Dataset, dealt: Shares, rows: Any, seed: int, shown: Progress, title: str
) -> Any:
    """Train one shadow from new weights on its own rows; there are no validation examples."""
    mine = replace(
        dataset.for_training(),
        task=training.net.task,
        train=take(dealt.examples, rows),
        validation=take(dataset.validation, np.arange(0)),
    )
    model = fresh(training.net.model, seed)
    fit(model, training.options, labels(seed, training.options.label_smoothing), Place(seed, mine, shown), title)
    return model


def fresh(model: Any, seed: int) -> Any:
    """Build the same network with new weights; preprocessing that was folded into it keeps its own.

    Raises:
        UserError: a layer cannot be built from its configuration.
    """
    backend.seed_everything(seed)
    try:
        made = backend.keras().models.clone_model(model)
    except (ValueError, NotImplementedError, TypeError) as error:
        problem = f"cannot be built anew: {error}"
        raise UserError(str(model.name), problem, "leave --shadows out, or give each layer a get_config()") from error
    for layer in model.layers:
        if layer.name.startswith((FRONT, BACK)):
            made.get_layer(layer.name).set_weights(layer.get_weights())
    return made


def asked_confidences(model: Any, inputs: NDArray[Any], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    return confidences(predictor(model)(inputs)[0], truth, softmax=False)


def kept(path: Path, examples: int) -> NDArray[np.float64] | None:
    """Read what an earlier call found; None where there is nothing, or half of it."""
    if not path.exists():
        return None
    try:
        found = np.asarray(read_arrays(path)[0]["confidences"], np.float64)
    except UNREADABLE:
        return None
    return found if found.shape == (examples,) else None


def number(seed: int, index: int) -> int:
    """Draw a shadow's own seed."""
    return int(np.random.default_rng([seed, 33, index]).integers(2**31))


def key(training: ShadowTraining, dataset: Dataset, sides: MembershipSplit, seed: int) -> str:
    """Key of all shadows: the network, its training, the data, who is asked about, and the versions."""
    net = training.net
    words = net.task.tokenizer
    parts = [
        TRAINING, metadata.version("tensorflow"), json.loads(net.model.to_json()),
        training.options.model_dump(mode="json"), dataset.digest, seed, sides.unit,
        sides.members.ids.tolist(), sides.others.ids.tolist(),
        None if net.task.front is None else net.task.front.to_json(),
        [words.definition, words.length] if words else None, *net.task.columns,
    ]  # fmt: skip
    total = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode())
    for layer in net.model.layers:
        if layer.name.startswith((FRONT, BACK)):
            for weight in layer.get_weights():
                total.update(weight.tobytes())
    return total.hexdigest()
