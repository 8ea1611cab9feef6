"""How each dataset that a recipe can name is found and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tinyc.core.errors import MachineError
from tinyc.data import npz
from tinyc.data.images import fashion_mnist
from tinyc.data.raw import Raw
from tinyc.data.text import sentences
from tinyc.spec.datasets import NAMED

EMBEDDED = Path(__file__).parent / "embedded"
Files = tuple[Path, ...]


@dataclass(frozen=True)
class Reader:
    """How one dataset is found, given the cache folder, and how its files are read."""

    files: Callable[[Path], Files]
    read: Callable[[Files], Raw]


def embedded(name: str) -> tuple[Path, ...]:
    """Find a file that is part of the package."""
    path = EMBEDDED / name
    if not path.is_file():
        raise MachineError(str(path), "the embedded dataset is missing", "install tinyc again")
    return (path,)


def read_embedded(paths: Files) -> Raw:
    """Read the first 12,000 training and 4,000 test images of the official splits."""
    return npz.read_npz(paths[0])


def read_movies(paths: Files) -> Raw:
    """Read sentences of movie reviews, positive where their mean human rating is above zero, negative below.

    Hutto and Gilbert, "VADER: a Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", 2014; the
    sentences are those of Pang and Lee, 2005.
    """
    return sentences.read_sentences(paths[0], sentences.Columns("text", "label", "split"))


def read_watch(paths: Files) -> Raw:
    """Read 140 recordings of seven shoulder exercises by ten subjects: acceleration and rotation by three axes, 50 Hz.

    Values are the counts of a 16-bit sensor: 1/2048 g and 1/16.384 degree a second. Burns, Leung, Hardisty, Whyne,
    Henry and McLachlin, "Shoulder Physiotherapy Exercise Recognition", 2018, arXiv:1802.01489.
    """
    return npz.read_npz(paths[0])


def read_digits(paths: Files) -> Raw:
    """Read 3,000 spoken digits as 13 standardized cepstral coefficients of 32 frames: Free Spoken Digit Dataset."""
    return npz.read_npz(paths[0])


READERS: Mapping[str, Reader] = {
    "fashion-mnist": Reader(lambda _: embedded("fashion-mnist.npz"), read_embedded),
    "fashion-mnist-full": Reader(fashion_mnist.files, fashion_mnist.read_idx_files),
    "movie-sentiment": Reader(lambda _: embedded("movie-sentiment.tsv"), read_movies),
    "spoken-digits": Reader(lambda _: embedded("spoken-digits.npz"), read_digits),
    "smartwatch-imu": Reader(lambda _: embedded("smartwatch-imu.npz"), read_watch),
}
"""One row for each name in `spec.datasets.NAMED`."""


def files(name: str, cache: Path) -> Files:
    """Find the files of a dataset by name."""
    return READERS[name].files(cache)


def read_known_dataset(name: str, cache: Path) -> Raw:
    """Read a dataset by name, with its own scale and offset."""
    reader, known = READERS[name], NAMED[name]
    return replace(reader.read(reader.files(cache)), where=name, scale=known.scale, offset=known.offset)
