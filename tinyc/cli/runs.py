"""The commands that take finished runs, the cache, or an empty folder."""

from __future__ import annotations

from pathlib import Path

import click

from tinyc.cli.recipes import JSON
from tinyc.cli.table import work


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@JSON
def report(run: Path, as_json: bool) -> None:
    """Show the finished run in the folder RUN again, and write its pages anew."""
    work("report")(run, as_json)


@click.command()
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@JSON
def compare(first: Path, second: Path, as_json: bool) -> None:
    """Put the finished runs FIRST and SECOND beside each other."""
    work("compare")(first, second, as_json)


@click.group()
def cache() -> None:
    """Show or clear what is kept for all runs: trained sources, soft labels and measurements."""


@cache.command("list")
@JSON
def list_cache(as_json: bool) -> None:
    """List the cache's entries with their size, the latest first."""
    work("cache list")(as_json)


@cache.command("clear")
@click.argument("key", default="")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear_cache(key: str, yes: bool) -> None:
    """Delete the cache's entries whose key begins with KEY, or all of them."""
    work("cache clear")(key, yes)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Begin a project in FOLDER: a commented recipe and the network builders, to change freely."""
    work("init")(folder)
