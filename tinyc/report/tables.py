"""The tables that the HTML and the Markdown page share, already spelled for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tinyc.analysis.advice.remarks import Remark, sentences
from tinyc.core import units
from tinyc.measure import Ledger
from tinyc.report.figures import accuracy_of, cell, factor, gain, got, interval, signed, with_interval
from tinyc.report.record import Report, StepRecord
from tinyc.report.times import source_time, time, waited
from tinyc.report.views import Layer, Views
from tinyc.spec.bounds import Check, Measured
from tinyc.spec.metrics import Metric, figures, unit_of

LAYERS_SHOWN = 40
CLASSES_SHOWN = 40
CONFUSIONS_SHOWN = 20


@dataclass(frozen=True)
class Cells:
    """A table: `numbers` are the places of the columns that are aligned to the right; `note` says what is left out."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    note: str = ""


@dataclass(frozen=True)
class StateOf:
    """One state of the run by the name of the pass that made it."""

    name: str
    ledger: Ledger


def states(report: Report) -> tuple[StateOf, ...]:
    """List the source and the state after each pass."""
    passes = (StateOf(f"{step.index} {step.use}", step.after) for step in report.steps)
    return (StateOf("source", report.source), *passes)


def targets(checks: Sequence[Check]) -> Cells:
    """Show every bound with what was measured."""
    header = ("metric", "bound", "got", "95 % interval", "verdict", "why")
    return Cells(header, tuple(map(_check, checks)), frozenset({2, 3}))


def expects(report: Report) -> Cells:
    """Show the bounds on single passes."""
    rows = [(f"{step.index} {step.use}", *_check(check)) for step in report.steps for check in step.checks]
    return Cells(("pass", "metric", "bound", "got", "95 % interval", "verdict", "why"), tuple(rows), frozenset({3, 4}))


def _check(check: Check) -> tuple[str, ...]:
    unit = unit_of(check.metric)
    value = got(replace(check, low=None, high=None))
    bound = f"{check.bound} (default of {check.default})" if check.default else check.bound
    span = interval(check.low, check.high, unit) or "-"
    return check.metric, bound, value, span, "met" if check.met else "missed", check.why or ""


def warned(report: Report) -> Cells:
    """List the states that must be spoken of, and what may help."""
    return helped("state", (*report.told, *(told for step in report.steps for told in step.told)))


def next_steps(report: Report) -> Cells:
    """List what may help each missed bound."""
    return helped("bound", report.next_steps)


def helped(what: str, told: Iterable[Remark]) -> Cells:
    """Write a line for each piece of advice; what it is about stands in the first alone."""
    rows = []
    for each in told:
        said = sentences(each) or ("",)
        rows += [(each.about, each.says, said[0]), *(("", "", more) for more in said[1:])]
    return Cells((what, "measured", "what may help"), tuple(rows))


def steps(report: Report, views: Views) -> Cells:
    """Show one line a pass: what it weighs, what it changed, how long it took."""
    header = (
        "#", "pass", "parameters", "file", "gzip", report.source.metric, "change (95 %)", "against source (95 %)",
        "expects", "time",
    )  # fmt: skip
    first = report.source
    began = (*_weights(first), units.show(first.accuracy, "fraction"), "", "", "", source_time(report.source_time))
    source = ("0", "source", *began)
    rows = (source, *(_step(step, views) for step in report.steps))
    return Cells(header, rows, frozenset({0, 2, 3, 4, 5, 6, 7, 9}), f"The run took {waited(report)}.")


def _step(step: StepRecord, views: Views) -> tuple[str, ...]:
    before, source = changes(step, views)
    expects_met = sum(check.met for check in step.checks)
    return (
        str(step.index),
        step.use,
        *_weights(step.after),
        units.show(step.after.accuracy, "fraction"),
        with_interval(before, "pp"),
        with_interval(source, "pp"),
        f"{expects_met}/{len(step.checks)} met" if step.checks else "-",
        time(step.seconds, step.cached),
    )


def changes(step: StepRecord, views: Views) -> tuple[Measured, Measured]:
    """Give the change of the metric against the state before and the source; positive is better."""
    paired = next((drop for drop in views.paired if drop.index == step.index), None)
    before = gain(paired.before) if paired else None
    source = gain(paired.source) if paired else None
    return (
        before or Measured(step.delta.get("accuracy")),
        source or Measured(step.delta_source.get("accuracy")),
    )


def _weights(ledger: Ledger) -> tuple[str, str, str]:
    return cell(ledger, "params"), cell(ledger, "file_bytes"), cell(ledger, "gzip_bytes")


