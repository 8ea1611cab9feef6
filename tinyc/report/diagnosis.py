"""A diagnosis as lines of a terminal: causes, layers, and what was tried; 80 columns are enough."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from tinyc.analysis.diagnosis.figures import Figures
from tinyc.analysis.diagnosis.findings import Cause
from tinyc.analysis.diagnosis.record import Diagnosis
from tinyc.analysis.diagnosis.trials import Trial
from tinyc.analysis.diagnosis.untrained import Untrained
from tinyc.core import units
from tinyc.report.figures import signed
from tinyc.report.plain import plain
from tinyc.training.probe import Score

LAYERS_SHOWN = 30
ALSO_SHOWN = 4
WITHIN_SHOWN = 6
INDENT = "   "
FIGURES_WIDTH = 52
WIDE, OP_WIDTH = 100, 19
HEADER, WIDTHS = ("all", "range", "weights", "at ends", "outside", "dead"), (5, 5, 7, 8, 8, 5)


def text(run: str, use: str, accuracy: tuple[float | None, float | None], found: Diagnosis, width: int) -> list[str]:
    """Write everything that was found: the loss, the ranked causes, the layers."""
    then, now = accuracy
    change = None if then is None or now is None else now - then
    lost = f"{run}: {use} changes the accuracy by {signed(change, 'pp')} on test"
    shown = f" ({units.show(then, 'fraction')} to {units.show(now, 'fraction')})"
    lines = [
        *wrapped(lost + shown, width),
        f"looked at {found.examples} {found.split} and {found.calibration.examples} calibration examples",
    ]
    lines += [line for note in found.notes for line in wrapped(f"note: {note}", width)]
    lines.append("")
    if not found.causes:
        lines += wrapped(healthy(found), width)
    for number, cause in enumerate(found.causes, start=1):
        lines += cause_lines(number, cause, width)
    return [*lines, "", *table(found, width)]


def healthy(found: Diagnosis) -> str:
    """Say that nothing stands out, with the figure that says most."""
    lowest = found.lowest
    if lowest is None:
        return "no cause found: no layer could be compared"
    least = f"the least of any operator is {lowest.sqnr_db:.1f} dB, {lowest.op} in {plain(lowest.layer)}"
    last = found.layers[-1].sqnr_db
    return f"no cause found: the output keeps {'-' if last is None else f'{last:.1f}'} dB of signal to noise ({least})"


def cause_lines(number: int, cause: Cause, width: int) -> Iterator[str]:
    """Write one cause: what and where, the evidence, what to write."""
    yield f"{number}. {cause.kind} in {plain(cause.layer)}"
    yield from wrapped(plain(cause.evidence), width, INDENT)
    if cause.also:
        more = f" and {len(cause.also) - ALSO_SHOWN} more" if len(cause.also) > ALSO_SHOWN else ""
        yield from wrapped(f"also in {plain(', '.join(cause.also[:ALSO_SHOWN]))}{more}", width, INDENT)
    for place, line in enumerate(cause.recipe):
        yield from wrapped(plain(line), width, f"{INDENT}{'add' if place == 0 else ' or'}  ")
    if cause.caution:
        yield from wrapped(cause.caution, width, INDENT)


def wrapped(line: str, width: int, indent: str = "") -> list[str]:
    """Break a line at words; a recipe line keeps its words whole."""
    blank = " " * len(indent)
    return textwrap.wrap(line, width, initial_indent=indent, subsequent_indent=blank, break_long_words=False)


def table(found: Diagnosis, width: int) -> list[str]:
    """Return the layers in the order of execution; of a deep network those with the least signal to noise."""
    layers = list(found.layers)
    if len(layers) > LAYERS_SHOWN:
        known = sorted(layers, key=lambda each: 99.0 if each.sqnr_db is None else each.sqnr_db)
        keep = {id(each) for each in known[:LAYERS_SHOWN]}
        layers = [each for each in layers if id(each) in keep]
    ops = OP_WIDTH if width >= WIDE else 0
    names = max((len(plain(each.layer)) for each in layers), default=5)
    column = max(5, min(names, width - FIGURES_WIDTH - ops))
    head = figures_line("layer", "operator" if ops else "", HEADER, (column, ops))
    rows = [row(each, (column, ops)) for each in layers]
    legend = (
        "all, range, weights: signal to noise in dB against the float network, with all noise from before, by the "
        "tensor's own range and steps, and by the weights' steps (median channels)"
    )
    left = len(found.layers) - len(layers)
    more = [f"{left} quieter layers are in --json"] if left else []
    alone = [f"{len(found.alone)} operators have no float counterpart, listed in --json"] if found.alone else []
    return [head, *rows, *more, *alone, *wrapped(legend, width), *within(found, width)]


def within(found: Diagnosis, width: int) -> list[str]:
    """Return the layers without a row of their own, and the rows that they are in, the noisiest first."""
    rows = {each.layer for each in found.layers}
    layers = [each for each in found.untrained if each.layer not in rows and not each.is_wrong]
    if not layers:
        return []
    layers.sort(key=lambda each: 99.0 if each.whole_db is None else each.whole_db)
    shown = "; ".join(plain(f"{each.layer} in {each.row}{ratio(each)}") for each in layers[:WITHIN_SHOWN])
    more = f"; {len(layers) - WITHIN_SHOWN} more are in --json" if len(layers) > WITHIN_SHOWN else ""
    return wrapped(f"layers that are computed within other rows: {shown}{more}", width)


def ratio(each: Untrained) -> str:
    """Return what the row keeps of what the layer makes of the artifact's own values."""
    if each.state == "unclear":
        return " (unknown: training or rounding changed more)"
    return "" if each.whole_db is None else f" ({each.whole_db:.0f} dB)"


