"""`tinyc federate`: training across real terminals, with keys of their own."""

from __future__ import annotations

import sys
from pathlib import Path

from tinyc.core import streams
from tinyc.core.errors import UserError
from tinyc.federation.terminals import keys as key_files
from tinyc.federation.terminals import serving, terminal
from tinyc.run.commands.compress import compress
from tinyc.spec.load import load


def serve(
    recipe: str, keys: Path, address: str, clients: int | None, sets: tuple[str, ...], out: Path, as_json: bool
) -> int:
    """Run a recipe with the rounds of `federate` on the terminals that join."""
    steps = load(recipe, sets).steps
    here = [number for number, step in enumerate(steps, start=1) if step.transform.use == "federate"]
    if not here:
        remedy = 'add [[pass]] use = "federate", or run it with `tinyc compress`'
        raise UserError(recipe, "has no pass `federate`, so there is nothing to serve", remedy)
    real = tuple(f'pass.{number}.engine="deployment"' for number in here)
    with serving.listening(address, key_files.read_server(keys), clients, len(here)):
        return compress(recipe, (*sets, *real), out, False, None, False, as_json)


def join(server: str, keys: Path, data: Path, name: str | None, max_retries: int) -> None:
    """Train on a terminal's own examples whenever the server asks."""
    party = key_files.read_client(keys / name if name and (keys / name).is_dir() else keys, name)
    terminal.join(terminal.Terminal(server, party, data, max_retries), say)


def say(text: str) -> None:
    """Show one line at once, also in a file."""
    streams.show(text)
    sys.stdout.flush()
