"""What must stand beside the figures of a run: what intervals resample, who runs it wrongly, what was not counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyc.core import units
from tinyc.devices import dense_scales
from tinyc.measure import Ledger
from tinyc.measure import uncounted as reason
from tinyc.report.record import Report, StepRecord


def notes(report: Report) -> tuple[str, ...]:
    """List the sentences, each without its full stop."""
    said = (
        resampled(report.final), firmware(report.steps), one_scale(report.steps), bandwidth(report), uncounted(report),
    )  # fmt: skip
    return tuple(note for note in said if note)


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
    layers = fact(steps, "per_channel_dense").get("layers")
    said = dense_scales.sentence(tuple(map(str, layers))) if isinstance(layers, list | tuple) else ""
    return f"{said}; {dense_scales.REMEDY}" if said else ""


def one_scale(steps: tuple[StepRecord, ...]) -> str:
    """Say what one scale for each Dense layer costs, where that was more than chance."""
    return str(fact(steps, "one_scale_dense").get("says", ""))


def fact(steps: tuple[StepRecord, ...], name: str) -> Mapping[str, Any]:
    """Find the last step's fact of a name; nothing where no step has it."""
    found = [step.facts[name] for step in steps if isinstance(step.facts.get(name), Mapping)]
    return found[-1] if found else {}


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
    reduced = preprocessed(report.steps)
    between = (
        "" if reduced is None else f"{rate(reduced)} would leave the device after preprocessing at one byte a value, "
    )
    return (
        f"the sensor makes {rate(sensor)}; {between}{rate(sent)} after inference at one byte a decision "
        f"({units.show(1 - sent / sensor, 'fraction')} less); protocol overhead excluded"
    )


def preprocessed(steps: tuple[StepRecord, ...]) -> float | None:
    """Find the bytes a second that are left after the last preprocessing; None where no pass gives them."""
    found = None
    for step in steps:
        stream = step.facts.get("stream")
        value = stream.get("after_preprocessing_bytes_per_second") if isinstance(stream, Mapping) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = float(value)
    return found


def rate(value: float | None) -> str:
    """Write bytes a second; below a hundred with three digits, since a decision need not come every second."""
    if value is None:
        return "-"
    return f"{value:.3g} B/s" if value < 100 else f"{units.show_bytes(value)}/s"
