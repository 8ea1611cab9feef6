"""`tinyc attack`: how much the artifact of a finished run tells about who was in its training data."""

from __future__ import annotations

from pathlib import Path

import click

from tinyc.cli.recipes import JSON
from tinyc.cli.table import work


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--examples", type=click.IntRange(8, 1_000_000), default=2000, show_default=True,
    help="Ask about at most this many training examples, and as many test examples.",
)  # fmt: skip
@click.option(
    "--shadows", type=click.IntRange(0, 512), default=0, show_default=True,
    help="Shadow networks to train for LiRA (an even number); 0 uses the loss threshold alone.",
)  # fmt: skip
@click.option("--epochs", type=click.IntRange(1, 10_000), help="Epochs of each shadow; by default the recipe's own.")
@click.option(
    "--runtime", type=click.Choice(["tflm", "fast"]), default="tflm", show_default=True,
    help="The interpreter: the device's own, or the fast kernels.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), help="Seed that draws the examples; by default the recipe's."
)
@JSON
def attack(
    run: Path, examples: int, shadows: int, epochs: int | None, runtime: str, seed: int | None, as_json: bool
) -> None:
    """Try to tell the training examples of the finished run in the folder RUN from others, by its artifact's outputs.

    An AUC of 0.5 is guessing, and 1 is certainty. Writes attack.json into RUN.
    """
    work("attack")(run, examples, shadows, epochs, runtime, seed, as_json)
