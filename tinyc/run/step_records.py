"""Finished steps to records: deltas, bounds, and what the pages show."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from tinyc import measure
from tinyc.analysis.beside import Beside
from tinyc.data.dataset import Dataset
from tinyc.measure.device_latency import latency_of
from tinyc.report.record import SourceTime, StepRecord, difference
from tinyc.report.views import PairedDrop
from tinyc.run.stored import Done
from tinyc.spec.bounds import Bound, Check
from tinyc.spec.device import Device
from tinyc.spec.facts import part
from tinyc.spec.metrics import LATENCY, METRICS
from tinyc.spec.recipe import Step
from tinyc.spec.training import Timed
from tinyc.tflite import on_device
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.works import works


def record(
    index: int, step: Step, done: Done, before: Done, source: Done, data: Dataset, device: Device | None = None
) -> StepRecord:
    """Judge one step against the step before it and put it beside the source."""
    return StepRecord(
        index=index,
        use=step.transform.use,
        key=done.key,
        cached=done.cached,
        seconds=done.seconds,
        before=before.ledger,
        after=done.ledger,
        delta=difference(done.ledger, before.ledger),
        delta_source=difference(done.ledger, source.ledger),
        checks=checks(step.expects, done, before, data, device),
        facts=done.facts,
        skipped=done.skipped,
    )


def source_time(done: Done) -> SourceTime:
    """Say how long the source took, and whether its training is in that."""
    training = part(Timed, done.facts, Beside)
    if training is None:
        return SourceTime(done.seconds, done.cached, trained=None, training_seconds=None)
    trained: Literal["here", "earlier"] = "earlier" if training["cached"] else "here"
    return SourceTime(done.seconds, done.cached, trained, training["seconds"])


def checks(
    bounds: tuple[Bound, ...], after: Done, against: Done, data: Dataset, device: Device | None = None
) -> tuple[Check, ...]:
    """Judge bounds on one state against another, on the same examples; the arena is that of the device."""
    is_timed = any(METRICS[bound.metric].figure == LATENCY for bound in bounds)
    now, then = measurement_on(device, after, data, is_timed), measurement(against, data)
    return tuple(
        bound.judge(measure.measured(bound.metric, now, then), measure.unmeasured(bound.metric, now, then))
        for bound in bounds
    )


def paired(index: int, done: Done, before: Done, source: Done, data: Dataset) -> PairedDrop:
    """Return the accuracy drop of a step with its interval, against the step before and the source."""
    now = measurement(done, data)
    return PairedDrop(
        index,
        measure.measured("accuracy_drop", now, measurement(before, data)),
        measure.measured("accuracy_drop", now, measurement(source, data)),
    )


def measurement_on(device: Device | None, done: Done, data: Dataset, is_timed: bool) -> measure.Measurement:
    """Return a stored step's figures as they are on a device: with its kernels' scratch memory.

    Args:
        is_timed: whether its latency is asked for, which may take a compiler's seconds.
    """
    found, content = measurement(done, data), done.artifact()
    if device is None or content is None:
        return found
    described = describe(content)
    needed = on_device.arena_bytes(described, found.ledger.arena_bytes, device)
    latency = latency_of(content, works(described), device, needed) if is_timed else None
    return replace(found, ledger=replace(found.ledger, arena_bytes=needed), latency=latency)


def measurement(done: Done, data: Dataset) -> measure.Measurement:
    """Return a stored step's figures with its scores, as the ledger made them."""
    return measure.Measurement(done.ledger, done.scores, data.test.y, data.test.groups.get("recording"))
