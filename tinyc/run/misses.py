"""The bounds that a run missed, with what was measured of its passes, as the advice on them wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from tinyc.analysis.advice import next_steps
from tinyc.analysis.advice.legal import is_legal
from tinyc.analysis.advice.missed import Miss, Peak, Ran, about
from tinyc.analysis.advice.remarks import Remark, sentences
from tinyc.report.record import StepRecord
from tinyc.run import step_records
from tinyc.run.stored import Done
from tinyc.spec.bounds import Bound, Check
from tinyc.spec.recipe import Recipe, Step
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.lifetimes import lifetimes


def next_steps_of(
    recipe: Recipe, source: Done, dones: Sequence[Done], records: Sequence[StepRecord], targets: Sequence[Check],
    guesses: Sequence[Remark], input_bytes: int, content: bytes | None,
) -> tuple[Remark, ...]:  # fmt: skip
    """Say of each missed bound what may help, those of the whole run first.

    Args:
        input_bytes: of one example in int8.
        content: the artifact, where there is one.
    """
    states = [source, *dones]
    every = [
        ran(step, record, states[record.index - 1], states[record.index])
        for step, record in zip(recipe.steps, records, strict=True)
    ]
    train = recipe.source.train
    known = partial(
        Miss, source=source.ledger, uses=tuple(each.use for each in every),
        guesses=[each.about for each in guesses if not each.follows], input_bytes=input_bytes,
        peak=peak_of(content) if content else None,
        train=train.model_dump() if train else None, train_seconds=step_records.source_time(source).training_seconds,
    )  # fmt: skip
    found = missed(partial(known, passes=every), recipe.targets, targets)
    for step, record, each in zip(recipe.steps, records, every, strict=True):
        found += missed(partial(known, passes=[each], is_expect=True), step.expects, record.checks)
    return tuple(next_steps.next_steps_for(miss, lambda changes: is_legal(recipe, changes)) for miss in found)


def peak_of(content: bytes) -> Peak | None:
    """Where an artifact's activations take most."""
    described = describe(content)
    arena = lifetimes(described)
    return None if arena.peak is None else Peak(arena.peak_bytes, described.ops[arena.ops[arena.peak]].where)


def missed(known: Callable[..., Miss], bounds: Sequence[Bound], checks: Sequence[Check]) -> list[Miss]:
    """Give the bounds that were not met."""
    return [
        known(bound=bound, check=check, others=[each for each in bounds if each != bound])
        for bound, check in zip(bounds, checks, strict=True)
        if not check.met
    ]


def ran(step: Step, record: StepRecord, before: Done, done: Done) -> Ran:
    """Return one pass with what it cost; the layers that lost parameters, where both states have layers by name."""
    transform: Any = step.transform
    then = {layer.name: layer.params for layer in before.layers}
    now = {layer.name: layer.params for layer in done.layers}
    cut = {name: then[name] - now[name] for name in then if name in now and then[name] > now[name]}
    most = tuple(sorted(cut.items(), key=lambda item: -item[1]))
    return Ran(record.index, record.use, transform.model_dump(), record.before, record.after, record.seconds,
               record.facts, most)  # fmt: skip


def with_reasons(record: StepRecord, told: Sequence[Remark]) -> StepRecord:
    """Put what may help into the verdicts on a pass."""
    return replace(record, checks=reasons(record.checks, f"pass {record.index} ({record.use}): ", told))


def reasons(checks: Sequence[Check], place: str, told: Sequence[Remark]) -> tuple[Check, ...]:
    """Put the likeliest of what may help into each verdict on a missed bound, as its `why`."""
    first = {each.about: sentences(each)[0] for each in told if sentences(each)}
    return tuple(
        check if check.met or check.got is None else replace(check, why=first.get(about(place, check), check.why))
        for check in checks
    )
