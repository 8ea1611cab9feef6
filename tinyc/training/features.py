"""The teacher's features of the training sentences as they are: on disk where they fit, else made in the loop.

    <cache>/soft-labels/<key>/hidden-3.npy    float16, (examples, tokens, width), in the order of the split

Each file is whole or absent, and read through the memory map. What else a feature depends on stands in its name, so
that students with other layer maps share what they can.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tinyc.core import cache, progress, units
from tinyc.data.inputs import inputs
from tinyc.network.contract import Context
from tinyc.spec.training import TRAINING
from tinyc.training.imitation import Feature, reader
from tinyc.training.store import CHUNK, HEADER, examples_key
from tinyc.training.teachers import Teacher, listening

Listen = Callable[["NDArray[Any]", "NDArray[Any]"], tuple[Any, ...]]


@dataclass(frozen=True)
class Lecture:
    """What a student may ask of a teacher: each feature once, however many of the student's layers want it."""

    teacher: Teacher
    features: dict[str, Feature]

    @classmethod
    def of(cls, teacher: Teacher, wanted: Sequence[Feature]) -> Lecture:
        return cls(teacher, {feature.name: feature for feature in wanted})

    def hear(self, context: Context) -> Callable[[NDArray[Any]], dict[str, NDArray[Any]]]:
        """Compile the teacher, once; the function gives the features of the student's inputs."""
        said = listening(reader(self.teacher.model, list(self.features.values())), context.data.task)
        return lambda inputs: dict(zip(self.features, said(inputs), strict=True))

    def size(self, names: Sequence[str], context: Context) -> int:
        """Bytes of the features of the whole training split in float16."""
        numbers = sum(math.prod(self.features[name].shape) for name in names)
        return 2 * numbers * len(context.data.train) + HEADER * len(names)


def features(
    teacher: Teacher, wanted: Sequence[Feature], limit: int, context: Context
) -> tuple[Listen, dict[str, Any]]:
    """Say where the wanted features come from: a function of (inputs, rows), and the facts.

    Raises:
        MachineError: there is no room on the disk, or the cache cannot be written to.
    """
    lecture = Lecture.of(teacher, wanted)
    order = [feature.name for feature in wanted]
    needed = lecture.size(list(lecture.features), context)
    facts = {"bytes": needed, "store_limit": limit}
    if needed > limit:
        size, allowed = units.show_bytes(needed), units.show_bytes(limit)
        context.progress.say(f"features: {size} would pass the store_limit of {allowed}; the teacher runs in the loop")
        return in_the_loop(lecture, order, context), {"from": "loop", **facts}
    arrays, built = stored(lecture, context)

    def listen(_: NDArray[Any], rows: NDArray[Any]) -> tuple[Any, ...]:
        return tuple(arrays[name][rows].astype("float32") for name in order)

    return listen, {"from": "store", **facts, "arrays": len(arrays), "arrays_reused": len(arrays) - built}


def in_the_loop(lecture: Lecture, order: Sequence[str], context: Context) -> Listen:
    hear = lecture.hear(context)

    def listen(inputs: NDArray[Any], _: NDArray[Any]) -> tuple[Any, ...]:
        said = hear(inputs)
        return tuple(said[name] for name in order)

    return listen


def stored(lecture: Lecture, context: Context) -> tuple[dict[str, NDArray[np.float16]], int]:
    """Open the features, those that are missing or damaged being made first; and say how many were made."""
    folder = context.cache / "soft-labels" / key(lecture.teacher, context)
    with cache.locked(folder, context.progress.say):
        missing = [name for name, feature in lecture.features.items() if opened(folder, feature, context) is None]
        if missing:
            needed = lecture.size(missing, context)
            context.progress.say(f"features of {len(missing)} kinds: {units.show_bytes(needed)} in {folder}")
            cache.require(folder, needed)
            build(folder, Lecture.of(lecture.teacher, [lecture.features[name] for name in missing]), context)
        found = {name: opened(folder, feature, context) for name, feature in lecture.features.items()}
    return {name: array for name, array in found.items() if array is not None}, len(missing)


def key(teacher: Teacher, context: Context) -> str:
    """Key of everything that a feature depends on but its name."""
    parts = [TRAINING, "features", teacher.key, *examples_key(context.data)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def opened(folder: Path, feature: Feature, context: Context) -> NDArray[np.float16] | None:
    """Map one file into memory, or None where it is missing or damaged; the latter is said."""
    path = place(folder, feature.name)
    if not path.exists():
        return None
    try:
        array: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.shape != (len(context.data.train), *feature.shape) or array.dtype != np.float16:
            raise ValueError(f"it holds {array.dtype} of shape {array.shape}")
    except (OSError, ValueError, EOFError) as error:
        context.progress.say(f"{path}: made again, {error}")
        return None
    return array


def place(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def build(folder: Path, lecture: Lecture, context: Context) -> None:
    """Run the teacher once over the training split, and write all its features as they come."""
    paths = [place(folder, name) for name in lecture.features]
    with progress.task(context.progress, "features", len(context.data.train)):
        write_together(paths, lambda streams: fill(streams, lecture, context))


def write_together(
    paths: Sequence[Path], fill: Callable[[tuple[BinaryIO, ...]], None], open_: tuple[BinaryIO, ...] = ()
) -> None:
    """Write several files at once, each whole or absent."""
    if not paths:
        fill(open_)
        return
    cache.write(paths[0], lambda stream: write_together(paths[1:], fill, (*open_, stream)))


def fill(streams: Sequence[BinaryIO], lecture: Lecture, context: Context) -> None:
    """Write each feature's header, then its rows, chunk by chunk."""
    train, hear = context.data.train, lecture.hear(context)
    for stream, feature in zip(streams, lecture.features.values(), strict=True):
        header = {"descr": "<f2", "fortran_order": False, "shape": (len(train), *feature.shape)}
        np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[no-untyped-call]
    for start in range(0, len(train), CHUNK):
        said = hear(inputs(train.x[start : start + CHUNK], context.data.task))
        for stream, array in zip(streams, said.values(), strict=True):
            stream.write(np.clip(array, -65504, 65504).astype("<f2").tobytes())
        context.progress.advance(len(train.x[start : start + CHUNK]))
