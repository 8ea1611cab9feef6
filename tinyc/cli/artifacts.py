"""The commands that take a .tflite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tinyc.cli.recipes import JSON
from tinyc.cli.table import work
from tinyc.spec import amounts
from tinyc.spec.amounts import Scaling

FILE = click.argument("file", type=click.Path(path_type=Path))
SEES = "The network sees raw * scale + offset; a list such as 0.5,2 has one number for each column or channel"


class Numbers(click.ParamType):  # type: ignore[type-arg]
    """One number, or several with commas between them."""

    name = "NUMBER[,NUMBER..]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Scaling:
        name = str(param.name) if param else "scale"
        try:
            numbers = tuple(amounts.number(name, each) for each in str(value).split(","))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return numbers if len(numbers) > 1 else numbers[0]


SCALING = Numbers()


@click.command()
@FILE
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Also write it all as an HTML page.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw the arena's lifetimes as .svg.")
@JSON
def inspect(file: Path, html: Path | None, picture: Path | None, as_json: bool) -> None:
    """Weigh FILE.tflite: bytes by kind and tensor, what could be taken off, arena by lifetime, operators."""
    work("inspect")(file, as_json, html, picture)


@click.command()
@FILE
@click.option(
    "--data", "source", metavar="NAME|PATH", help="Test data: a dataset's name, .npz, folder; random inputs without."
)
@click.option(
    "--examples", default=64, show_default=True, type=click.IntRange(1, 100_000), help="Number of random inputs."
)
@click.option("--scale", type=SCALING, help=f"{SEES} [default: the run's own, or the dataset's].")
@click.option("--offset", type=SCALING)
@click.option(
    "--sequence", is_flag=True, help="Carry state (LSTM, SVDF, variables) from each example into the next, in order."
)
@JSON
def verify(
    file: Path,
    source: str | None,
    examples: int,
    scale: Scaling | None,
    offset: Scaling | None,
    sequence: bool,
    as_json: bool,
) -> int:
    """Run FILE.tflite under TensorFlow Lite Micro and tflite-runtime, and compare every output.

    Each example starts from a reset interpreter, unless --sequence is given.
    """
    return work("verify")(file, source, examples, scale, offset, sequence, as_json)  # type: ignore[no-any-return]


@click.command()
@FILE
@click.argument("example")
@click.option("--scale", type=SCALING, help=f"{SEES} [default: the run's own].")
@click.option("--offset", type=SCALING)
@JSON
def predict(file: Path, example: str, scale: Scaling | None, offset: Scaling | None, as_json: bool) -> None:
    """Run EXAMPLE through FILE.tflite under TensorFlow Lite Micro.

    EXAMPLE is an image, a .npy array or a CSV row. Where the tokenizer.json of the run lies beside FILE, it is a
    sentence, or a .txt file with one sentence a line. Outputs that are a distribution over the labels are shown in
    percent, all others as the numbers that they are.
    """
    work("predict")(file, example, scale, offset, as_json)
