"""`tinyc cache`: what is kept for all runs, shown or deleted."""

from __future__ import annotations

import json

import click

from tinyc.core import cache as store
from tinyc.core import streams, units


def list_entries(as_json: bool) -> None:
    """Show every entry with its size, the latest first."""
    found = store.entries(store.folder())
    if as_json:
        streams.result(json.dumps([vars(entry) for entry in found], indent=2))
        return
    for entry in found:
        age = units.show_seconds(entry.seconds)
        streams.show(f"{entry.kind:12} {entry.key[:12]}  {units.show_bytes(entry.bytes):>10}  {age} ago")
    streams.show(f"{store.folder()}: {len(found)} entries, {units.show_bytes(sum(entry.bytes for entry in found))}")


def clear(key: str, yes: bool) -> None:
    """Delete the entries whose key begins with `key`, or all; asks first."""
    if not yes:
        what = f"the entries that begin with {key}" if key else "all entries"
        if not click.confirm(f"delete {what} of {store.folder()}?"):
            streams.show("nothing was deleted")
            return
    gone = store.clear(store.folder(), key)
    streams.show(f"deleted {len(gone)} entries, {units.show_bytes(sum(entry.bytes for entry in gone))}")
