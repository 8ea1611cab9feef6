"""Fashion-MNIST in its official IDX files: 60,000 + 10,000 grey images of 28x28.

Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset", 2017, arXiv:1708.07747.
"""

from __future__ import annotations

import gzip
import shutil
import struct
import tempfile
import urllib.request
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core import limits
from tinyc.core.errors import MachineError
from tinyc.core.files import opened
from tinyc.data.raw import Raw

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
PLACE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
"""Where Keras fetches the files as well."""
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
DOWNLOAD_TIMEOUT_SECONDS = 20.0


def files(cache: Path) -> tuple[Path, ...]:
    """Find the four files: Debian's, the user cache's, Keras's; download them where none has them.

    Raises:
        MachineError: none of the three ways worked; names all three.
    """
    kept = cache / "data" / "fashion-mnist"
    folders = (DEBIAN, kept, Path.home() / ".keras" / "datasets" / "fashion-mnist")
    found = first_complete(folders)
    if found:
        return found
    trouble = download(kept)
    found = first_complete((kept,))
    if found:
        return found
    raise MachineError(
        "fashion-mnist-full",
        f"the four IDX files are in none of {', '.join(map(str, folders))}, and the download failed ({trouble})",
        "any of these solves it: `apt install dataset-fashion-mnist`; "
        f"copy {', '.join(FILES)} into {kept}; "
        "run once on a machine with internet, where they are downloaded into that folder. "
        'The subset `name = "fashion-mnist"` needs none of this',
    )


def first_complete(folders: tuple[Path, ...]) -> tuple[Path, ...] | None:
    """Return the four files of the first folder that has them all."""
    for folder in folders:
        paths = tuple(folder / name for name in FILES)
        if all(path.is_file() for path in paths):
            return paths
    return None


def download(kept: Path) -> str:
    """Download the files into the folder `kept`, all or none; say what went wrong, or "" where nothing did."""
    try:
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            for name in FILES:
                request = urllib.request.urlopen(PLACE + name, timeout=DOWNLOAD_TIMEOUT_SECONDS)
                with request as answer, (Path(folder) / name).open("wb") as file:
                    shutil.copyfileobj(answer, file)
            for name in FILES:
                (Path(folder) / name).replace(kept / name)
    except (OSError, ValueError) as error:
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def read_idx_files(paths: tuple[Path, ...]) -> Raw:
    """Read the four files.

    Raises:
        MachineError: a file is damaged or not what its name says.
    """
    x_train, y_train, x_test, y_test = (read_idx(path) for path in paths)
    return Raw(
        str(paths[0].parent),
        {"train": x_train[..., None], "test": x_test[..., None]},
        {"train": y_train, "test": y_test},
        CLASSES,
    )


def read_idx(path: Path) -> NDArray[Any]:
    """Read one gzipped IDX file of bytes: 0, 0, type 8, rank, then one big-endian uint32 a dimension, then the data.

    Raises:
        MachineError: the file is damaged.
    """
    try:
        with opened(path, limits.IDX_BYTES) as packed, gzip.GzipFile(fileobj=packed) as stream:
            content = stream.read(limits.IDX_BYTES)
        zeros, kind, rank = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{rank}I", content, 4)
        array = np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise MachineError(str(path), f"is damaged: {error}", "delete the file and fetch it again") from error
    if (zeros, kind) != (0, 8) or rank != (3 if "images" in path.name else 1):
        raise MachineError(str(path), "is not an IDX file of bytes", "delete the file and fetch it again")
    return array
