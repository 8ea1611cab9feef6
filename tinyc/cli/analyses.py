"""The commands that ask what a network loses and tells: `tinyc sensitivity`, `tinyc diagnose`, `tinyc attack`."""

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


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--try", "trying", is_flag=True, help="Quantize again with the cheap remedies, and show which help.")
@JSON
def diagnose(run: Path, trying: bool, as_json: bool) -> None:
    """Say why the artifact of the finished run in the folder RUN loses accuracy: the causes, ranked.

    Compares each layer's tensors with the float network's on validation examples; never on test examples.
    """
    work("diagnose")(run, trying, as_json)


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
