"""The measuring: one probe after the other, each kept as it ends."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tinyc.analysis.sensitivity import bits, cuts, pace
from tinyc.analysis.sensitivity.bits import BITS
from tinyc.analysis.sensitivity.cuts import AMOUNTS
from tinyc.analysis.sensitivity.pace import Pace
from tinyc.analysis.sensitivity.store import Kept
from tinyc.analysis.sensitivity.trials import BASE, Ground, Trial, bits_name, cut_name, ground_of
from tinyc.compression.pruning.graph import Group
from tinyc.core import progress, units
from tinyc.core.errors import UserError
from tinyc.core.progress import Progress
from tinyc.core.spelling import short
from tinyc.data.dataset import TrainingData
from tinyc.network.state import Net
from tinyc.spec.sensitivity_file import CutScore, GroupCuts, LayerBits, Score, Sensitivity
from tinyc.training.probe import Probe

NOTE = 36
"""Characters of a live figure."""


@dataclass(frozen=True)
class Request:
    """What to measure: the recipe's name, the step that left the network, at most how many examples, and the seed."""

    recipe: str
    after: str | None
    examples: int
    seed: int


def measure(net: Net, data: TrainingData, request: Request, kept: Kept, shown: Progress) -> Sensitivity:
    """Measure what each group of channels and each layer gives, going on after what is kept already.

    The network's weights are changed and put back.

    Raises:
        UserError: the network is subclassed, or its outputs are not numbers.
    """
    ground = ground_of(net.model)
    trials = list(ground.trials())
    left = [trial for trial in trials if trial.name not in kept.scores]
    if left:
        own = pace.measure(net.model, data, net.task, request.seed)
        examples = kept.examples or own.affordable(len(trials), request.examples)
        probe = pace.probe_of(own, net.model, data, net.task, request.seed, examples)
        for line in foretold(ground, len(left), own, probe, request.examples):
            shown.say(line)
        if len(left) < len(trials):
            shown.say(f"{len(trials) - len(left)} of {len(trials)} probes were measured by an earlier call")
        kept.begin(examples)
        run(left, probe, kept, shown)
    return gathered(ground, data, request, kept)


def foretold(ground: Ground, count: int, own: Pace, probe: Probe, wanted: int) -> Iterator[str]:
    """Word the time that `count` probes will take, and why the examples are fewer than wanted."""
    examples = len(probe.y)
    yield (
        f"about {units.show_seconds(own.seconds(count, examples))} for {len(ground.channels.groups)} groups x "
        f"{len(AMOUNTS)} amounts and {len(ground.layers)} layers x {len(BITS)} widths, "
        f"on {examples} {probe.split} examples"
    )
    slow = own.seconds(count, wanted)
    if examples < wanted and slow > pace.LIMIT_SECONDS:
        limit = units.show_seconds(pace.LIMIT_SECONDS)
        yield f"{wanted} examples would take {units.show_seconds(slow)}; they are fewer to stay within {limit}"


def run(left: list[Trial], probe: Probe, kept: Kept, shown: Progress) -> None:
    """Score one change after the other."""
    with progress.task(shown, "sensitivity", len(left)):
        for trial in left:
            score = probe.with_weights(trial.weights())
            if not math.isfinite(score.loss):
                problem = f"the loss is {score.loss} ({trial.name})"
                raise UserError(probe.model.name, problem, "train the network, or check its inputs")
            kept.add(trial.name, Score(score.accuracy, score.loss))
            shown.advance(1, short(trial.name, NOTE))


def gathered(ground: Ground, data: TrainingData, request: Request, kept: Kept) -> Sensitivity:
    """Put the scores of all probes in order."""
    split = "validation" if len(data.validation) else "train"
    channels = ground.channels
    shares = cuts.shares(ground.model, channels)
    return Sensitivity(
        schema=1,
        recipe=request.recipe,
        examples=min(kept.examples or request.examples, len(getattr(data, split))),
        split=split,
        base=kept.scores[BASE],
        groups=tuple(group_cuts(group, share, kept) for group, share in zip(channels.groups, shares, strict=True)),
        int8=tuple(layer_bits(name, width, kept) for name in ground.layers for width in BITS),
        skipped=cuts.skipped(ground.model, channels) + bits.left_out(ground.model),
        seed=request.seed,
        after=request.after,
    )


def group_cuts(group: Group, share: tuple[int, int], kept: Kept) -> GroupCuts:
    """Return one group's scores; an amount too small to take a channel leaves the network as it is."""
    scores = [(amount, kept.scores[cut_name(group, cuts.removed(group, amount))]) for amount in AMOUNTS]
    measured = tuple(CutScore(amount, score.accuracy, score.loss) for amount, score in scores)
    return GroupCuts(group.layers, len(group.channels), *share, measured, group.attentions)


def layer_bits(name: str, width: int, kept: Kept) -> LayerBits:
    score = kept.scores[bits_name(name, width)]
    return LayerBits(name, width, score.accuracy, score.loss)
