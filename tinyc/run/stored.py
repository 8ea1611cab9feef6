"""A finished step on disk: its state, its figures, its files."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core import files, limits, run_folder
from tinyc.core.errors import UserError
from tinyc.data.signals.front import Front
from tinyc.data.task import Task
from tinyc.data.tokens import Tokenizer
from tinyc.measure import Ledger
from tinyc.network import sources
from tinyc.network.contract import Skipped
from tinyc.network.state import Flat, Net, State
from tinyc.network.storing import h5_bytes
from tinyc.report.views import Layer
from tinyc.spec.amounts import Scaling

NET, FLAT, SCORES, TOKENIZER, FRONT = "net.h5", "model.tflite", "scores.npy", "tokenizer.json", "preprocess.json"
FILES = "files/"


@dataclass(frozen=True)
class Done:
    """What a finished step leaves for the report and for the steps after it.

    `scores` are the outputs for the test examples, (examples, classes), float32; `files` the names of its artifacts.
    """

    folder: Path
    key: str
    ledger: Ledger
    scores: NDArray[Any]
    facts: Mapping[str, Any]
    skipped: tuple[Skipped, ...]
    layers: tuple[Layer, ...]
    seconds: float
    cached: bool
    files: tuple[str, ...] = ()

    def artifact(self) -> bytes | None:
        """Return the .tflite that it left as its state; None where that is a Keras network."""
        path = self.folder / FLAT
        return path.read_bytes() if path.is_file() else None


def save_step(done: Done, state: State | None, made: Mapping[str, bytes], numbers: Mapping[str, int]) -> Done:
    """Write a step whole, with the numbers of `keys` that it was made by.

    `state` is None for the source, whose weights live in the user cache.
    """
    manifest = {
        "key": done.key,
        "numbers": dict(numbers),
        "seconds": done.seconds,
        "ledger": done.ledger.to_json(),
        "facts": dict(done.facts),
        "skipped": [vars(skip) for skip in done.skipped],
        "layers": [vars(layer) for layer in done.layers],
        "files": sorted(made),
        "state": describe(state),
    }
    stream = io.BytesIO()
    np.save(stream, np.asarray(done.scores, np.float32))
    contents = {SCORES: stream.getvalue(), **state_files(state)}
    contents |= {FILES + name: content for name, content in made.items()}
    run_folder.store(done.folder, manifest, contents)
    return replace(done, files=tuple(sorted(made)))


def describe(state: State | None) -> dict[str, Any] | None:
    if state is None:
        return None
    tokenizer = state.task.tokenizer
    words: dict[str, Any] = {"tokens": tokenizer.length, "origin": tokenizer.origin} if tokenizer else {}
    if state.task.front:
        words["front"] = True
    if state.task.columns:
        words |= {"scale": state.task.scale, "offset": state.task.offset}
    if isinstance(state, Flat):
        return {"kind": "flat", "tables": dict(state.tables), "softmax": state.softmax, **words}
    ranges = {"ranges": {name: list(pair) for name, pair in state.ranges.items()}} if state.ranges else {}
    return {"kind": "net", **words, **ranges}


def state_files(state: State | None) -> dict[str, bytes]:
    """Return the state as the bytes of one file, with its tokenizer or front beside it."""
    if state is None:
        return {}
    words = {TOKENIZER: state.task.tokenizer.definition.encode()} if state.task.tokenizer else {}
    if state.task.front:
        words[FRONT] = state.task.front.to_json().encode()
    return {**network_file(state), **words}


def network_file(state: State) -> dict[str, bytes]:
    if isinstance(state, Flat):
        return {FLAT: state.content}
    try:
        return {NET: h5_bytes(state.model)}
    except (NotImplementedError, TypeError, ValueError) as error:
        remedy = "give each layer class of yours a get_config() that returns all arguments of its __init__"
        raise UserError(state.model.name, f"the network cannot be stored: {error}", remedy) from error


def stored_numbers(folder: Path) -> Mapping[str, int]:
    """Return the numbers of `keys` that a step was made by; none where it is older than they, or damaged."""
    found = (run_folder.manifest(folder) or {}).get("numbers", {})
    return found if isinstance(found, dict) else {}


def load_step(folder: Path, cached: bool = True) -> Done | None:
    """Read a finished step, None where there is none or it is damaged."""
    table = run_folder.manifest(folder)
    try:
        return None if table is None else step_of_manifest(folder, table, cached)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def step_of_manifest(folder: Path, table: Mapping[str, Any], cached: bool) -> Done:
    """Make a step of its manifest and its scores.

    Raises:
        OSError, ValueError, KeyError, TypeError, AttributeError: they are not of the right shape.
    """
    if not all(run_folder.is_inside(name) for name in table["files"]):
        raise ValueError("a file of the step leads out of its folder")
    return Done(
        folder=folder,
        key=table["key"],
        ledger=Ledger.from_json(table["ledger"]),
        scores=np.load(folder / SCORES, allow_pickle=False),
        facts=table["facts"],
        skipped=tuple(Skipped(**skip) for skip in table["skipped"]),
        layers=tuple(Layer(**layer) for layer in table["layers"]),
        seconds=table["seconds"],
        cached=cached,
        files=tuple(table["files"]),
    )


def stored_tokenizer(folder: Path, described: Mapping[str, Any]) -> Tokenizer | None:
    """Return the tokenizer of a state; a pass may have given it another than the data began with."""
    if "tokens" not in described:
        return None
    origin = described["origin"]
    definition = files.read_text(folder / TOKENIZER, limits.JSON_BYTES)
    return Tokenizer(definition, described["tokens"], None if origin is None else tuple(origin))


def with_stored_scaling(task: Task, described: Mapping[str, Any]) -> Task:
    """Return the task of a state with a scale for each column, which may have come out of the source's network."""
    if "scale" not in described:
        return task
    return replace(task, scale=numbers_of(described["scale"]), offset=numbers_of(described["offset"]))


def numbers_of(value: Any) -> Scaling:
    return tuple(map(float, value)) if isinstance(value, list) else float(value)


def scaling_of(done: Done, task: Task) -> tuple[Scaling, Scaling]:
    """Scale and offset of the state that a step left; those of the data where it has no others."""
    found = with_stored_scaling(task, (run_folder.manifest(done.folder) or {}).get("state") or {})
    return found.scale, found.offset


def with_stored_front(task: Task, folder: Path, described: Mapping[str, Any]) -> Task:
    """Return the task of a state that a pass gave a front: its network sees what the front gives."""
    if not described.get("front"):
        return task
    path = folder / FRONT
    front = Front.from_json(files.read_text(path, limits.JSON_BYTES), str(path))
    return replace(task, front=front, input_shape=front.output_shape)


def load_state(folder: Path, task: Task, own_layers: Callable[[], Mapping[str, type]]) -> State:
    """Read the state that a finished step left; `own_layers` gives the layer classes of the recipe's own files."""
    table = run_folder.manifest(folder) or {}
    described = table["state"]
    task = with_stored_scaling(replace(task, tokenizer=stored_tokenizer(folder, described)), described)
    task = with_stored_front(task, folder, described)
    if described["kind"] == "flat":
        return Flat(files.read(folder / FLAT, limits.NETWORK_BYTES), task, described["tables"], described["softmax"])
    ranges = {name: (low, high) for name, (low, high) in described.get("ranges", {}).items()}
    return Net(sources.read_own(folder / NET, str(folder), own_layers()), task, ranges=ranges)
