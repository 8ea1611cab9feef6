"""`tinyc boards` and `tinyc runtimes`: what is known of each, with its sources."""

from __future__ import annotations

import json
from pathlib import Path

from tinyc.core import streams
from tinyc.devices.board import Board
from tinyc.devices.runtime import Runtime
from tinyc.report import device_text
from tinyc.spec import device_files
from tinyc.spec.device_files import Kind


def boards(name: str | None, as_json: bool) -> None:
    """List the boards, or describe one.

    Raises:
        UserError: there is none of this name, or its file does not fit.
    """
    show(Board, name, as_json)


def runtimes(name: str | None, as_json: bool) -> None:
    """List the runtimes, or describe one; raises as `boards` does."""
    show(Runtime, name, as_json)


def show(kind: type[Kind], name: str | None, as_json: bool) -> None:
    """List all of a kind, or describe one."""
    found = device_files.everything(kind) if name is None else (device_files.named(kind, name, Path.cwd(), "NAME"),)
    if as_json:
        streams.result(json.dumps([each.model_dump(mode="json") for each in found], indent=1))
    elif name is None:
        streams.page(device_text.listed(found))
    else:
        streams.page(device_text.described(found[0]))
