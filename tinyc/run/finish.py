"""The end of a run: targets judged on the last state, artifacts put in place, the report written."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import replace

import tomli_w

from tinyc import __version__
from tinyc.core import machine, run_folder
from tinyc.report import samples
from tinyc.report.record import Artifact, Report, StepRecord
from tinyc.report.views import Views
from tinyc.report.write import write_all
from tinyc.run import devices, keys, layers, misses, step_records
from tinyc.run.opening import Run
from tinyc.run.steps import Started
from tinyc.run.stored import FILES, Done, scaling_of
from tinyc.spec.bounds import Check
from tinyc.spec.passes.verify import Compared
from tinyc.tasks.classification.metrics import probabilities


def finish(
    run: Run, begun: Started, records: Sequence[StepRecord], dones: Sequence[Done], began: float, strict: bool = False
) -> Report:
    """Judge the targets, copy the artifacts, write the report in every form.

    Args:
        began: when the run did, on the monotonic clock.
        strict: a bound that is met by an estimate alone is missed.
    """
    recipe, data = run.recipe, run.dataset
    source, final = begun.source, dones[-1]
    targets = step_records.checks(recipe.targets, final, source, data, recipe.device)
    artifacts, seen = publish(run, dones), views(run, source, dones)
    guesses = [*begun.told, *(told for record in records for told in record.told)]
    size = math.prod(data.task.input_shape)
    next_steps = misses.next_steps_of(recipe, source, dones, records, targets, guesses, size, final.artifact())
    targets = misses.reasons(targets, "", next_steps)
    steps = tuple(misses.with_reasons(record, next_steps) for record in records)
    if strict:
        targets = tuple(map(strictly, targets))
        steps = tuple(replace(step, checks=tuple(map(strictly, step.checks))) for step in steps)
    expects = [check for step in steps for check in step.checks]
    report = Report(
        recipe=recipe.name, recipe_sha256=recipe.sha256, seed=recipe.seed, tinyc=__version__,
        versions=keys.all_versions(), machine=machine.describe(), source=source.ledger, final=final.ledger,
        met=all(check.met for check in (*targets, *expects)) and agreed(records),
        seconds=time.monotonic() - began, steps=steps, targets=targets, artifacts=artifacts, next_steps=next_steps,
        source_time=step_records.source_time(source), told=begun.told,
        device=devices.device_record(recipe.device, final), runtimes=devices.runtime_records(recipe.device, final),
    )  # fmt: skip
    write_all(report, seen, run.folder.path)
    return report


def strictly(check: Check) -> Check:
    """Turn a bound that an estimate alone meets into one that is missed."""
    if check.basis != "estimate" or not check.met:
        return check
    return replace(check, met=False, why="met by an estimate alone, and --strict asks for a measurement")


def agreed(records: Sequence[StepRecord]) -> bool:
    """Say whether every `verify` found the runtimes in agreement."""
    return all(found["agreed"] for record in records if (found := record.part(Compared)))


def publish(run: Run, dones: Sequence[Done]) -> tuple[Artifact, ...]:
    """Put the files of the steps at the top of the run folder."""
    folder = run.folder.path
    found: dict[str, Artifact] = {}
    for done in dones:
        for name in done.files:
            content = (done.folder / FILES / name).read_bytes()
            run_folder.replace(folder / name, content)
            found[name] = Artifact(name, len(content), hashlib.sha256(content).hexdigest())
    return tuple(found.values())


def views(run: Run, source: Done, dones: Sequence[Done]) -> Views:
    """Return what the pages show beside the report."""
    data, final = run.dataset, dones[-1]
    states = [source, *dones]
    labels, classes = data.test.y, len(data.task.classes)
    first, last = probabilities(source.scores), probabilities(final.scores)
    scale, offset = scaling_of(final, data.task)
    return Views(
        description=run.recipe.description,
        recipe_toml=tomli_w.dumps(dict(run.recipe.table)),
        classes=data.task.classes,
        scale=scale,
        offset=offset,
        source_layers=source.layers,
        final_layers=final.layers,
        source_confusion=samples.confusion(labels, first.argmax(axis=1), classes),
        final_confusion=samples.confusion(labels, last.argmax(axis=1), classes),
        samples=samples.samples(data.test.x, labels, first, last),
        kilobytes=tuple(
            layers.kilobytes(index, done.ledger, done.layers, done.artifact()) for index, done in enumerate(states)
        ),
        paired=tuple(
            step_records.paired(index, done, before, source, data)
            for index, (before, done) in enumerate(zip(states, dones, strict=False), start=1)
        ),
    )
