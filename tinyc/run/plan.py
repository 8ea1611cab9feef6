"""`plan`: rehearse a recipe without training, and measure what comes out instead of guessing it.

The passes run as they will, on the untrained network: students are built, channels are cut, the network is lowered,
stripped and invoked. Weights do not decide sizes, so the bytes, MACs, arena and ops are those of the finished
artifact to within alignment and the converter's constant folding. Where a ranking decides the shape (global channel
pruning), both ends of the range are rehearsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc import measure
from tinyc.data.inputs import inputs
from tinyc.data.task import Task
from tinyc.measure.device_latency import latency_of
from tinyc.measure.figures import Latency
from tinyc.network import selectors
from tinyc.network.state import Flat, Net, State
from tinyc.run import source
from tinyc.run.opening import Run
from tinyc.run.steps import errors_name_step
from tinyc.spec.bounds import Bound, Check, Measured
from tinyc.spec.effects import Place
from tinyc.spec.facts import Rewriting, part
from tinyc.spec.metrics import METRICS
from tinyc.spec.passes import apply, facts_of
from tinyc.spec.recipe import Step
from tinyc.tflite import on_device
from tinyc.tflite.flash import flash_bytes
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run import runtimes
from tinyc.tflite.works import works

End = Literal["lower", "upper"]
# A kernel whose distinct values are fewer than this share of its elements was given few values.
SAMPLED, MOSTLY = 1 << 16, 0.9


@dataclass(frozen=True)
class Match:
    """The layers that one selector of a pass names."""

    where: str
    selector: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Rewrite:
    """The layers of one kind that a pass puts into another form.

    `difference` is the largest absolute change of the untrained network's outputs; None where it was not measured.
    """

    use: str
    what: str
    into: str
    layers: tuple[str, ...]
    difference: float | None


@dataclass(frozen=True)
class Weighed:
    """One state of a rehearsal: its pass, its sizes (bytes, counts), and which operators have no count of MACs."""

    use: str
    figures: Mapping[str, int | None]
    uncounted: tuple[str, ...] = ()
    latency: Latency | None = None


@dataclass(frozen=True)
class Rehearsal:
    """One rehearsal from the source to the last pass; `ops` counts the operators of the artifact."""

    states: tuple[Weighed, ...]
    ops: Mapping[str, int]
    matches: tuple[Match, ...]
    artifacts: Mapping[str, int]
    rewrites: tuple[Rewrite, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Both ends of what a recipe will give, equal where no ranking decides; `checks` are the targets predicted."""

    lower: Rehearsal
    upper: Rehearsal
    checks: tuple[Check, ...]


def plan(run: Run) -> Plan:
    """Rehearse a recipe.

    Raises:
        UserError: as the run would: a selector that matches nothing, an op that TensorFlow Lite Micro lacks.
    """
    lower = rehearse(run, "lower")
    upper = rehearse(run, "upper") if ranked(run) else lower
    checks = tuple(predict(bound, lower, upper, run.dataset.task) for bound in run.recipe.targets)
    return Plan(lower, upper, checks)


def ranked(run: Run) -> bool:
    """Say whether a ranking of trained weights will decide a shape."""
    return any(step.transform.effects.ranked for step in run.recipe.steps)


def rehearse(run: Run, end: End) -> Rehearsal:
    """Run every pass on the untrained network."""
    net = unsettle(source.untrained(run), run.recipe.seed)
    states = [weigh("source", net, run)]
    matches: list[Match] = []
    rewrites: list[Rewrite] = []
    state: State = net
    files: dict[str, int] = {}
    earlier: list[Any] = []
    for index, step in enumerate(run.recipe.steps, start=1):
        with errors_name_step(f"pass {index} ({step.transform.use})"):
            if isinstance(state, Net):
                matches += matched(step, state)
            context = run.context(index, net, "", tuple(earlier), end, state.task)
            if step.transform.effects.place != Place.CHECK:
                outcome = apply(step.transform, state, context)
                state = unsettle(outcome.state, index) if isinstance(outcome.state, Net) else outcome.state
                rewrites += rewritten(step.transform.use, outcome.facts)
                files |= {name: len(content) for name, content in outcome.files.items()}
                states.append(weigh(step.transform.use, state, run))
        earlier.append(step.transform)
    if run.recipe.device and isinstance(state, Flat):
        described = describe(state.content)
        on_device.require(described, run.recipe.device)
        latency = latency_of(state.content, works(described), run.recipe.device, states[-1].figures["arena"])
        states[-1] = replace(states[-1], latency=latency)
    return Rehearsal(tuple(states), operators(state), tuple(matches), files, tuple(rewrites))


def rewritten(use: str, facts: Mapping[str, Any]) -> Iterator[Rewrite]:
    """Gather what a pass rewrote, one of each kind."""
    found = part(Rewriting, facts, facts_of(use))
    each = found["rewritten"] if found else []
    for what, into in dict.fromkeys((one["what"], one["into"]) for one in each):
        alike = [one for one in each if (one["what"], one["into"]) == (what, into)]
        yield Rewrite(use, what, into, tuple(one["layer"] for one in alike), alike[0]["difference"])


