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
from pathlib import Path

from tinyc import __version__
from tinyc.core.errors import clipped, obeyed_by_none

LIBRARIES = (
    "tensorflow", "tf_keras", "tensorflow-model-optimization", "keras", "numpy", "protobuf", "flatbuffers", "h5py",
    "tflite-runtime", "ai-edge-litert", "tflite-micro", "click", "pydantic", "rich", "jinja2", "intelhex", "pillow",
    "tomli-w", "safetensors", "tokenizers", "scipy", "scikit-learn", "PyWavelets", "flwr", "tenseal", "dp-accounting",
    "ethos-u-vela",
)  # fmt: skip
"""All that tinyc depends on, extras included: their versions are read where they are installed, without an import."""
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
    """Write the command, the versions and the traceback; of an endless one its two ends."""
    lines = [
        f"command: {clipped(repr(sys.argv))}",
        f"tinyc {__version__} in {Path(__file__).parents[1]}",
        f"python {platform.python_version()}",
        f"platform {platform.platform()}",
        *(f"{name} {version(name)}" for name in LIBRARIES),
        "",
        clipped("".join(traceback.format_exception(error)), MOST_CHARACTERS),
    ]
    return "\n".join(lines)


def version(name: str) -> str:
    """Read an installed version; damaged metadata, which may be the very bug, must not keep the log from its end."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
    except Exception as error:
        return f"of damaged metadata ({type(error).__name__})"
