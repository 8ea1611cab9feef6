"""The run: source, then pass after pass; each is measured, judged, stored, and shown as it ends."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tinyc import measure
from tinyc.analysis.advice.remarks import Remark
from tinyc.core import run_folder
from tinyc.core.errors import TinycError, UserError
from tinyc.data.signals.library import library
from tinyc.network import backend
from tinyc.network.state import Flat, Net, State
from tinyc.report.record import StepRecord
from tinyc.run import diagnosing, guesses, keys, layers, step_records, stored
from tinyc.run.opening import OpenedSource, Run
from tinyc.run.source import open_source
from tinyc.run.stored import Done
from tinyc.spec import builders
from tinyc.spec.builders import Builder
from tinyc.spec.passes import apply
from tinyc.spec.recipe import Recipe
from tinyc.spec.references import references


@dataclass(frozen=True)
class Started:
    """The source has been measured."""

    source: Done
    warnings: tuple[str, ...]
    told: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class Stepped:
    """One pass has ended."""

    record: StepRecord
    done: Done


def steps(run: Run) -> Iterator[Started | Stepped]:
    """Do every step that is not done yet, from the first; give each as it ends.

    Raises:
        UserError, MachineError: a pass failed; the message names it, and what was finished stays.
    """
    runner = StepRunner(run)
    runner.say_outdated()
    source = runner.source_done()
    yield Started(source, run.dataset.warnings, guesses.of_source(run, source))
    before = source
    for index, step in enumerate(run.recipe.steps, start=1):
        done = runner.finished(index) or runner.perform(index, before)
        record = step_records.record(index, step, done, before, source, run.dataset, run.recipe.device)
        yield Stepped(replace(record, told=guesses.of_step(run, index, done, before)), done)
        before = done


class StepRunner:
    """Does the steps of a run; holds the source network once it is needed, since loading it costs seconds."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._source: OpenedSource | None = None

    def source(self) -> Net:
        """Return the source network, loaded or trained at the first call."""
        return self.opened().net

    def opened(self) -> OpenedSource:
        """Return the source network with the facts of its training."""
        if self._source is None:
            nothing = Net(None, self.run.dataset.task)
            context = self.run.context(0, nothing, self.run.keys.source, ())
            self._source = open_source(self.run, self.run.keys.source, context)
        return self._source

    def source_done(self) -> Done:
        """Return the source's figures, measured once for each content key."""
        known = self.finished(0)
        if known:
            return known
        for step in self.run.recipe.steps:
            for module in step.transform.libraries:
                library(module)
        began = time.monotonic()
        opened = self.opened()
        measured = measure.measure_net(opened.net, self.run.dataset, self.run.progress)
        facts: dict[str, Any] = {} if opened.training is None else {"training": opened.training}
        facts |= guesses.symptoms_facts(self.run, opened.net, measured, is_loaded=opened.training is None)
        done = Done(self.folder(0), self.run.keys.steps[0], measured.ledger, measured.scores, facts, (),
                    layers.of_net(opened.net), time.monotonic() - began, cached=False)  # fmt: skip
        return stored.save_step(done, None, {}, keys.numbers("source"))

    def use(self, index: int) -> str:
        return self.run.recipe.steps[index - 1].transform.use if index else "source"

    def folder(self, index: int) -> Path:
        return self.run.folder.step(index, self.use(index), self.run.keys.steps[index])

    def say_outdated(self) -> None:
        """Say which steps lie here from a tinyc that computed or measured otherwise, and so are done again."""
        if self.run.start is not None:
            return
        steps = range(len(self.run.recipe.steps) + 1)
        found = [f"{index} {self.use(index)}" for index in steps if self.outdated(index)]
        if found:
            why = "done again, since another version of tinyc made them here, which computed or measured differently"
            self.run.progress.say(f"{why}: {', '.join(found)}")

    def outdated(self, index: int) -> bool:
        """Tell whether a step is here under older numbers alone."""
        if self.folder(index).exists():
            return False
        others = self.run.folder.path.glob(f"{index:02d}-{self.use(index)}-*")
        return any(stored.stored_numbers(other) != keys.numbers(self.use(index)) for other in others)

    def finished(self, index: int) -> Done | None:
        """Return a step that an earlier run finished; a damaged one is set aside and done again."""
        start = self.run.start
        if start is not None and index >= max(start, 1):
            return None
        folder = self.folder(index)
        done = stored.load_step(folder)
        if done is None and os.path.lexists(folder):
            aside = run_folder.set_aside(folder)
            self.run.progress.say(f"step {index} is damaged on disk; kept as {aside.name}, done again")
        if done is None and run_folder.borrow(self.run.folder, folder):
            done = stored.load_step(folder)
        return done

    def perform(self, index: int, before: Done) -> Done:
        """Apply one pass to the state on disk, measure what it gave, and store both."""
        transform = self.run.recipe.steps[index - 1].transform
        earlier = tuple(step.transform for step in self.run.recipe.steps[: index - 1])
        # What a pass needs no network for (Flat to Flat) must not wait for TensorFlow.
        source = self.source() if transform.takes == "net" else Net(None, self.run.dataset.task)
        began = time.monotonic()
        state = self.state_before(index, before)
        context = self.run.context(index, source, self.run.keys.source, earlier, task=state.task)
        with errors_name_step(f"pass {index} ({transform.use})"):
            outcome = apply(transform, state, context)
            measured = self.measure(index, outcome.state, state, before)
        seconds = time.monotonic() - began
        then = step_records.measurement(before, self.run.dataset)
        found = diagnosing.findings(self.run, self.run.recipe.steps[index - 1], state, outcome.state, measured, then)
        if transform.effects.leaves("student") or not guesses.is_guess(self.run, then):
            found |= guesses.symptoms_facts(self.run, outcome.state, measured, is_loaded=False)
        weighed = layers.with_names(layers.of_state(outcome.state), before.layers)
        done = Done(self.folder(index), self.run.keys.steps[index], measured.ledger, measured.scores,
                    {**outcome.facts, **found}, outcome.skipped, weighed, seconds, cached=False)  # fmt: skip
        done = stored.save_step(done, outcome.state, outcome.files, keys.numbers(transform.use))
        del state, outcome
        gc.collect()
        return done

    def state_before(self, index: int, before: Done) -> State:
        """Return what the pass takes: the source, or the state that the step before left on disk."""
        if index == 1:
            return self.source()
        return stored.load_state(before.folder, self.run.dataset.task, self.own_layers)

    def own_layers(self) -> dict[str, type]:
        """Return the layer classes that the files of the recipe's builders define; a stored network names them."""
        found: dict[str, type] = {}
        for owner in (self.run.recipe.source, *(step.transform for step in self.run.recipe.steps)):
            for value in references(owner):
                if isinstance(value, Builder):
                    found |= builders.classes(self.run.recipe.find(value.file))
        return {name: item for name, item in found.items() if issubclass(item, backend.keras().layers.Layer)}

    def measure(self, index: int, state: State, taken: State, before: Done) -> measure.Measurement:
        """Weigh a state; the artifact as it will be flashed under TFLM, one in the middle by the fast kernels."""
        if isinstance(state, Net):
            return measure.measure_net(state, self.run.dataset, self.run.progress)
        runtime: Literal["tflm", "fast"] = "tflm" if self.run.recipe.is_last(index) else "fast"
        same = isinstance(taken, Flat) and taken == state
        if same and before.ledger.runtime == ("tflm" if runtime == "tflm" else "tflite-runtime"):
            return step_records.measurement(before, self.run.dataset)
        return measure.measure_flat(state, self.run.dataset, self.run.pool, runtime, self.run.progress)


@contextmanager
def errors_name_step(step: str) -> Iterator[None]:
    """Say in which pass a failure happened."""
    try:
        yield
    except TinycError as error:
        raise type(error)(f"{step}: {error.where}", error.problem, error.remedy) from error


def start_index(recipe: Recipe, text: str | None, fresh: bool) -> int | None:
    """Read --from: a step's number or the name of a pass that stands there once.

    Raises:
        UserError: there is no such step, or `fresh` asks for another.
    """
    if text is None:
        return 0 if fresh else None
    if fresh:
        raise UserError(f"--fresh --from {text}", "contradict each other", "--fresh begins at the first step; drop one")
    return step_number(recipe, "--from", text)


def step_number(recipe: Recipe, option: str, text: str) -> int:
    """Read which step an option names: its number, from 1, or the name of a pass that stands there once.

    Raises:
        UserError: there is no such step.
    """
    uses = [step.transform.use for step in recipe.steps]
    if text.isdecimal() and 1 <= int(text) <= len(uses):
        return int(text)
    if uses.count(text) == 1:
        return uses.index(text) + 1
    listed = ", ".join(f"{number} {use}" for number, use in enumerate(uses, start=1))
    raise UserError(f"{option} {text}", "names no single step", f"steps are {listed}")
