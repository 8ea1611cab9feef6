"""`tinyc federate`: training across real terminals, with keys of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tinyc.cli import streams
from tinyc.cli.recipes import JSON, OUT, SETS

FOLDER = click.Path(path_type=Path, file_okay=False)
ADDRESS = "0.0.0.0:9092"


@click.group()
def federate() -> None:
    """Train across terminals whose data stays where it is."""


@federate.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--clients", type=click.IntRange(1, 10_000), required=True, help="How many terminals get a key.")
@click.option("--host", "hosts", metavar="NAME_OR_IP", multiple=True, help="Where terminals reach the server.")
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long the keys hold.")
@click.option("--encryption", is_flag=True, help='Also the keys for aggregation = "homomorphic".')
def keys(folder: Path, clients: int, hosts: tuple[str, ...], days: int, encryption: bool) -> None:
    """Make the keys of a server and its terminals: a new folder with a subfolder for each party."""
    from tinyc.federation.terminals import keys as key_files

    made = key_files.make(folder, clients, hosts, days, encryption)
    streams.show(f"{made[0]}: stays with the server; holds {clients} public keys")
    for party in made[1:]:
        streams.show(f"{party}: goes to one terminal, over a way that you trust")
    streams.show(f"each folder holds a private key: hand out one, and never {folder} itself; they end in {days} days")


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
    from tinyc.cli import compress
    from tinyc.core.errors import UserError
    from tinyc.federation.terminals import keys as key_files
    from tinyc.federation.terminals import serving
    from tinyc.spec.load import load

    steps = load(recipe, sets).steps
    here = [number for number, step in enumerate(steps, start=1) if step.transform.use == "federate"]
    if not here:
        remedy = 'add [[pass]] use = "federate", or run it with `tinyc compress`'
        raise UserError(recipe, "has no pass `federate`, so there is nothing to serve", remedy)
    real = tuple(f'pass.{number}.engine="deployment"' for number in here)
    with serving.listening(address, key_files.read_server(keys), clients, len(here)):
        return compress.run(recipe, (*sets, *real), out, False, None, as_json)


@federate.command()
@click.option("--server", metavar="HOST:PORT", required=True, help="Where `tinyc federate serve` listens.")
@click.option("--keys", "keys", metavar="DIR", type=FOLDER, required=True, help="This terminal's folder of keys.")
@click.option("--data", metavar="PATH", type=click.Path(path_type=Path), required=True, help="Its own examples.")
@click.option("--name", help="Which terminal it is, where --keys holds the keys of several.")
@click.option(
    "--max-retries", type=click.IntRange(0, 100_000), default=20, show_default=True,
    help="Further tries where the server does not answer: the first after 1 s, later ones every 8 s.",
)  # fmt: skip
def join(server: str, keys: Path, data: Path, name: str | None, max_retries: int) -> None:
    """Train on the examples in --data whenever the server asks; only what was learnt is sent."""
    from tinyc.federation.terminals import keys as key_files
    from tinyc.federation.terminals import terminal

    party = key_files.read_client(keys / name if name and (keys / name).is_dir() else keys, name)
    terminal.join(terminal.Terminal(server, party, data, max_retries), say)


def say(text: str) -> None:
    """Show one line at once, also in a file."""
    streams.show(text)
    sys.stdout.flush()
