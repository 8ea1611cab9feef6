"""The commands about boards and the runtimes on them."""

from __future__ import annotations

from pathlib import Path

import click

from tinyc.cli.artifacts import FILE
from tinyc.cli.recipes import JSON
from tinyc.cli.table import work

NAME = click.argument("name", required=False)


@click.command()
@NAME
@JSON
def boards(name: str | None, as_json: bool) -> None:
    """List the boards, or say all that is known of the board NAME (or a .toml file), with its sources."""
    work("boards")(name, as_json)


@click.command()
@NAME
@JSON
def runtimes(name: str | None, as_json: bool) -> None:
    """List the runtimes, or say all that is known of the runtime NAME (or a .toml file), with its sources."""
    work("runtimes")(name, as_json)


@click.command()
@FILE
@click.option("--board", metavar="NAME", help="One board with all its runtimes: a name, or a .toml file.")
@JSON
def fit(file: Path, board: str | None, as_json: bool) -> int:
    """Say which boards and runtimes run FILE.tflite, by how much it fits, and what is in the way."""
    return work("fit")(file, board, as_json)  # type: ignore[no-any-return]
