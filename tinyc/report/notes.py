"""What must stand beside the figures of a run: what intervals resample, who runs it wrongly, what was not counted."""

from __future__ import annotations

from tinyc.core import units
from tinyc.measure import Ledger
from tinyc.measure import uncounted as reason
from tinyc.report import on_device
from tinyc.report.record import Report, StepRecord
from tinyc.spec.facts import Part
from tinyc.spec.passes.preprocess import Stream
from tinyc.spec.passes.quantize import OneScaleDense, PerChannelDense
from tinyc.tflite import dense_scales


def notes(report: Report) -> tuple[str, ...]:
    """List the sentences, each without its full stop."""
    said = (
        resampled(report.final), firmware(report.steps), one_scale(report.steps), bandwidth(report), uncounted(report),
    )  # fmt: skip
    return (*(note for note in said if note), *on_device.sentences(report))


def uncounted(report: Report) -> str:
    """Say which operators leave the MACs of a state without a figure."""
    states = [("the source", report.source), *((f"{step.index} {step.use}", step.after) for step in report.steps)]
    names = list(dict.fromkeys(name for _, state in states for name in state.uncounted))
    if not names:
        return ""
    places = ", ".join(name for name, state in states if state.uncounted)
    return f"no figure for the MACs of {places}: {reason(tuple(names))}"


def firmware(steps: tuple[StepRecord, ...]) -> str:
    """Say which firmware computes the artifact's Dense layers wrongly, where there is such."""
    found = latest(steps, PerChannelDense)
    said = dense_scales.sentence(tuple(found["layers"])) if found else ""
    return f"{said}; {dense_scales.REMEDY}" if said else ""


def one_scale(steps: tuple[StepRecord, ...]) -> str:
    """Say what one scale for each Dense layer costs, where that was more than chance."""
    found = latest(steps, OneScaleDense)
    return found.get("says", "") if found else ""


def latest(steps: tuple[StepRecord, ...], wanted: type[Part]) -> Part | None:
    """Find the last facts of a type; None where no step has them."""
    return next((found for step in reversed(steps) if (found := step.part(wanted))), None)


def resampled(ledger: Ledger) -> str:
    """Say what the intervals resample, where it is not the single examples."""
    if ledger.recordings is None:
        return ""
    if ledger.recordings < 2:
        return "no 95 % intervals: all test examples come from one recording"
    return (
        f"95 % intervals resample the {ledger.recordings:,} recordings of the test split, "
        f"not its {ledger.examples:,} examples"
    )


def bandwidth(report: Report) -> str:
    """Say what the sensor makes and what leaves the device, with and without inference on it."""
    sensor, sent = report.final.sensor_bytes_per_second, report.final.sent_bytes_per_second
    if not sensor or sent is None:
        return ""
    stream = latest(report.steps, Stream)
    reduced = stream["after_preprocessing_bytes_per_second"] if stream else None
    makes, leaves, left = (units.show(each, "bytes/s") for each in (sensor, sent, reduced))
    between = "" if reduced is None else f"{left} would leave the device after preprocessing at one byte a value, "
    return (
        f"the sensor makes {makes}; {between}{leaves} after inference at one byte a decision "
        f"({units.show(1 - sent / sensor, 'fraction')} less); protocol overhead excluded"
    )