def ledgers(report: Report) -> Cells:
    """Show every figure of every state: one row a figure, one column a state."""
    columns = states(report)
    rows = [(label(row, report), *(cell(state.ledger, row.figure) for state in columns)) for row in figures()]
    rows.append(("95 % interval from", *(units.show(state.ledger.accuracy_low, "fraction") for state in columns)))
    rows.append(("to", *(units.show(state.ledger.accuracy_high, "fraction") for state in columns)))
    rows.append(("test examples", *(f"{state.ledger.examples:,}" for state in columns)))
    rows += [(label, *map(show, (state.ledger for state in columns))) for label, show in known(report.final)]
    rows.append(("under", *(state.ledger.runtime for state in columns)))
    header = ("figure", *(state.name for state in columns))
    return Cells(header, tuple(rows), frozenset(range(1, len(header))))


def label(row: Metric, report: Report) -> str:
    """Say what a figure is called; what accuracy means is the data's to say."""
    return report.source.metric if row.figure == "accuracy" else row.label


def known(ledger: Ledger) -> Iterator[tuple[str, Callable[[Ledger], str]]]:
    """Name what only some data has, its recordings and its rate, and how it is shown."""
    if ledger.recordings is not None:
        yield "test recordings", lambda each: units.show(each.recordings, "count")
    if ledger.sensor_bytes_per_second is not None:
        yield "the sensor makes", lambda each: units.show(each.sensor_bytes_per_second, "bytes/s")
        yield "after inference", lambda each: units.show(each.sent_bytes_per_second, "bytes/s")


def weighed(report: Report) -> Cells:
    """Show the whole run in one small table: source, final, and by how much they differ."""
    rows = []
    for row in figures():
        before, after = getattr(report.source, row.figure), getattr(report.final, row.figure)
        if row.figure == "accuracy":
            moved = None if before is None or after is None else after - before
            spelled = (report.source.metric, accuracy_of(report.source), accuracy_of(report.final), signed(moved, "pp"))
        else:
            was, now = (cell(ledger, row.figure) for ledger in (report.source, report.final))
            spelled = (row.label, was, now, factor(before, after) or "-")
        rows.append(spelled)
    return Cells(("figure", "source", "final", "change"), tuple(rows), frozenset({1, 2, 3}))


def classes(report: Report) -> Cells:
    """Show the recall of every class before and after; of many classes, those that lost most."""
    before, after = report.source.per_class, report.final.per_class
    names = list(dict.fromkeys((*before, *after)))
    note = ""
    if len(names) > CLASSES_SHOWN:
        losses = {name: before.get(name, 0.0) - after.get(name, 0.0) for name in names}
        names = sorted(names, key=lambda name: -losses[name])[:CLASSES_SHOWN]
        note = f"The {CLASSES_SHOWN} of {len(losses)} classes that lost most; all are in report.json."
    rows = tuple(
        (
            name,
            units.show(before.get(name), "fraction"),
            units.show(after.get(name), "fraction"),
            signed(after[name] - before[name] if name in before and name in after else None, "pp"),
        )
        for name in names
    )
    return Cells(("class", "source", "final", "change"), rows, frozenset({1, 2, 3}), note)


def confused(views: Views) -> Cells:
    """List the pairs of classes that the artifact takes for one another most."""
    pairs = [
        (count, views.source_confusion[i][j] if views.source_confusion else None, label, taken)
        for i, label in enumerate(views.classes)
        for j, taken in enumerate(views.classes)
        if i != j and views.final_confusion and (count := views.final_confusion[i][j])
    ]
    pairs.sort(key=lambda pair: -pair[0])
    rows = tuple(
        (label, taken, "-" if before is None else f"{before:,}", f"{count:,}")
        for count, before, label, taken in pairs[:CONFUSIONS_SHOWN]
    )
    return Cells(("true class", "taken for", "by the source", "by the artifact"), rows, frozenset({2, 3}))


def layers(found: Sequence[Layer]) -> Cells:
    """List layers by weight, the heaviest first."""
    total = sum(layer.bytes for layer in found) or 1
    heaviest = sorted(found, key=lambda layer: -layer.bytes)
    rows = tuple(
        (
            layer.name,
            layer.kind,
            units.show_bytes(layer.bytes),
            units.show(layer.bytes / total, "fraction"),
            units.show_count(layer.params),
            units.show(layer.macs, "count"),
        )
        for layer in heaviest[:LAYERS_SHOWN]
    )
    rest = heaviest[LAYERS_SHOWN:]
    lighter = units.show_bytes(sum(layer.bytes for layer in rest))
    note = f"{len(rest)} lighter layers with {lighter} together are not shown; all are in report.json." if rest else ""
    return Cells(("layer", "kind", "bytes", "share", "parameters", "MACs"), rows, frozenset({2, 3, 4, 5}), note)


def skipped(report: Report) -> Cells:
    """List every layer that a pass left alone, and why."""
    rows = tuple((f"{step.index} {step.use}", skip.layer, skip.why) for step in report.steps for skip in step.skipped)
    return Cells(("pass", "layer", "why it was left alone"), rows)


def artifacts(report: Report) -> Cells:
    """List the files that the run leaves."""
    rows = tuple((file.path, f"{file.bytes:,}", units.show_bytes(file.bytes), file.sha256) for file in report.artifacts)
    return Cells(("file", "bytes", "size", "sha256"), rows, frozenset({1, 2}))
