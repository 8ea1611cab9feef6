"""Examples of a terminal's own, prepared as the `[data]` of a server's recipe says; all of them train."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from tinyc.core import files
from tinyc.core.errors import MachineError, UserError
from tinyc.data import checks, loading, tables
from tinyc.data.arrays import as_names
from tinyc.data.cutting import take
from tinyc.data.dataset import GREY, Split, TrainingData
from tinyc.data.preparing import prepared
from tinyc.data.raw import Raw
from tinyc.data.recordings import windows
from tinyc.data.task import Task
from tinyc.spec.data import DataSpec
from tinyc.spec.preparation import window_of

KINDS = (".npz", ".csv", ".tsv", ".jsonl")
TABLES = KINDS[1:]
LAYOUT = "give an .npz with x and y, a .csv, .tsv or .jsonl, or a folder of images with a folder per class"
# What the server's data has and a terminal's needs not: other places, and how the server cuts its own.
ELSEWHERE = ("name", "load", "split", "validation", "groups")
COLUMNS = ("label", "text", "recording")
UNNAMED = {"label": "label", "recording": "recording"}
"""Columns of a .csv where the server's data has no columns, or is embedded."""
CUTS: dict[str, Any] = {"by": None, "validation": (), "test": ()}


def look(path: Path) -> None:
    """Refuse a path that cannot be data, before anything is asked of the server.

    Raises:
        UserError: it is of no kind that is read.
        MachineError: it does not exist.
    """
    try:
        is_there = path.exists()
        str(path).encode()
    except UnicodeEncodeError as error:
        raise UserError(f"--data {path}", "is not a path in UTF-8", "rename the file, or its folder") from error
    except OSError as error:  # such as a name that is too long
        raise files.unreadable(f"--data {path}", error) from error
    if not is_there:
        raise MachineError(f"--data {path}", "is not there", LAYOUT)
    if not path.is_dir() and path.suffix.lower() not in KINDS:
        raise UserError(f"--data {path}", "is of no kind that is read", LAYOUT)


def read(table: str, task: Task, path: Path, say: Callable[[str], None]) -> TrainingData:
    """Read a terminal's examples by the `[data]` of a recipe (JSON), with its own path in place of the server's.

    Labels that are names are numbered as the server's classes; numbers are taken as they are.

    Raises:
        UserError: the data cannot be used, or does not fit the network; names the file and the place.
    """
    spec = spec_of(table, path)
    try:
        raw = loading.read_raw(spec, Path, path)
    except OSError as error:
        raise loading.unreadable(spec, error) from error
    raw = joined(checks.clean(numbered(raw, task.classes)))
    window = window_of(spec.steps)
    if window is not None:
        raw = windows.make(raw, window)
    raw = prepared(raw, spec.steps)
    if not task.tokenizer:
        checks.in_range(raw, task.scale, task.offset)
    grey = len(task.input_shape) == 3
    for note in (note for note in raw.warnings if grey or GREY not in note):
        say(f"warning: {note}")
    y = raw.y["all"]
    train = Split(raw.x["all"], y, np.arange(len(y)), raw.groups.get("all", {}))
    if train.x.shape[1:] == (*task.input_shape, 1):
        train = replace(train, x=train.x[..., 0])
    nothing = take(train, np.arange(0))
    return TrainingData(task, train, nothing, nothing, digest="")


def spec_of(recipe: str, path: Path) -> DataSpec:
    """Put a terminal's path into the `[data]` of a recipe (JSON).

    Raises:
        UserError: the recipe's keys do not fit a file of this kind.
    """
    table = json.loads(recipe or "{}")
    if not table:
        problem = "does not say how examples are prepared"
        raise UserError("federated job", problem, "run the same version of tinyc on the server and here")
    is_table = path.suffix.lower() in TABLES and not path.is_dir()
    dropped = ELSEWHERE if is_table else (*ELSEWHERE, *COLUMNS)
    kept = {key: value for key, value in table.items() if key not in dropped and value is not None}
    kept["prepare"] = uncut(table.get("prepare"))
    if path.suffix.lower() == ".csv" and not path.is_dir() and "text" not in kept:
        kept |= columns_of(path, table, kept)
    try:
        return DataSpec.model_validate_json(json.dumps({**kept, "path": str(path)}))
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UserError(f"--data {path}", f"does not go with the server's [data]: {problem}", LAYOUT) from error


def uncut(prepare: Any) -> Any:
    """Take out of the steps how the server cuts its own splits, and out of a text's the server's file of pieces."""
    if isinstance(prepare, list):
        return [{key: value for key, value in step.items() if key not in CUTS} for step in prepare]
    if isinstance(prepare, dict):
        return {key: value for key, value in prepare.items() if key != "tokenizer"}
    return prepare


def columns_of(path: Path, table: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Name a .csv's columns: the server's, or "label" and "recording"; of its groups those that are here.

    A column that the server cuts by, such as the subject, is no feature here either.
    """
    steps = table.get("prepare")
    windows = [step for step in steps if step.get("op") == "window"] if isinstance(steps, list) else []
    asked = [*(table.get("groups") or ()), *(step.get("by") for step in windows)]
    label = kept.get("label", UNNAMED["label"])
    recording = kept.get("recording", UNNAMED["recording"]) if windows else None
    there = header(path)
    groups = sorted({name for name in asked if name in there and name not in (label, recording, "recording")})
    return {"label": label, "groups": groups, **({"recording": recording} if recording else {})}


def header(path: Path) -> list[str]:
    """Read the columns of a .csv.

    Raises:
        UserError: its first row cannot be read.
    """
    return [cell.strip() for cell in next(tables.rows(path, tables.COMMA), (1, []))[1]]


def numbered(raw: Raw, classes: tuple[str, ...]) -> Raw:
    """Give labels the numbers of the server's classes.

    Raises:
        UserError: a label is the name of no class.
    """
    y = {part: by_name(raw, np.asarray(values), classes) for part, values in raw.y.items()}
    return replace(raw, y=y, class_names=classes)


def by_name(raw: Raw, values: Any, classes: tuple[str, ...]) -> Any:
    """Give one part's labels their numbers; what cannot be labels is left to the checks of data."""
    if values.ndim != 1 or not len(values):
        return values
    if values.dtype.kind in "iu" and raw.class_names is not None:
        if values.min() < 0 or values.max() >= len(raw.class_names):
            raise UserError(raw.where, "has labels that its class_names do not name", "name every class")
        names = [raw.class_names[index] for index in values.tolist()]
    elif values.dtype.kind in "USO":
        names = list(as_names(raw.where, values))
    else:
        return values
    index: Mapping[str, int] = {name: number for number, name in enumerate(classes)}
    strange = next((name for name in names if name not in index), None)
    if strange is not None:
        known = ", ".join(map(repr, classes[:20]))
        raise UserError(raw.where, f"has the label {strange!r}, which the server does not know", f"it knows {known}")
    return np.array([index[name] for name in names], np.int64)


def joined(raw: Raw) -> Raw:
    """Put the parts of a file into one; a terminal keeps nothing back for tests."""
    if set(raw.x) == {"all"}:
        return raw
    parts = list(raw.x)
    columns = set.intersection(*(set(raw.groups.get(part, {})) for part in parts))
    groups = {name: np.concatenate([raw.groups[part][name] for part in parts]) for name in sorted(columns)}
    return replace(
        raw,
        x={"all": np.concatenate([raw.x[part] for part in parts])},
        y={"all": np.concatenate([raw.y[part] for part in parts])},
        groups={"all": groups},
    )
