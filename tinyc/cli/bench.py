"""`tinyc bench`: how long a .tflite takes on the machine that this runs on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from tinyc.cli.recipes import JSON
from tinyc.cli.table import work
from tinyc.core import limits, units


class Threads(click.ParamType):  # type: ignore[type-arg]
    """Numbers of threads with commas between them."""

    name = "N[,N..]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        words = str(value).split(",")
        counts = tuple(int(word) for word in words if word.strip().isdecimal() and len(word) < 9)
        if len(counts) != len(words) or not all(1 <= count <= limits.THREADS for count in counts):
            self.fail(f"{value!r} is not a list of whole numbers from 1 to {limits.THREADS}, such as 1,2,4", param, ctx)
        return tuple(dict.fromkeys(counts))


class Frames(click.ParamType):  # type: ignore[type-arg]
    """Frames a second: a number above 0."""

    name = "NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not 0 < found < math.inf:
            self.fail(f"{value!r} is not a number of frames a second above 0, such as 30", param, ctx)
        return found


class Latency(click.ParamType):  # type: ignore[type-arg]
    """A time above 0 with its unit."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            found = units.parse(str(value), "seconds")
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if found <= 0:
            self.fail(f"{value!r} is not above 0", param, ctx)
        return found


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--threads", type=Threads(), help="Numbers of threads [default: 1, 2, 4 .. up to the cores].")
@click.option("--runs", type=click.IntRange(1, 1_000_000), help="Warm inferences for each of them [default: 200].")
@click.option("--inputs", type=click.Choice(["random", "zeros"]), help="What the network is given [default: random].")
@click.option("--seed", type=click.IntRange(0, 999_999_999), help="Seed of random inputs [default: 0].")
@click.option(
    "--interpreter", type=click.Choice(["tflite-runtime", "ai-edge-litert"]),
    help="[default: the first of these that is installed]",
)  # fmt: skip
@click.option("--fps", type=Frames(), help="Exit with 1 where the fastest makes fewer frames a second than this.")
@click.option("--latency", type=Latency(), help='Exit with 1 where the fastest takes longer, e.g. "33 ms".')
@click.option("--board", metavar="NAME", help="Keep the figures: they are of this board, for targets to be judged on.")
@click.option("--import", "measured", type=click.Path(path_type=Path), metavar="JSON",
              help="Take what bench.py wrote on another machine.")  # fmt: skip
@click.option("--script", type=click.Path(path_type=Path, dir_okay=False), metavar="PATH",
              help="Only write bench.py there, which measures without tinyc.")  # fmt: skip
@JSON
def bench(
    file: Path | None,
    fps: float | None,
    latency: float | None,
    board: str | None,
    measured: Path | None,
    script: Path | None,
    as_json: bool,
    **wish: Any,
) -> int:
    """Measure how long FILE.tflite takes on this machine, with the interpreters of Linux.

    Median and spread of warm inferences, the first inference and the loading before it apart, by number of threads.
    """
    wish = {name: value for name, value in wish.items() if value is not None}
    given = [*wish, *(name for name, value in (("fps", fps), ("latency", latency), ("board", board)) if value)]
    if script is not None:
        if file or measured or as_json or given:
            raise click.UsageError("--script only writes the script: give nothing beside it")
        work("bench script")(script)
        return 0
    if file is None:
        raise click.UsageError("Missing argument 'FILE'.")
    if measured and wish:
        raise click.UsageError(f"--import takes what was measured elsewhere, and --{next(iter(wish))} is for measuring")
    return work("bench")(file, wish, fps, latency, board, measured, as_json)  # type: ignore[no-any-return]
