"""report.html: the whole run as one page without network, scripts or outside files."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tinyc.core import units
from tinyc.core.machine import Machine
from tinyc.report import chart, facts, kilobytes, on_device, tables
from tinyc.report.figures import accuracy_of, factor, signed, verdict
from tinyc.report.notes import notes
from tinyc.report.record import Report
from tinyc.report.tables import Cells
from tinyc.report.views import Confusion, Layer, Sample, Views
from tinyc.spec.bounds import Measured

BARS_SHOWN = 15
MATRIX_CLASSES = 20
PNG = "data:image/png;base64,"


@dataclass(frozen=True)
class Tile:
    """One figure of the page's head: what it was, what it is, how it changed."""

    label: str
    before: str
    after: str
    change: str


@dataclass(frozen=True)
class Share:
    """One bar of a list of layers; `percent` of the longest; `rest` says that it stands for many."""

    name: str
    percent: float
    text: str
    rest: bool


@dataclass(frozen=True)
class Recall:
    """One class before and after, in per cent of the axis."""

    name: str
    before: float | None
    after: float | None
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix; each cell is (count, share of its row in per cent, whether it is on the diagonal)."""

    title: str
    rows: tuple[tuple[str, tuple[tuple[int, float, bool], ...]], ...]


@dataclass(frozen=True)
class Shown:
    """One sample as the page shows it."""

    image: str | None
    text: str | None
    label: str
    source: str
    final: str
    source_right: bool
    final_right: bool
    index: int


def render(report: Report, views: Views | None = None) -> str:
    """Write the page; without views the sections that need them are left out."""
    views = views or Views()
    template = environment().get_template("template.html")
    return template.render(
        report=report,
        views=views,
        verdict=verdict(report),
        tiles=tiles(report, views),
        notes=notes(report),
        tables=tables,
        on_device=on_device,
        size=chart.size(report),
        accuracy=chart.accuracy(report, views),
        layers=[("Source", views.source_layers), ("Artifact", views.final_layers)],
        shares=shares,
        kilobytes=kilobytes,
        legend=kilobytes.legend(report, views),
        recalls=recalls(report),
        matrices=matrices(views),
        confused=tables.confused(views) if len(views.classes) > MATRIX_CLASSES else None,
        samples=[_shown(sample, views.classes) for sample in views.samples],
        facts=[(step, facts.spelled(step.facts, step.kind)) for step in report.steps],
        versions=Cells(("package", "version"), tuple((str(k), str(v)) for k, v in report.versions.items())),
        machine=facts.spelled(report.machine, Machine).single,
        units=units,
    )


@functools.cache
def environment() -> Environment:
    """Open the templates of this folder; what they show is escaped."""
    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def tiles(report: Report, views: Views) -> list[Tile]:
    """Choose the four figures that say most."""
    source, final = report.source, report.final
    total = Measured(None)
    if report.steps:
        total = tables.changes(report.steps[-1], views)[1]
    change = signed(total.value, "pp") + " against the source" if total.value is not None else ""
    return [
        Tile(
            "Parameters",
            units.show(source.params, "count"),
            units.show(final.params, "count"),
            factor(source.params, final.params),
        ),
        Tile(
            "File",
            units.show(source.file_bytes, "bytes"),
            units.show(final.file_bytes, "bytes"),
            factor(source.file_bytes, final.file_bytes),
        ),
        Tile(source.metric.capitalize(), accuracy_of(source), units.show(final.accuracy, "fraction"), change),
        Tile("Arena (RAM)", "", units.show(final.arena_bytes, "bytes"), f"under {final.runtime}"),
    ]


def shares(layers: tuple[Layer, ...]) -> list[Share]:
    """Lay out the heaviest layers, and the rest as one bar."""
    heaviest = sorted(layers, key=lambda layer: -layer.bytes)
    rest = heaviest[BARS_SHOWN:]
    bars = [(layer.name, layer.bytes, False) for layer in heaviest[:BARS_SHOWN]]
    if rest:
        bars.append((f"{len(rest)} lighter layers", sum(layer.bytes for layer in rest), True))
    most = max((size for _, size, _ in bars), default=0) or 1
    return [Share(name, round(size / most * 100, 2), units.show_bytes(size), many) for name, size, many in bars]


def recalls(report: Report) -> tuple[list[Recall], float, str]:
    """Lay the classes out on an axis from a round recall below the lowest to 100 %; the note says what is left out."""
    cells = tables.classes(report)
    before, after = report.source.per_class, report.final.per_class
    known = [*before.values(), *after.values()]
    floor = max(int(min(known, default=0.0) * 20 - 0.5), 0) / 20

    def place(value: float | None) -> float | None:
        return None if value is None else round((value - floor) / (1.0 - floor) * 100, 2)

    return (
        [Recall(row[0], place(before.get(row[0])), place(after.get(row[0])), row[1:]) for row in cells.rows],
        floor,
        cells.note,
    )


def matrices(views: Views) -> list[Matrix]:
    """Prepare the confusion matrices; of too many classes, none."""
    if len(views.classes) > MATRIX_CLASSES:
        return []
    both = (("Artifact", views.final_confusion), ("Source", views.source_confusion))
    return [_matrix(title, confusion, views.classes) for title, confusion in both if confusion]


def _matrix(title: str, confusion: Confusion, classes: tuple[str, ...]) -> Matrix:
    rows: list[tuple[str, tuple[tuple[int, float, bool], ...]]] = []
    for i, counts in enumerate(confusion):
        total = sum(counts) or 1
        rows.append((classes[i], tuple((n, round(n / total * 100, 1), i == j) for j, n in enumerate(counts))))
    return Matrix(title, tuple(rows))


def _shown(sample: Sample, classes: tuple[str, ...]) -> Shown:
    def said(label: int, confidence: float) -> str:
        # A no-break space keeps the sign beside its number.
        return f"{classes[label]} ({confidence * 100:.0f}\u00a0%)"

    image: Any = sample.image
    return Shown(
        image=image if image and image.startswith(PNG) else None,
        text=sample.text,
        label=classes[sample.label],
        source=said(sample.source, sample.source_confidence),
        final=said(sample.final, sample.final_confidence),
        source_right=sample.source == sample.label,
        final_right=sample.final == sample.label,
        index=sample.index,
    )
