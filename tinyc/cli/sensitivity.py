"""The command that measures what each layer can give."""

from __future__ import annotations

from pathlib import Path

import click

from tinyc.cli.recipes import JSON, OUT, SETS
from tinyc.cli.table import work

EXAMPLES = 512


@click.command()
@click.argument("recipe")
@SETS
@OUT
@click.option(
    "--examples", type=click.IntRange(16, EXAMPLES), default=EXAMPLES, show_default=True,
    help="Measure on at most this many validation examples; on fewer where they would take too long.",
)  # fmt: skip
@click.option(
    "--after", metavar="STEP", help="Measure what this step left (a number or a pass's name), not the source."
)
@click.option("--fresh", is_flag=True, help="Measure again what an earlier call has measured.")
@JSON
def sensitivity(
    recipe: str, sets: tuple[str, ...], out: Path, examples: int, after: str | None, fresh: bool, as_json: bool
) -> None:
    """Measure what each layer of RECIPE's network loses by channels cut and bits taken."""
    work("sensitivity")(recipe, sets, out, examples, after, fresh, as_json)
