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
from tinyc.spec.passes.distill import Features
from tinyc.spec.training import TRAINING
from tinyc.training.imitation import Feature, reader
from tinyc.training.store import CHUNK, HEADER, examples_key
from tinyc.training.teachers import Teacher, teacher_predictor

FeatureSource = Callable[["NDArray[Any]", "NDArray[Any]"], tuple[Any, ...]]


@dataclass(frozen=True)
class WantedFeatures:
    """The features that a student wants of a teacher: each once, however many of the student's layers want it."""

    teacher: Teacher
    by_name: dict[str, Feature]

    @classmethod
    def of(cls, teacher: Teacher, wanted: Sequence[Feature]) -> WantedFeatures:
        return cls(teacher, {feature.name: feature for feature in wanted})

    def compile(self, context: Context) -> Callable[[NDArray[Any]], dict[str, NDArray[Any]]]:
        """Compile the teacher, once; the function gives the features of the student's inputs."""
        said = teacher_predictor(reader(self.teacher.model, list(self.by_name.values())), context.data.task)
        return lambda inputs: dict(zip(self.by_name, said(inputs), strict=True))

    def size(self, names: Sequence[str], context: Context) -> int:
        """Bytes of the features of the whole training split in float16."""
        numbers = sum(math.prod(self.by_name[name].shape) for name in names)
        return 2 * numbers * len(context.data.train) + HEADER * len(names)


def feature_source(
    teacher: Teacher, wanted: Sequence[Feature], limit: int, context: Context
) -> tuple[FeatureSource, Features]:
    """Say where the wanted features come from: a function of (inputs, rows), and the facts.

    Raises:
        MachineError: there is no room on the disk, or the cache cannot be written to.
    """
    features = WantedFeatures.of(teacher, wanted)
    order = [feature.name for feature in wanted]
    needed = features.size(list(features.by_name), context)
    if needed > limit:
        size, allowed = units.show_bytes(needed), units.show_bytes(limit)
        context.progress.say(f"features: {size} would pass the store_limit of {allowed}; the teacher runs in the loop")
        return in_the_loop(features, order, context), {"from": "loop", "bytes": needed, "store_limit": limit}
    arrays, built = stored_features(features, context)

    def look_up(_: NDArray[Any], rows: NDArray[Any]) -> tuple[Any, ...]:
        return tuple(arrays[name][rows].astype("float32") for name in order)

    return look_up, {
        "from": "store", "bytes": needed, "store_limit": limit, "arrays": len(arrays),
        "arrays_reused": len(arrays) - built,
    }  # fmt: skip


def in_the_loop(features: WantedFeatures, order: Sequence[str], context: Context) -> FeatureSource:
    compute = features.compile(context)

    def look_up(inputs: NDArray[Any], _: NDArray[Any]) -> tuple[Any, ...]:
        said = compute(inputs)
        return tuple(said[name] for name in order)

    return look_up


def stored_features(features: WantedFeatures, context: Context) -> tuple[dict[str, NDArray[np.float16]], int]:
    """Open the features, those that are missing or damaged being made first; and say how many were made."""
    folder = context.cache / "soft-labels" / key(features.teacher, context)
    with cache.locked(folder, context.progress.say):
        missing = [name for name, feature in features.by_name.items() if map_file(folder, feature, context) is None]
        if missing:
            needed = features.size(missing, context)
            context.progress.say(f"features of {len(missing)} kinds: {units.show_bytes(needed)} in {folder}")
            cache.require(folder, needed)
            write_features(
                folder, WantedFeatures.of(features.teacher, [features.by_name[name] for name in missing]), context
            )
        found = {name: map_file(folder, feature, context) for name, feature in features.by_name.items()}
    return {name: array for name, array in found.items() if array is not None}, len(missing)


def key(teacher: Teacher, context: Context) -> str:
    """Key of everything that a feature depends on but its name."""
    parts = [TRAINING, "features", teacher.key, *examples_key(context.data)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def map_file(folder: Path, feature: Feature, context: Context) -> NDArray[np.float16] | None:
    """Map one file into memory, or None where it is missing or damaged; the latter is said."""
    path = feature_path(folder, feature.name)
    if not path.exists():
        return None
    try:
        array: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.shape != (len(context.data.train), *feature.shape) or array.dtype != np.float16:
            raise ValueError(f"it holds {array.dtype} of shape {array.shape}")
    except (OSError, ValueError, EOFError) as error:
        context.progress.say(f"{path}: computed again, {error}")
        return None
    return array


def feature_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def write_features(folder: Path, features: WantedFeatures, context: Context) -> None:
    """Run the teacher once over the training split, and write all its features as they come."""
    paths = [feature_path(folder, name) for name in features.by_name]
    with progress.task(context.progress, "features", len(context.data.train)):
        write_together(paths, lambda streams: write_rows(streams, features, context))


def write_together(
    paths: Sequence[Path], fill: Callable[[tuple[BinaryIO, ...]], None], open_: tuple[BinaryIO, ...] = ()
) -> None:
    """Write several files at once, each whole or absent."""
    if not paths:
        fill(open_)
        return
    cache.write(paths[0], lambda stream: write_together(paths[1:], fill, (*open_, stream)))


def write_rows(streams: Sequence[BinaryIO], features: WantedFeatures, context: Context) -> None:
    """Write each feature's header, then its rows, chunk by chunk."""
    train, compute = context.data.train, features.compile(context)
    for stream, feature in zip(streams, features.by_name.values(), strict=True):
        header = {"descr": "<f2", "fortran_order": False, "shape": (len(train), *feature.shape)}
        np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[no-untyped-call]
    for start in range(0, len(train), CHUNK):
        said = compute(inputs(train.x[start : start + CHUNK], context.data.task))
        for stream, array in zip(streams, said.values(), strict=True):
            stream.write(np.clip(array, -65504, 65504).astype("<f2").tobytes())
        context.progress.advance(len(train.x[start : start + CHUNK]))
