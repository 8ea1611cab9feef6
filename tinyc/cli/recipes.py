"""The commands that take a recipe."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from tinyc.cli import streams

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
@JSON
def compress(recipe: str, sets: tuple[str, ...], out: Path, fresh: bool, start: str | None, as_json: bool) -> int:
    """Run RECIPE (a file, or a shipped recipe's name): the main job."""
    from tinyc.cli.compress import run

    return run(recipe, sets, out, fresh, start, as_json)


@click.command()
@click.argument("recipe")
@SETS
@JSON
def check(recipe: str, sets: tuple[str, ...], as_json: bool) -> None:
    """Check RECIPE, and that the files, functions and columns that it names exist; nothing is built or run."""
    from tinyc.run import present
    from tinyc.spec.load import load

    loaded = load(recipe, sets)
    present.require(loaded)
    if as_json:
        streams.result(json.dumps(loaded.table, indent=2))
        return
    uses = " -> ".join(step.transform.use for step in loaded.steps)
    streams.show(f"{loaded.path}: ok")
    streams.show(f"  {loaded.name}: {uses}")
    streams.show(f"  {len(loaded.targets)} targets, seed {loaded.seed}")
    for line in advice(loaded):
        streams.show(f"  note: {line}")


def advice(recipe: Any) -> list[str]:
    """What is legal but probably not meant."""
    from tinyc.spec.order import warnings

    uses = [step.transform.use for step in recipe.steps]
    notes = []
    if "quantize" not in uses:
        notes.append(
            "no quantize pass: the run ends with a float network and no artifact; flash and arena stay unmeasured"
        )
    elif "export" not in uses:
        notes.append("no export pass: no .tflite, C or HEX file is written")
    if not recipe.targets:
        notes.append("no [targets]: the run cannot miss anything")
    sparse = [step for step in recipe.steps if getattr(step.transform, "how", None) == "magnitude"]
    if sparse:
        notes.append('prune how = "magnitude" makes zeros, which save no byte of flash; how = "channels" does')
    return [*notes, *warnings(recipe.steps)]


@click.command()
@click.argument("recipe")
@SETS
@JSON
def plan(recipe: str, sets: tuple[str, ...], as_json: bool) -> int:
    """Predict what RECIPE will end with, before anything trains."""
    from tinyc.cli.plan import run

    return run(recipe, sets, as_json)


@click.command()
@click.argument("name", required=False)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a recipe, for editors.")
def passes(name: str | None, schema: bool) -> None:
    """List the passes, or say what the pass NAME does and takes."""
    from tinyc.cli.help import describe_pass, list_passes, recipe_schema

    if schema:
        streams.result(json.dumps(recipe_schema(), indent=2))
    elif name:
        streams.page(describe_pass(name))
    else:
        streams.page(list_passes())
    sys.stdout.flush()
