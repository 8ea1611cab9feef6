"""Weights in an .npz: plain arrays by name, judged by their headers before one is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyc.core import files, limits, units
from tinyc.core.errors import UserError
from tinyc.data import npz

AGAIN = "save it with numpy.savez"


def read_npz(path: Path, where: str) -> dict[str, NDArray[Any]]:
    """Read all arrays of an .npz.

    Raises:
        UserError: it is damaged, holds other things than plain arrays, or unpacks to more than a file of its size does.
        MachineError: they do not fit into memory.
    """
    with files.opened(path, limits.NETWORK_BYTES, where) as stream, npz.open_archive(where, stream) as archive:
        members = npz.members_of(where, archive)
        headers = {}
        for name, member in members.items():
            with npz.reading(f"{where}: {name}"):
                headers[name] = npz.header_of(f"{where}: {name}", archive, member)
        total, held = sum(header.value_bytes for header in headers.values()), os.fstat(stream.fileno()).st_size
        if total > limits.ARCHIVE_RATIO * held + limits.ARCHIVE_SPARE_BYTES:
            problem = f"unpacks to {units.show_bytes(total)}, and the file has {units.show_bytes(held)}"
            raise UserError(where, problem, AGAIN)
        return {name: npz.values(where, archive, members[name], name, header) for name, header in headers.items()}
