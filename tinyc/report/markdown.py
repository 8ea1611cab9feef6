"""report.md: the run's tables as GitHub Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tinyc.core import units
from tinyc.core.machine import Machine
from tinyc.report import facts, kilobytes, on_device, tables
from tinyc.report.figures import verdict
from tinyc.report.notes import notes
from tinyc.report.plain import plain
from tinyc.report.record import Report
from tinyc.report.tables import Cells
from tinyc.report.views import Views

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!])")


def render(report: Report, views: Views | None = None) -> str:
    """Write the page; without views the sections that need them are left out."""
    return "\n".join(_lines(report, views or Views())).rstrip() + "\n"


def _lines(report: Report, views: Views) -> Iterator[str]:
    yield f"# {escape(report.recipe)}"
    yield ""
    if views.description:
        yield from (escape(views.description), "")
    yield from (f"**{escape(_sentence(verdict(report)))}**", "")
    yield from section("Source and final", tables.weighed(report))
    for note in notes(report):
        yield from (escape(_sentence(note)) + ".", "")
    yield from section("Targets", tables.targets(report.targets))
    yield from section("Expected of single passes", tables.expects(report))
    yield from section("On the device", on_device.taken(report))
    yield from section("Runtimes", on_device.runtimes(report))
    yield from section("No better than guessing", tables.warned(report))
    yield from section("Next steps", tables.next_steps(report))
    yield from section("Pass by pass", tables.steps(report, views))
    yield from _kilobytes(report, views)
    yield from section("Left alone", tables.skipped(report))
    yield from section("Ledger", tables.ledgers(report))
    yield from section("Classes", tables.classes(report))
    yield from section("Most mistaken", tables.confused(views))
    yield from section("Heaviest layers of the artifact", tables.layers(views.final_layers))
    yield from _facts(report)
    yield from section("Artifacts", tables.artifacts(report))
    yield from _recipe(report, views)


def section(heading: str, cells: Cells, level: int = 2) -> Iterator[str]:
    """Write a heading and its table; nothing where the table has no rows."""
    if cells.rows:
        yield from ("#" * level + f" {escape(heading)}", "", *table(cells), "")
        if cells.note:
            yield from (escape(cells.note), "")


def table(cells: Cells) -> Iterator[str]:
    """Write one GitHub table; numbers are aligned to the right."""
    yield "| " + " | ".join(map(escape, cells.header)) + " |"
    yield "|" + "|".join("---:" if place in cells.numbers else "---" for place in range(len(cells.header))) + "|"
    for row in cells.rows:
        yield "| " + " | ".join(map(escape, row)) + " |"


def escape(text: str) -> str:
    """Keep text from being read as Markdown, HTML or a table's border."""
    return SPECIAL.sub(r"\\\1", plain(text))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _kilobytes(report: Report, views: Views) -> Iterator[str]:
    if not kilobytes.legend(report, views):
        return
    yield from ("## Where each kilobyte went", "", escape(kilobytes.summary(report)), "")
    yield from (f"- {escape(name)}: {escape(said)}" for name, said in kilobytes.sentences(report, views))
    yield ""
    yield from section("By kind", kilobytes.by_kind(report, views), level=3)
    yield from section("By layer", kilobytes.by_group(report, views), level=3)


def _facts(report: Report) -> Iterator[str]:
    if any(step.facts for step in report.steps):
        yield from ("## What each pass found", "")
    for step in report.steps:
        found = facts.spelled(step.facts, step.kind)
        yield from section(f"{step.index} {step.use}", found.single, level=3)
        for name, cells in found.tables:
            yield from section(f"{step.index} {step.use}: {name}", cells, level=3)


def _recipe(report: Report, views: Views) -> Iterator[str]:
    yield from section("Machine", facts.spelled(report.machine, Machine).single)
    yield from section("Versions", Cells(("package", "version"), tuple(report.versions.items())))
    if views.recipe_toml:
        # A fence longer than any run of backticks inside cannot be closed by the recipe itself.
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", views.recipe_toml)), 3)
        yield from ("## Recipe as resolved", "", f"{fence}toml", views.recipe_toml.rstrip(), fence, "")
    took = units.show_seconds(report.seconds)
    yield f"Made by tinyc {escape(report.tinyc)} in {took}. Recipe {report.recipe_sha256}, seed {report.seed}."
