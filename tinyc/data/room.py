"""Room for arrays: what is read of any data, and what this machine's memory holds; asked before an array is made."""

from __future__ import annotations

import os

from tinyc.core import limits, units
from tinyc.core.errors import MachineError, UserError

FEWER = 'give fewer examples, or read them in a function of yours: load = "data.py:function"'


def require(where: str, array_bytes: int, more_bytes: int = 0, remedy: str = FEWER) -> None:
    """Refuse arrays that are too large.

    Args:
        where: the file or folder.
        array_bytes: what the arrays take as they are read.
        more_bytes: what else is made of them at the same time.
        remedy: what makes them smaller.

    Raises:
        UserError: they take more than is read.
        MachineError: this machine has less memory.
    """
    if array_bytes > limits.DATA_BYTES:
        most = units.show_bytes(limits.DATA_BYTES)
        raise UserError(where, f"becomes arrays of {units.show_bytes(array_bytes)}; at most {most} are read", remedy)
    memory_bytes, needed_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), array_bytes + more_bytes
    if needed_bytes > memory_bytes:
        problem = f"takes {units.show_bytes(needed_bytes)} of memory, and this machine has"
        raise MachineError(where, f"{problem} {units.show_bytes(memory_bytes)}", remedy)
