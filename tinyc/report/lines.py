"""The lines of a run in a terminal: title, source, one line a pass, targets, artifacts; 80 columns are enough."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from tinyc.analysis.advice.remarks import Remark, sentences
from tinyc.core import units
from tinyc.measure import Ledger
from tinyc.report.columns import padded
from tinyc.report.figures import accuracy_of, got, signed
from tinyc.report.notes import notes
from tinyc.report.plain import plain
from tinyc.report.record import Artifact, Report, SourceTime, StepRecord
from tinyc.report.times import trained_earlier, waited
from tinyc.spec.bounds import Check
from tinyc.spec.metrics import figures

WIDE = 115
SKIPS_SHOWN = 3
GOOD, BAD, QUIET = "green", "bold red", "dim"
Column = tuple[str, int, bool]
NARROW_COLUMNS: tuple[Column, ...] = (
    ("#", 2, True), ("pass", 10, False), ("params", 7, True), ("file", 9, True), ("gzip", 9, True),
    ("accuracy", 8, True), ("change", 9, True), ("checks", 6, False), ("time", 11, True),
)  # fmt: skip
WIDE_COLUMNS: tuple[Column, ...] = (
    ("#", 2, True), ("pass", 15, False), ("params", 7, True), ("MACs", 7, True), ("file", 9, True), ("gzip", 9, True),
    ("flash", 9, True), ("arena", 9, True), ("accuracy", 8, True), ("change", 9, True), ("checks", 6, False),
    ("time", 11, True),
)  # fmt: skip
STYLES = {"met": GOOD, "missed": BAD, "yes": GOOD, "NO": BAD}


@dataclass(frozen=True)
class Cells:
    """A small table's header and rows, already spelled."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def title(recipe: str, description: str, seed: int) -> Iterator[Text]:
    """Say what runs."""
    yield Text(f"{plain(recipe)}, seed {seed}", style="bold")
    if description:
        yield Text(plain(description))


def source(ledger: Ledger, took: SourceTime | None, told: Sequence[Remark], width: int) -> Iterator[Text]:
    """Show what the run begins with and what must be said of it, and the header of the lines that follow."""
    judged = f"{plain(ledger.metric)} {accuracy_of(ledger)} on {ledger.examples:,} test examples"
    yield Text(f"source: {judged}")
    yield from warned(told, width)
    yield Text("")
    columns = _columns(width)
    yield _row(columns, [name for name, _, _ in columns], style="bold")
    spent = "" if took is None else _time(took.cached, took.seconds)
    yield _row(columns, _figures(columns, {"#": "0", "pass": "source", "time": spent}, ledger))
    if took is not None and took.trained == "earlier":
        yield Text(f"    {trained_earlier(took)}; its weights are in the cache", style=QUIET)


def step(record: StepRecord, width: int) -> Iterator[Text]:
    """Show one pass that has ended: its figures in one line, then what was missed and what was left alone."""
    columns = _columns(width)
    known = {
        "#": str(record.index),
        "pass": plain(record.use)[: next(each for name, each, _ in columns if name == "pass")],
        "change": signed(record.delta.get("accuracy"), "pp"),
        "checks": _checks(record.checks),
        "time": _time(record.cached, record.seconds),
    }
    yield _row(columns, _figures(columns, known, record.after))
    yield from warned(record.told, width)
    for check in record.checks:
        if not check.met:
            yield Text(f"    missed: {check.metric} {check.bound}: got {got(check)}", style=BAD)
    for skip in record.skipped[:SKIPS_SHOWN]:
        yield Text(f"    left alone: {plain(skip.layer)}: {plain(skip.why)}", style=QUIET)
    if len(record.skipped) > SKIPS_SHOWN:
        yield Text(f"    left alone: {len(record.skipped) - SKIPS_SHOWN} more, listed in the report", style=QUIET)


def warned(told: Sequence[Remark], width: int) -> Iterator[Text]:
    """Say loudly what is wrong with a state, and below it what could be done."""
    for each in told:
        yield from wrapped(f"{each.about}: {each.says}", width, "    WARNING: ", BAD)
        for said in sentences(each):
            yield from wrapped(said, width, "      - ")


def wrapped(text: str, width: int, start: str, style: str = "") -> Iterator[Text]:
    """Write a sentence over as many lines as it takes, below the text that it begins with."""
    indent = " " * (len(start) - len(start.lstrip()) + 2)
    lines = textwrap.wrap(plain(text), width, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False)
    yield from (Text(line, style=style) for line in lines)


def end(report: Report, width: int) -> Iterator[Text]:
    """Show the verdict on every target, what its figures rest on, and the files that the run leaves."""
    if report.targets:
        rows = tuple((c.metric, bound(c), got(c), "yes" if c.met else "NO") for c in report.targets)
        yield Text("")
        yield from _table(Cells(("target", "bound", "got (95 % interval)", "met"), rows))
    yield from next_steps(report, width)
    for note in notes(report):
        yield Text("")
        yield Text(plain(note))
    if report.artifacts:
        yield Text("")
        yield from _table(Cells(("artifact", "bytes", "", "sha256"), tuple(map(_artifact, report.artifacts))), "lrrl")
    yield Text("")
    yield Text(f"took {waited(report)}")


def bound(check: Check) -> str:
    """Write a bound, and where it comes from if that is not the recipe."""
    return plain(f"{check.bound} (the board's)" if check.default else check.bound)


def next_steps(report: Report, width: int) -> Iterator[Text]:
    """Show what may help each missed bound."""
    if report.next_steps:
        yield Text("")
        yield Text("next steps", style="bold")
    for told in report.next_steps:
        yield from wrapped(f"{told.about}: {told.says}", width, "  ")
        for said in sentences(told):
            yield from wrapped(said, width, "    - ")


def _time(cached: bool, seconds: float) -> str:
    return "cached" if cached else units.show_seconds(seconds)


def _artifact(artifact: Artifact) -> tuple[str, ...]:
    return plain(artifact.path), f"{artifact.bytes:,}", units.show_bytes(artifact.bytes), artifact.sha256[:12]


def _columns(width: int) -> tuple[Column, ...]:
    return WIDE_COLUMNS if width >= WIDE else NARROW_COLUMNS


def _figures(columns: Sequence[Column], known: dict[str, str], ledger: Ledger) -> list[str]:
    found = {row.column: units.show(getattr(ledger, row.figure), row.unit) for row in figures()}
    shown = found | known
    return [shown.get(name, "") for name, _, _ in columns]


def _row(columns: Sequence[Column], cells: Sequence[str], style: str = "") -> Text:
    line = Text(style=style)
    for place, ((_, width, right), cell) in enumerate(zip(columns, cells, strict=True)):
        # "1,023.9 KiB" is the one kind of figure that its column does not hold; its decimal says least.
        text = cell if len(cell) <= width else re.sub(r"\.\d+(?= )", "", cell)
        line.append(" " if place else "")
        line.append(text.rjust(width) if right else text.ljust(width), style=STYLES.get(cell, ""))
    line.rstrip()
    return line


def _checks(checks: Sequence[Check]) -> str:
    if not checks:
        return "-"
    return "met" if all(check.met for check in checks) else "missed"


def _table(cells: Cells, align: str = "llll") -> Iterator[Text]:
    right = [place for place, side in enumerate(align) if side == "r"]
    for number, row in enumerate(padded((cells.header, *cells.rows), right)):
        line = Text(style="bold" if number == 0 else "")
        for place, text in enumerate(row):
            line.append("  " if place else "")
            line.append(text, style=STYLES.get(text.strip(), ""))
        line.rstrip()
        yield line
