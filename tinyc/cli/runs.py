"""The commands that take finished runs, the cache, or an empty folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyc.cli import streams
from tinyc.cli.recipes import JSON

if TYPE_CHECKING:
    from tinyc.report.record import Report


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@JSON
def report(run: Path, as_json: bool) -> None:
    """Show the finished run in the folder RUN again, and write its pages anew."""
    from tinyc.report import lines
    from tinyc.report.terminal import open_screen
    from tinyc.report.views import Views
    from tinyc.report.write import read, to_json, write_all

    found, views = read(run)
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
    """Say where a run's figures are those of a tinyc that computed or measured otherwise than this one."""
    from tinyc.core import files
    from tinyc.core.run_folder import RunFolder
    from tinyc.run import keys, stored

    places = ((step.use, RunFolder(folder).step(step.index, step.use, step.key)) for step in found.steps)
    own = (each for each in places if each[1].parent == folder and files.exists(each[1]))
    if any(stored.numbers(place) != keys.numbers(use) for use, place in own):
        say(f"{folder}: made by a tinyc that computed or measured otherwise than this one; compress again to compare")


@click.command()
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@JSON
def compare(first: Path, second: Path, as_json: bool) -> None:
    """Put the finished runs FIRST and SECOND beside each other."""
    from tinyc.report.compare import compare as beside
    from tinyc.report.compare import text, to_json
    from tinyc.report.write import read

    (one, views_one), (two, views_two) = read(first), read(second)
    for found, run in ((one, first), (two, second)):
        say_outdated(found, run if run.is_dir() else run.parent, streams.note)
    rows = beside(one, two, views_one, views_two)
    if as_json:
        streams.result(to_json(rows))
    else:
        streams.page(text(rows, (str(first), str(second))))


@click.group()
def cache() -> None:
    """Show or clear what is kept for all runs: trained sources and soft labels."""


@cache.command("list")
@JSON
def list_cache(as_json: bool) -> None:
    """List the cache's entries with their size, the latest first."""
    from tinyc.core import cache as store
    from tinyc.core import units

    found = store.entries(store.folder())
    if as_json:
        streams.result(json.dumps([vars(entry) for entry in found], indent=2))
        return
    for entry in found:
        age = units.show_seconds(entry.seconds)
        streams.show(f"{entry.kind:12} {entry.key[:12]}  {units.show_bytes(entry.bytes):>10}  {age} ago")
    streams.show(f"{store.folder()}: {len(found)} entries, {units.show_bytes(sum(entry.bytes for entry in found))}")


@cache.command("clear")
@click.argument("key", default="")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear_cache(key: str, yes: bool) -> None:
    """Delete the cache's entries whose key begins with KEY, or all of them."""
    from tinyc.core import cache as store
    from tinyc.core import units

    if not yes:
        what = f"the entries that begin with {key}" if key else "all entries"
        if not click.confirm(f"delete {what} of {store.folder()}?"):
            streams.show("nothing was deleted")
            return
    gone = store.clear(store.folder(), key)
    streams.show(f"deleted {len(gone)} entries, {units.show_bytes(sum(entry.bytes for entry in gone))}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Begin a project in FOLDER: a commented recipe and the network builders, to change freely."""
    from tinyc.cli.starter import write_starter

    for path in write_starter(folder):
        streams.show(f"wrote {path}")
    streams.show(
        f"next: put your net.keras and data.npz into {folder}, then: tinyc check {folder / 'bring-your-own.toml'}"
    )
