"""`tinyc federate keys`: the keys of a server and its terminals."""

from __future__ import annotations

from pathlib import Path

from tinyc.core import streams
from tinyc.federation.terminals import keys as key_files


def keys(folder: Path, clients: int, hosts: tuple[str, ...], days: int, encryption: bool) -> None:
    """Make the keys of a server and its terminals."""
    made = key_files.make(folder, clients, hosts, days, encryption)
    streams.show(f"{made[0]}: stays with the server; holds {clients} public keys")
    for party in made[1:]:
        streams.show(f"{party}: goes to one terminal, over a channel that you trust")
    streams.show(
        f"each folder holds a private key: hand out one, and never {folder} itself; they expire in {days} days"
    )
