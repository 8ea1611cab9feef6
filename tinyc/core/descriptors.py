"""Standard input, output and error stand open, so that no file of a run gets their numbers and the messages with it."""

from __future__ import annotations

import os

MODES = {0: os.O_RDONLY, 1: os.O_WRONLY, 2: os.O_WRONLY}


def open_closed() -> None:
    """Put the null device where one of the three is closed, as after `tinyc ... >&-`."""
    for descriptor, mode in MODES.items():
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number, which is this one, since those below are open.
            os.open(os.devnull, mode)
