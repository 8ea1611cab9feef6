"""What Flower and Ray read from the environment, set before they are imported."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import shutil
import tempfile

from tinyc.core.errors import MachineError

SWITCHES = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Nothing is reported, nothing is looked up, nothing is installed at run time."""
REMEDY = 'pip install "tinyc[federate]"'


def settle() -> None:
    """Set the switches for this process and its children.

    Flower keeps files of its own in ~/.flwr; unless FLWR_HOME says where, they go into a folder that is deleted when
    this process ends.

    Raises:
        MachineError: Flower is not installed.
    """
    os.environ.update(SWITCHES)
    if "FLWR_HOME" not in os.environ:
        os.environ["FLWR_HOME"] = scratch()
    if importlib.util.find_spec("flwr") is None:
        raise MachineError("flwr", "federated training needs Flower, which is not installed", REMEDY)


def require_ray() -> None:
    """See that Ray is there.

    Raises:
        MachineError: it is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        problem = "the engine 'simulation' needs Ray, which is not installed"
        raise MachineError("ray", problem, f'{REMEDY}, or engine = "process"')


@functools.cache
def scratch() -> str:
    """Make a folder for Flower's own files, which is deleted when this process ends."""
    folder = tempfile.mkdtemp(prefix="tinyc-flower-")
    atexit.register(remove, folder, os.getpid())
    return folder


def remove(folder: str, owner: int) -> None:
    """Delete the folder in the process that made it; a fork of it leaves it alone."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


settle()
