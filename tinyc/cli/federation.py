"""`tinyc federate`: training across real terminals, with keys of their own."""

from __future__ import annotations

from pathlib import Path

import click

from tinyc.cli.recipes import JSON, OUT, SETS
from tinyc.cli.table import work

FOLDER = click.Path(path_type=Path, file_okay=False)
ADDRESS = "0.0.0.0:9092"


@click.group()
def federate() -> None:
    """Train across terminals whose data stays where it is."""


@federate.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--clients", type=click.IntRange(1, 10_000), required=True, help="How many terminals get a key.")
@click.option("--host", "hosts", metavar="NAME_OR_IP", multiple=True, help="Where terminals reach the server.")
@click.option(
    "--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long the keys are valid."
)
@click.option("--encryption", is_flag=True, help='Also the keys for aggregation = "homomorphic".')
def keys(folder: Path, clients: int, hosts: tuple[str, ...], days: int, encryption: bool) -> None:
    """Make the keys of a server and its terminals: a new folder with a subfolder for each party."""
    work("federate keys")(folder, clients, hosts, days, encryption)


@federate.command()
@click.argument("recipe")
@click.option("--keys", "keys", metavar="DIR", type=FOLDER, required=True, help="The server's folder of keys.")
@click.option("--address", metavar="HOST:PORT", default=ADDRESS, show_default=True, help="Where to listen.")
@click.option("--clients", type=click.IntRange(1, 10_000), help="Terminals to wait for; default min_clients.")
@SETS
@OUT
@JSON
def serve(
    recipe: str, keys: Path, address: str, clients: int | None, sets: tuple[str, ...], out: Path, as_json: bool
) -> int:
    """Run RECIPE as `compress` does, with the rounds of `federate` on the terminals that join."""
    return work("federate serve")(recipe, keys, address, clients, sets, out, as_json)  # type: ignore[no-any-return]


@federate.command()
@click.option("--server", metavar="HOST:PORT", required=True, help="Where `tinyc federate serve` listens.")
@click.option("--keys", "keys", metavar="DIR", type=FOLDER, required=True, help="This terminal's folder of keys.")
@click.option("--data", metavar="PATH", type=click.Path(path_type=Path), required=True, help="Its own examples.")
@click.option("--name", help="Which terminal it is, where --keys holds the keys of several.")
@click.option(
    "--max-retries", type=click.IntRange(0, 100_000), default=20, show_default=True,
    help="Further attempts if the server does not answer: the first after 1 s, later ones every 8 s.",
)  # fmt: skip
def join(server: str, keys: Path, data: Path, name: str | None, max_retries: int) -> None:
    """Train on the examples in --data whenever the server asks; only what was learnt is sent."""
    work("federate join")(server, keys, data, name, max_retries)
