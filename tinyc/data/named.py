"""The datasets that a recipe can name; importing this module imports no numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tinyc.data.preparing import Window
from tinyc.data.raw import Raw
from tinyc.errors import MachineError

EMBEDDED = Path(__file__).parent / "embedded"


@dataclass(frozen=True)
class Named:
    """One dataset: its files (given the cache folder), how they are read, and its own scale and offset.

    Recordings have the `window` that is cut where the recipe says nothing, and `sensor`: samples a second, and bits of
    one value.
    """

    files: Callable[[Path], tuple[Path, ...]]
    read: Callable[[Path], Raw]
    scale: float = 1.0
    offset: float = 0.0
    is_text: bool = False
    window: Window | None = None
    sensor: tuple[float, int] | None = None


def embedded_files(_cache: Path) -> tuple[Path, ...]:
    return embedded("fashion-mnist.npz")


def movie_files(_cache: Path) -> tuple[Path, ...]:
    return embedded("movie-sentiment.tsv")


def embedded(name: str) -> tuple[Path, ...]:
    """Find a file that is part of the package."""
    path = EMBEDDED / name
    if not path.is_file():
        raise MachineError(str(path), "the embedded dataset is missing", "install tinyc again")
    return (path,)


def read_embedded(cache: Path) -> Raw:
    """Read the first 12,000 training and 4,000 test images of the official splits."""
    from tinyc.data import npz

    return npz.read(embedded_files(cache)[0])


def read_movies(cache: Path) -> Raw:
    """Read sentences of movie reviews, positive where their mean human rating is above zero, negative below.

    Hutto and Gilbert, "VADER: a Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", 2014; the
    sentences are those of Pang and Lee, 2005.
    """
    from tinyc.data import sentences

    return sentences.read(movie_files(cache)[0], sentences.Columns("text", "label", "split"))


def watch_files(_cache: Path) -> tuple[Path, ...]:
    return embedded("smartwatch-imu.npz")


def read_watch(cache: Path) -> Raw:
    """Read 140 recordings of seven shoulder exercises by ten subjects: acceleration and rotation by three axes, 50 Hz.

    Values are the counts of a 16-bit sensor: 1/2048 g and 1/16.384 degree a second. Burns, Leung, Hardisty, Whyne,
    Henry and McLachlin, "Shoulder Physiotherapy Exercise Recognition", 2018, arXiv:1802.01489.
    """
    from tinyc.data import npz

    return npz.read(watch_files(cache)[0])


def digit_files(_cache: Path) -> tuple[Path, ...]:
    return embedded("spoken-digits.npz")


def read_digits(cache: Path) -> Raw:
    """Read 3,000 spoken digits as 13 standardized cepstral coefficients of 32 frames: Free Spoken Digit Dataset."""
    from tinyc.data import npz

    return npz.read(digit_files(cache)[0])


def full_files(cache: Path) -> tuple[Path, ...]:
    from tinyc.data import fashion_mnist

    return fashion_mnist.files(cache)


def read_full(cache: Path) -> Raw:
    from tinyc.data import fashion_mnist

    return fashion_mnist.read(fashion_mnist.files(cache))


# The subjects in the order of their numbers, chosen before anything was measured on them.
WATCH = Window(length=128, stride=50, by="subject", validation=("8",), test=("9", "10"))

NAMED: Mapping[str, Named] = {
    "fashion-mnist": Named(embedded_files, read_embedded, scale=1 / 255),
    "fashion-mnist-full": Named(full_files, read_full, scale=1 / 255),
    "movie-sentiment": Named(movie_files, read_movies, is_text=True),
    "spoken-digits": Named(digit_files, read_digits),
    "smartwatch-imu": Named(watch_files, read_watch, scale=1 / 2048, window=WATCH, sensor=(50.0, 16)),
}


def read(name: str, cache: Path) -> Raw:
    """Read a dataset by name, with its own scale and offset."""
    named = NAMED[name]
    return replace(named.read(cache), where=name, scale=named.scale, offset=named.offset)
