"""A bug of ours leaves a log: what was run, by which versions, and where it stopped."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from importlib import metadata

from tinyc.core.errors import clipped, obeyed_by_none

VERSIONS = (
    "tinyc", "tensorflow", "tf_keras", "tensorflow-model-optimization", "numpy", "h5py", "pydantic", "tflite-runtime",
    "tflite-micro", "flwr",
)  # fmt: skip
MOST_CHARACTERS = 200_000


def report(error: BaseException) -> str:
    """Say which bug it is and where its log lies, or why there is none; never raises."""
    name = type(error).__name__
    path, folder = "", "a temporary folder"
    try:
        folder = tempfile.gettempdir()
        descriptor, path = tempfile.mkstemp(".log", f"tinyc-bug-{time.strftime('%Y%m%d-%H%M%S')}-", folder)
        with open(descriptor, "wb") as stream:
            stream.write(text(error).encode("utf-8", "backslashreplace"))
    except Exception as failure:
        with suppress(OSError):
            os.unlink(path)
        said = obeyed_by_none(clipped(str(error), 300))
        return f"a bug of ours: {name}: {said}; its log could not be written to {folder}: {reason(failure)}"
    return f"a bug of ours: {name}; the log is {path}"


def reason(failure: Exception) -> str:
    words = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
    return words.lower()


def text(error: BaseException) -> str:
    """The command, the versions and the traceback; of an endless one its two ends."""
    lines = [
        f"command: {clipped(repr(sys.argv))}",
        *(f"{name} {version(name)}" for name in VERSIONS),
        f"python {platform.python_version()}",
        f"platform {platform.platform()}",
        "",
        clipped("".join(traceback.format_exception(error)), MOST_CHARACTERS),
    ]
    return "\n".join(lines)


def version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