def row(each: Figures, widths: tuple[int, int]) -> str:
    """Write one layer's figures."""
    name = plain(each.layer)
    name = name if len(name) <= widths[0] else f"{name[: widths[0] - 3]}..."
    ratios = ["-" if value is None else f"{value:.1f}" for value in (each.sqnr_db, each.own_db, each.weights_db)]
    shares = [f"{each.saturated:.2%}", f"{each.outside:.2%}", str(len(each.dead))]
    return figures_line(name, each.op, (*ratios, *shares), widths)


def figures_line(name: str, op: str, cells: Sequence[str], widths: tuple[int, int]) -> str:
    """Align one line of the table; a narrow screen has no room for operators."""
    column, ops = widths
    figures = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    return f"{name:{column}}{f'  {op}'[:ops]:{ops}}  {figures}"


def trial_heading(score: Score, split: str) -> list[str]:
    """Say what the trials are judged on."""
    float_accuracy = units.show(score.accuracy, "fraction")
    return [
        "",
        f"tried on {score.examples} {split} examples, where the float network has {float_accuracy}:",
        f"{'accuracy':>8}  {'change':>9}  {'file':>10}  {'TFLM':4}  what",
    ]


def trial(each: Trial, width: int) -> list[str]:
    """Write one trial's line; a refusal says why."""
    size = units.show(each.file_bytes, "bytes")
    runs = "-" if each.tflm is None else "yes" if each.tflm else "NO"
    change = signed(each.gain, "pp")
    start = f"{units.show(each.accuracy, 'fraction'):>8}  {change:>9}  {size:>10}  {runs:4}  "
    what = plain(each.what) + (f": refused: {plain(each.problem)}" if each.problem else "")
    return wrapped(what, width, start)


def trial_end(done: Sequence[Trial], unknown: Sequence[str], examples: int, width: int) -> list[str]:
    """Say what helped, and what must be said of it."""
    helped = sorted((each for each in done if each.helped), key=lambda each: -(each.gain or 0.0))
    best = f"most helped: {plain(helped[0].what)}" if helped else "nothing that was tried helped"
    cautions = dict.fromkeys(each.caution for each in done if each.caution)
    lines = ["", f"{best} (one example is {100 / examples:.2f} pp)"]
    lines += [line for each in cautions for line in wrapped(each, width)]
    return [*lines, *(f"not tried: {key}, which this quantize does not know" for key in unknown)]
