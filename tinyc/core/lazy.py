"""Work that is loaded when it is asked for: the bridge from a table's row to the function that it names."""

from __future__ import annotations

import importlib
from typing import Any

from tinyc.core.errors import MachineError


def load(place: str, extra: str | None, needs: str) -> Any:
    """Import what a row of a table names.

    Args:
        place: "module:function".
        extra: the optional dependencies of tinyc without which the module cannot be imported; None: it needs none.
        needs: what needs them, for the message.

    Raises:
        MachineError: the extra is not installed; says how to install it.
    """
    module, _, name = place.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        if extra is None or (error.name or "").partition(".")[0] == "tinyc":
            raise
        raise MachineError(needs, f"needs {error.name}: {error}", f'pip install "tinyc[{extra}]"') from error
