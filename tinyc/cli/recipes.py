"""The commands that take a recipe."""

from __future__ import annotations

from pathlib import Path

import click

from tinyc.cli.table import work

SETS = click.option(
    "--set", "sets", metavar="KEY=VALUE", multiple=True, help="Change one key, e.g. pass.prune.fraction=0.5."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, and nothing else there.")
OUT = click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="runs", show_default=True,
                   help="The folder that run folders go to.")  # fmt: skip


@click.command()
@click.argument("recipe")
@SETS
@OUT
@click.option(
    "--fresh", is_flag=True, help="Do every step again (the trained source and soft labels stay in the cache)."
)
@click.option("--from", "start", metavar="STEP", help="Do this step again and all after it: a number or a pass's name.")
@click.option("--strict", is_flag=True, help="A target that is met by an estimate alone is missed.")
@JSON
def compress(
    recipe: str, sets: tuple[str, ...], out: Path, fresh: bool, start: str | None, strict: bool, as_json: bool
) -> int:
    """Run RECIPE (a file, or a shipped recipe's name): the main job."""
    return work("compress")(recipe, sets, out, fresh, start, strict, as_json)  # type: ignore[no-any-return]


@click.command()
@click.argument("recipe")
@SETS
@JSON
def check(recipe: str, sets: tuple[str, ...], as_json: bool) -> None:
    """Check RECIPE, and that the files, functions and columns that it names exist; nothing is built or run."""
    work("check")(recipe, sets, as_json)


@click.command()
@click.argument("recipe")
@SETS
@JSON
def plan(recipe: str, sets: tuple[str, ...], as_json: bool) -> int:
    """Predict what RECIPE will end with, before anything trains."""
    return work("plan")(recipe, sets, as_json)  # type: ignore[no-any-return]


@click.command()
@click.argument("name", required=False)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a recipe, for editors.")
def passes(name: str | None, schema: bool) -> None:
    """List the passes, or say what the pass NAME does and takes."""
    work("passes")(name, schema)
