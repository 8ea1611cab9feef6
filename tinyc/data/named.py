"""The datasets that a recipe can name; importing this module imports no numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tinyc.data.raw import Raw
from tinyc.errors import MachineError

EMBEDDED = Path(__file__).parent / "embedded"


@dataclass(frozen=True)
class Named:
    """One dataset: its files (given the cache folder), how they are read, and its own scale and offset."""

    files: Callable[[Path], tuple[Path, ...]]
    read: Callable[[Path], Raw]
    scale: float = 1.0
    offset: float = 0.0


def embedded_files(_cache: Path) -> tuple[Path, ...]:
    path = EMBEDDED / "fashion-mnist.npz"
    if not path.is_file():
        raise MachineError(str(path), "the embedded dataset is missing", "install tinyc again")
    return (path,)


def read_embedded(cache: Path) -> Raw:
    """Read the first 12,000 training and 4,000 test images of the official splits."""
    from tinyc.data import arrays

    return arrays.read_npz(embedded_files(cache)[0])


def full_files(cache: Path) -> tuple[Path, ...]:
    from tinyc.data import fashion_mnist

    return fashion_mnist.files(cache)


def read_full(cache: Path) -> Raw:
    from tinyc.data import fashion_mnist

    return fashion_mnist.read(fashion_mnist.files(cache))


NAMED: Mapping[str, Named] = {
    "fashion-mnist": Named(embedded_files, read_embedded, scale=1 / 255),
    "fashion-mnist-full": Named(full_files, read_full, scale=1 / 255),
}


def read(name: str, cache: Path) -> Raw:
    """Read a dataset by name, with its own scale and offset."""
    named = NAMED[name]
    return replace(named.read(cache), where=name, scale=named.scale, offset=named.offset)
