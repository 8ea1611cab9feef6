"""`tinyc compress`: run a recipe, show each pass as it ends, end with the verdict."""

from __future__ import annotations

import time
from pathlib import Path

from tinyc.core import cache, streams
from tinyc.report import figures, lines
from tinyc.report.record import Report
from tinyc.report.terminal import Screen, open_screen
from tinyc.report.write import to_json
from tinyc.run import step_records
from tinyc.run.finish import finish
from tinyc.run.opening import open_own_run
from tinyc.run.steps import Started, start_index, steps
from tinyc.spec.load import load


def compress(
    recipe: str, sets: tuple[str, ...], out: Path, fresh: bool, start: str | None, strict: bool, as_json: bool
) -> int:
    """Run a recipe to its end; give 0 where every bound was met, 1 where one was missed.

    Args:
        strict: a bound that is met by an estimate alone is missed.
    """
    began = time.monotonic()
    loaded = load(recipe, sets)
    first = start_index(loaded, start, fresh)
    screen = open_screen(quiet=as_json)
    screen.show(lines.title(loaded.name, loaded.description, loaded.seed))
    with open_own_run(loaded, out, cache.folder(), screen, first) as opened:
        records, dones = [], []
        begun = None
        for event in steps(opened):
            if isinstance(event, Started):
                begun = event
                show_start(event, screen)
            else:
                records.append(event.record)
                dones.append(event.done)
                screen.show(lines.step(event.record, screen.width))
        if begun is None:
            raise RuntimeError("the run gave no source")
        report = finish(opened, begun, records, dones, began, strict)
        folder = opened.folder.path
    screen.show(lines.end(report, screen.width))
    screen.say(f"report: {folder / 'report.html'}")
    if as_json:
        streams.result(to_json(report))
    return verdict(report)


def show_start(event: Started, screen: Screen) -> None:
    for warning in event.warnings:
        streams.note(f"warning: {warning}")
    screen.show(lines.source(event.source.ledger, step_records.source_time(event.source), event.told, screen.width))


def verdict(report: Report) -> int:
    """Say the exit code with its reason, and give it."""
    code = 0 if report.met else 1
    streams.note(f"tinyc: exit {code} ({figures.verdict(report)})")
    return code
