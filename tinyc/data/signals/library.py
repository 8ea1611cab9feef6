"""The optional libraries of signal processing, imported at their first use."""

from __future__ import annotations

import importlib
from typing import Any

from tinyc.core.errors import MachineError

PACKAGES = {"scipy": "SciPy", "sklearn": "scikit-learn", "pywt": "PyWavelets"}


def library(module: str) -> Any:
    """Import a module of SciPy, scikit-learn or PyWavelets.

    Raises:
        MachineError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = PACKAGES[module.partition(".")[0]]
        raise MachineError("preprocess", f"needs {name}: {error}", 'pip install "tinyc[signal]"') from error