def unsettle(net: Net, seed: int) -> Net:
    """Give every weight a value of its own: the converter would merge what an untrained network has equal.

    A kernel that has few values keeps them: a pass gave it those, and weight tables rest on them.
    """
    random = np.random.default_rng(seed)
    for weight in net.model.weights:
        value = weight.numpy()
        if np.issubdtype(value.dtype, np.floating) and not few_valued(value):
            noise = random.uniform(0.5, 1.5, value.shape)
            weight.assign(np.where(value == 0, 0.01 * noise, value * noise).astype(value.dtype))
    return net


def few_valued(value: NDArray[Any]) -> bool:
    """Say whether a kernel repeats its values, as drawn ones hardly do; its first 65,536 elements tell."""
    first = value.ravel()[:SAMPLED]
    return value.ndim > 1 and 1 < len(np.unique(first)) < MOSTLY * len(first)


def weigh(use: str, state: State, run: Run) -> Weighed:
    """Measure the state that a pass left: sizes (bytes, counts), and the arena by starting TFLM in it."""
    if isinstance(state, Net):
        weight = measure.weigh_net(state)
        return Weighed(use, weight.figures, weight.uncounted)
    content = state.content
    described = describe(content)
    example = inputs(run.dataset.calibration.x[:1], state.task)
    ran = run.pool.run(content, example, "tflm") if runtimes.package("tflm") else None
    sizes = {
        "params": described.params,
        "macs": described.macs,
        "file": len(content),
        "flash": flash_bytes(content, state.tables),
        "arena": on_device.arena_bytes(described, ran.arena_bytes if ran else None, run.recipe.device),
    }
    return Weighed(use, sizes, described.uncounted)


def operators(state: State) -> dict[str, int]:
    """Return how often each operator stands in the artifact."""
    if not isinstance(state, Flat):
        return {}
    names = [op.name for op in describe(state.content).ops]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def matched(step: Step, net: Net) -> Iterator[Match]:
    """Yield what each selector of a pass names in the network that enters it."""
    for key, selector in selectors_of(step.transform):
        where = f"{step.where}.{key}"
        layers = selectors.select(net.model, [selector], where)
        yield Match(where, selector, tuple(layer.name for layer in layers))


def selectors_of(transform: Any) -> Iterator[tuple[str, str]]:
    """Yield the selectors among a pass's fields."""
    for key in ("only", "skip"):
        for item in getattr(transform, key, None) or ():
            text = item if isinstance(item, str) else getattr(item, "match", None)
            if isinstance(text, str):
                yield key, text


def predict(bound: Bound, lower: Rehearsal, upper: Rehearsal, task: Task) -> Check:
    """Judge a target on the worse end of the prediction; accuracy has to be trained."""
    row = METRICS[bound.metric]
    if row.how == "bandwidth":
        stream = task.stream
        return bound.judge(Measured(1 - stream.sent_bytes / stream.sensor_bytes if stream else None))
    if row.how in ("latency", "fps"):
        return predict_latency(bound, lower, upper)
    ends = [figure(bound.metric, lower), figure(bound.metric, upper)]
    known = [value for value in ends if value is not None]
    if len(known) < len(ends):
        names = {name: None for each in (lower, upper) for state in each.states for name in state.uncounted}
        counted = row.figure != "macs" or not names
        why = "has to be trained and measured" if counted else f"not measured: {measure.uncounted(tuple(names))}"
        return bound.judge(Measured(None), why)
    worst = max(known) if bound.sign == "<=" else min(known)
    return bound.judge(Measured(worst, min(known), max(known)))


def predict_latency(bound: Bound, lower: Rehearsal, upper: Rehearsal) -> Check:
    """Judge a bound on latency, on the slower of both ends."""
    ends = [each.states[-1].latency for each in (lower, upper)]
    known = [each for each in ends if each is not None and each.seconds is not None]
    if len(known) < len(ends):
        told = next((each.says for each in ends if each is not None), "there is no board: name one in [device]")
        return bound.judge(Measured(None), told)
    slowest = max(known, key=lambda each: each.seconds or 0)
    return bound.judge(measure.of_latency(METRICS[bound.metric].how, slowest))


def figure(metric: str, rehearsal: Rehearsal) -> float | None:
    """Return one metric of the end of a rehearsal against its source."""
    first, last = rehearsal.states[0].figures, rehearsal.states[-1].figures
    row = METRICS[metric]
    name = next(each.name for each in METRICS.values() if each.figure == row.figure)
    value, before = last.get(name), first.get(name)
    if row.how == "figure":
        return value
    return 1 - value / before if value is not None and before else None


def hopeless(checks: tuple[Check, ...]) -> list[Check]:
    """Return the targets that cannot be met however the training goes: both ends of the prediction miss."""
    missed = []
    for check in checks:
        if check.got is None or check.low is None or check.high is None:
            continue
        bound = Bound.parse(check.metric, check.bound)
        best = check.low if bound.sign == "<=" else check.high
        if not bound.judge(Measured(best)).met:
            missed.append(check)
    return missed
