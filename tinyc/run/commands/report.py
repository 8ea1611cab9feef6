"""`tinyc report`: a finished run shown again, its pages written anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tinyc.core import files, streams
from tinyc.core.run_folder import RunFolder
from tinyc.report import lines
from tinyc.report.record import Report
from tinyc.report.terminal import open_screen
from tinyc.report.views import Views
from tinyc.report.write import read_report, to_json, write_all
from tinyc.run import keys, stored


def report(run: Path, as_json: bool) -> None:
    """Show a finished run, and write its pages."""
    found, views = read_report(run)
    if as_json:
        streams.result(to_json(found, views))
        return
    views = views or Views()
    folder = run if run.is_dir() else run.parent
    write_all(found, views, folder)
    screen = open_screen()
    screen.show(lines.title(found.recipe, views.description, found.seed))
    screen.show(lines.source(found.source, found.source_time, found.told, screen.width))
    for step in found.steps:
        screen.show(lines.step(step, screen.width))
    screen.show(lines.end(found, screen.width))
    say_outdated(found, folder, screen.say)
    screen.say(f"report: {folder / 'report.html'}")


def say_outdated(found: Report, folder: Path, say: Callable[[str], None]) -> None:
    """Say where a run's figures are those of a version of tinyc that computed or measured differently."""
    places = ((step.use, RunFolder(folder).step(step.index, step.use, step.key)) for step in found.steps)
    own = (each for each in places if each[1].parent == folder and files.exists(each[1]))
    if any(stored.stored_numbers(place) != keys.numbers(use) for use, place in own):
        say(f"{folder}: made by a version of tinyc that computed or measured differently; compress again to compare")
