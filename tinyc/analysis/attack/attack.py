"""Membership inference on an artifact: run it on examples that it was trained on and on others, and compare.

The loss threshold is the attack of Yeom et al. 2018; with shadows, the likelihood ratio of Carlini et al. 2022 too.
Intervals are over the examples asked about, of this one artifact; another training of the recipe may tell more or less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.analysis.attack import lira, membership_split, shadows, wording
from tinyc.analysis.attack.bounds import Promise
from tinyc.analysis.attack.confidences import confidences, losses
from tinyc.analysis.attack.membership_split import MembershipSplit
from tinyc.analysis.attack.record import Attack, Found
from tinyc.analysis.attack.scored import Scored
from tinyc.analysis.attack.shadows import ShadowTraining
from tinyc.core import progress
from tinyc.core.errors import UserError
from tinyc.core.progress import Progress
from tinyc.data.dataset import Dataset, Split
from tinyc.data.inputs import inputs
from tinyc.network.state import Flat
from tinyc.tflite.read import operators
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run import runtimes
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write.table_writing import expand


@dataclass(frozen=True)
class Target:
    """The artifact of a finished run.

    Attributes:
        run: the run's name.
        artifact: the step that left it, e.g. "05-verify".
        promise: its example-level privacy, or None.
        notes: what else is to be said of the run.
    """

    run: str
    artifact: str
    flat: Flat
    dataset: Dataset
    promise: Promise | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """How to attack: at most so many examples a side, and which kernels; `training` trains shadows, where wanted."""

    examples: int
    seed: int
    runtime: runtimes.Runtime
    training: ShadowTraining | None = None


@dataclass(frozen=True)
class Answers:
    """What the artifact gave for one set of examples: confidences and whether it was right, (examples,) each."""

    confidences: NDArray[np.float64]
    right: NDArray[np.bool_]

    @property
    def loss(self) -> float:
        return float(losses(self.confidences).mean())


class Oracle:
    """The artifact in its interpreter, asked as a device would be."""

    def __init__(self, flat: Flat, pool: Pool, wanted: runtimes.Runtime, shown: Progress) -> None:
        described = describe(flat.content)
        asked: runtimes.Runtime = "tflm" if operators.tflm_only(described) else wanted
        self.runtime: runtimes.Runtime = asked if runtimes.package(asked) else "fast"
        self.content = flat.content if self.runtime == "tflm" else expand(flat.content)
        self.flat, self.pool, self.shown = flat, pool, shown
        self.version = ""

    def ask(self, split: Split, title: str) -> Answers:
        """Run examples; raises UserError where the outputs are not one score a class."""
        with progress.task(self.shown, f"{title} ({self.runtime})", len(split)):
            run = self.pool.run(self.content, inputs(split.x, self.flat.task), self.runtime, advance=self.shown.advance)
        self.version = run.runtime
        outputs = run.outputs.reshape(len(split), -1)
        classes = len(self.flat.task.classes)
        if outputs.shape[1] != classes:
            problem = f"gives {outputs.shape[1]} scores for {classes} classes"
            raise UserError("the artifact", problem, "give a run of this data")
        return Answers(confidences(outputs, split.y, self.flat.softmax), outputs.argmax(axis=1) == split.y)


def attack(target: Target, request: Request, pool: Pool, shown: Progress) -> Attack:
    """Attack an artifact.

    Raises:
        UserError: there are too few examples, or too few subjects or recordings for shadows.
        MachineError: a worker crashed, or no interpreter is installed.
    """
    asked = membership_split.draw(target.dataset, request.examples, request.seed)
    oracle = Oracle(target.flat, pool, request.runtime, shown)
    members, others = oracle.ask(asked.members, "members"), oracle.ask(asked.others, "others")
    control = validation(target.dataset, len(asked.others), request.seed)
    unseen = oracle.ask(control, "validation") if control else None
    scored = Scored(members.confidences, others.confidences, asked.groups())
    attacks = [Found.of("loss", scored, request.seed)]
    trained: dict[str, Any] | None = None
    if request.training:
        likely, trained = with_shadows(request.training, target.dataset, asked, scored, request.seed, shown)
        attacks.append(Found.of("lira", likely, request.seed))
    if control and unseen:
        attacks += controls(asked, control, scored, unseen, request.seed)
    found = tuple(attacks)
    return Attack(
        run=target.run,
        artifact=target.artifact,
        runtime=oracle.runtime,
        runtime_version=oracle.version,
        seed=request.seed,
        members=len(asked.members),
        others=len(asked.others),
        unit=asked.unit,
        member_units=asked.units[0],
        other_units=asked.units[1],
        cluster=asked.cluster,
        loss={"members": members.loss, "others": others.loss, "validation": unseen.loss if unseen else None},
        accuracy={
            "members": float(members.right.mean()),
            "others": float(others.right.mean()),
            "validation": float(unseen.right.mean()) if unseen else None,
        },
        attacks=found,
        shadows=trained,
        promise=target.promise,
        verdict=wording.verdict(found, asked),
        notes=(*target.notes, *wording.notes(asked, found, target.promise, trained)),
    )


def validation(dataset: Dataset, examples: int, seed: int) -> Split | None:
    """Draw validation examples, as many as there are others; None where there are too few."""
    if len(dataset.validation) < membership_split.FEWEST:
        return None
    return membership_split.sample(dataset.validation, examples, seed)


def controls(asked: MembershipSplit, control: Split, scored: Scored, unseen: Answers, seed: int) -> list[Found]:
    """Put validation examples, which trained nothing, in the others' place, and then in the members'."""
    groups, column = asked.groups(), control.groups[asked.cluster] if asked.cluster else None
    first = None if groups is None or column is None else (groups[0], column)
    second = None if groups is None or column is None else (column, groups[1])
    return [
        Found.of("loss_validation", Scored(scored.members, unseen.confidences, first), seed),
        Found.of("control", Scored(unseen.confidences, scored.others, second), seed),
    ]


def with_shadows(
    training: ShadowTraining, dataset: Dataset, asked: MembershipSplit, scored: Scored, seed: int, shown: Progress
) -> tuple[Scored, dict[str, Any]]:
    """Score the same examples by what shadows say of them."""
    cast = shadows.cast(training, dataset, asked, seed, shown)
    target = np.concatenate([scored.members, scored.others])
    found, method = lira.scores(target, cast.confidences, cast.trained)
    count = len(scored.members)
    facts = {
        "count": training.count,
        "epochs": training.options.epochs,
        "examples": cast.examples,
        "method": method,
        "options": training.options.model_dump(mode="json"),
    }
    return replace(scored, members=found[:count], others=found[count:]), facts
