"""The commands that take a .tflite file."""

from __future__ import annotations

from pathlib import Path

import click

from tinyc.cli.recipes import JSON

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.command()
@FILE
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write it all as a page too.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw the arena's lifetimes as .svg.")
@JSON
def inspect(file: Path, html: Path | None, picture: Path | None, as_json: bool) -> None:
    """Weigh FILE.tflite: bytes by kind and tensor, what could be taken off, arena by lifetime, operators."""
    from tinyc.cli.inspection import show

    click.echo(show(file, as_json, html, picture))


@click.command()
@FILE
@click.option(
    "--data", "source", metavar="NAME|PATH", help="Test data: a dataset's name, .npz, folder; random inputs without."
)
@click.option(
    "--examples", default=64, show_default=True, type=click.IntRange(1, 100_000), help="How many random inputs."
)
@click.option("--scale", type=float, help="The network sees raw * scale + offset.")
@click.option("--offset", type=float)
@click.option(
    "--sequence", is_flag=True, help="Carry state (LSTM, SVDF, variables) from each example into the next, in order."
)
@JSON
def verify(
    file: Path,
    source: str | None,
    examples: int,
    scale: float | None,
    offset: float | None,
    sequence: bool,
    as_json: bool,
) -> int:
    """Run FILE.tflite under TensorFlow Lite Micro and tflite-runtime, and compare every output.

    Each example starts from a reset interpreter, unless --sequence is given.
    """
    from tinyc.cli.verification import run

    return run(file, source, examples, scale, offset, sequence, as_json)


@click.command()
@FILE
@click.argument("example")
@click.option("--scale", type=float, help="The network sees raw * scale + offset [default: the run's own].")
@click.option("--offset", type=float)
@JSON
def predict(file: Path, example: str, scale: float | None, offset: float | None, as_json: bool) -> None:
    """Run EXAMPLE through FILE.tflite under TensorFlow Lite Micro.

    EXAMPLE is an image, a .npy array or a CSV row. Where the tokenizer.json of the run lies beside FILE, it is a
    sentence, or a .txt file with one sentence a line. Outputs that are a distribution over the labels are shown in
    percent, all others as the numbers that they are.
    """
    from tinyc.cli.prediction import run

    click.echo(run(file, example, scale, offset, as_json))
