"""`tinyc diagnose`: why the artifact of a finished run loses accuracy, and what helps."""

from __future__ import annotations

from pathlib import Path

import click

from tinyc.cli.recipes import JSON
from tinyc.cli.table import work


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--try", "trying", is_flag=True, help="Quantize again with the cheap remedies, and show which help.")
@JSON
def diagnose(run: Path, trying: bool, as_json: bool) -> None:
    """Say why the artifact of the finished run in the folder RUN loses accuracy: the causes, ranked.

    Compares each layer's tensors with the float network's on validation examples; never on test examples.
    """
    work("diagnose")(run, trying, as_json)
