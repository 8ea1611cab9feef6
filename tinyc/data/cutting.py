"""From checked arrays to splits: test first, then validation and calibration out of train."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.data import checks, grouping, labels, overlap, scaling, split
from tinyc.data.dataset import Dataset, Split
from tinyc.data.preparing import prepared
from tinyc.data.raw import Raw
from tinyc.data.recordings import windows
from tinyc.data.task import Stream, Task
from tinyc.data.text import tokenizing
from tinyc.data.tokens import Tokenizer
from tinyc.spec.amounts import Amount, Scaling
from tinyc.spec.data import DataSpec
from tinyc.spec.preparation import Window, window_of

RECORDING = "recording"


@dataclass(frozen=True)
class Parts:
    """Train (validation still within, unless the data has its own), test, and what was noticed."""

    train: Split
    test: Split
    validation: Split | None
    warnings: tuple[str, ...]


def cut(raw: Raw, spec: DataSpec, seed: int, name: str, digest: str, tokenizer: Tokenizer | None = None) -> Dataset:
    """Check everything and make the splits; `tokenizer` is given where the examples are sentences.

    Raises:
        UserError: the data cannot be used.
    """
    raw = checks.clean(raw)
    window = window_of(spec.steps)
    stream = stream_of(raw, spec, window)
    raw = prepared(windows.make(raw, window) if window else raw, spec.steps)
    scale: Amount = raw.scale if spec.scale is None else spec.scale
    offset: Amount = raw.offset if spec.offset is None else spec.offset
    notes = raw.warnings
    if not tokenizer:
        checks.in_range(raw, scale, offset)
    parts = parts_of(raw, window, seed)
    complete(raw, parts)
    notes += parts.warnings if "all" in raw.x else overlaps(raw.where, parts)
    train, validation = cut_validation(raw, spec, parts, seed)
    calibration = take(train, split.in_turn(train.y, train.ids, spec.calibration, seed))
    notes += few(raw.where, spec, len(train))
    if tokenizer:
        notes += tokenizing.notes(raw.where, tokenizer, {"train": train, "validation": validation, "test": parts.test})
    shape = (tokenizer.length,) if tokenizer else train.x.shape[1:]
    seen_scale, seen_offset, said = resolved(raw.where, train, scale, offset)
    notes += said
    task = Task(raw.class_names or (), shape, spec.metric, seen_scale, seen_offset, tokenizer, stream=stream)
    return Dataset(name, task, train, validation, calibration, parts.test, digest, notes)


def resolved(where: str, train: Split, scale: Amount, offset: Amount) -> tuple[Scaling, Scaling, tuple[str, ...]]:
    """Put numbers in place of "fit", found on the training examples alone; say which columns never change in them."""
    if not isinstance(scale, str) and not isinstance(offset, str):
        return scale, offset, ()
    fitted = scaling.fit(train.x)
    if not fitted.constant:
        return fitted.scale, fitted.offset, ()
    named = scaling.listed(fitted.constant)
    note = f'{where}: scale = "fit" only centres column {named}, counted from 0: it does not change in train'
    return fitted.scale, fitted.offset, (note,)


def stream_of(raw: Raw, spec: DataSpec, window: Window | None) -> Stream | None:
    """Say what the sensor makes, before anything is prepared; None where the recipe does not tell its rate."""
    if spec.sensor is None:
        return None
    rate, bits = spec.sensor
    values = math.prod(next(iter(raw.x.values())).shape[1:])  # of a sample of a recording, or of an example
    sensor_bytes = values * rate * bits / 8
    return Stream(sensor_bytes, rate / window.stride, rate) if window else Stream(sensor_bytes, rate)


def parts_of(raw: Raw, window: Window | None, seed: int) -> Parts:
    """Take the parts as they are, or cut them: whole recordings where they are known."""
    if "all" not in raw.x:
        return given(raw)
    if window or RECORDING in raw.groups.get("all", {}):
        return grouped(raw, window, seed)
    return whole(raw, seed)


def complete(raw: Raw, parts: Parts) -> None:
    """Refuse a part that lacks a class."""
    groups = raw.groups.get("all", {})
    remedy = "put other groups into it, add some of the class, or drop the class" if RECORDING in groups else None
    for part, known in (("train", parts.train), ("test", parts.test), ("val", parts.validation)):
        if known is not None:
            labels.every_class_present(raw.where, part, known.y, raw.class_names or (), *([remedy] if remedy else []))


def given(raw: Raw) -> Parts:
    """Take the parts as they are; ids count through train, test, val."""
    splits: dict[str, Split] = {}
    first = 0
    for part in [part for part in ("train", "test", "val") if part in raw.x]:
        count = len(raw.y[part])
        splits[part] = Split(raw.x[part], raw.y[part], np.arange(first, first + count), raw.groups.get(part, {}))
        first += count
    return Parts(splits["train"], splits["test"], splits.get("val"), ())


def overlaps(where: str, parts: Parts) -> tuple[str, ...]:
    """Compare every two parts, the one that learns first."""
    named = {"train": parts.train, "val": parts.validation, "test": parts.test}
    known = [split for split in named.values() if split is not None]
    if all(RECORDING in split.groups for split in known):
        grouping.refuse_shared_recordings(
            where, {part: each.groups[RECORDING] for part, each in named.items() if each is not None}
        )
        return ()
    prints = {part: overlap.fingerprints(known.x) for part, known in named.items() if known is not None}
    pairs = itertools.combinations(prints, 2)
    found = [overlap.check_overlap(where, (f"x_{a}", f"x_{b}"), prints[a], prints[b]) for a, b in pairs]
    return tuple(note for notes in found for note in notes)


def grouped(raw: Raw, window: Window | None, seed: int) -> Parts:
    """Keep whole recordings, or whole values of the window's `by`, in one split.

    Windows of one recording overlap, so that examples of two splits are compared by their groups alone.
    """
    groups = raw.groups["all"]
    by = window.by if window else None
    lists = (window.validation, window.test) if window and by else ((), ())
    name = by or RECORDING
    everything = Split(raw.x["all"], raw.y["all"], np.arange(len(raw.y["all"])), groups)
    values = grouping.column(raw.where, groups, name)
    validation, test = grouping.cut(raw.where, name, values, everything.y, lists, seed)
    train, val, asked = (take(everything, np.flatnonzero(mask)) for mask in (~(validation | test), validation, test))
    return Parts(train, asked, val, ())


def whole(raw: Raw, seed: int) -> Parts:
    """Cut a fifth of every class off as test; copies of an example go where the first of them goes, so none leaks."""
    x, y = raw.x["all"], raw.y["all"]
    _, first, group = np.unique(overlap.fingerprints(x), return_index=True, return_inverse=True)
    names = raw.class_names or ()
    rare = [f"{names[index]!r} ({size})" for index, size in enumerate(np.bincount(y[first])) if size < 3]
    if rare:
        shown = ", ".join(rare[:8])
        raise UserError(
            raw.where,
            f"has fewer than 3 different examples of {shown}",
            "each split needs one; add some, or drop the class",
        )
    count = round(len(first) * split.TEST_FRACTION)
    test = split.stratified(y[first], first, count, seed, split.TEST)[group]
    everything = Split(x, y, np.arange(len(y)), raw.groups.get("all", {}))
    copies = len(y) - len(first)
    note = f"{raw.where}: {copies} examples are copies of others; each was put into the split of its original"
    notes = (note,) if copies else ()
    return Parts(take(everything, np.flatnonzero(~test)), take(everything, np.flatnonzero(test)), None, notes)


def cut_validation(raw: Raw, spec: DataSpec, parts: Parts, seed: int) -> tuple[Split, Split]:
    """Cut validation from train unless there is one: class by class, or whole recordings where they are known."""
    train = parts.train
    has_recordings = RECORDING in train.groups
    if spec.validation is not None and (parts.validation is not None or has_recordings):
        has = "recordings, which stay whole" if has_recordings else "a val part"
        raise UserError(raw.where, f"has {has}, and validation = {spec.validation} asks for another", "drop one")
    if parts.validation is not None:
        return train, parts.validation
    if has_recordings:
        chosen = grouping.tenth(raw.where, RECORDING, train.groups[RECORDING], train.y, seed)
    else:
        chosen = drawn(raw, spec, train, seed)
    return take(train, np.flatnonzero(~chosen)), take(train, np.flatnonzero(chosen))


def drawn(raw: Raw, spec: DataSpec, train: Split, seed: int) -> NDArray[np.bool_]:
    """Choose training examples that validate, class by class, (examples,)."""
    is_whole = "all" in raw.x
    examples = len(raw.y["all"]) if is_whole and spec.validation is None else len(train)
    count = split.validation_count(spec.validation, examples)
    if count >= len(train):
        raise UserError(
            raw.where, f"validation = {spec.validation} would leave none of {len(train)} to train", "give less"
        )
    chosen = split.stratified(train.y, train.ids, max(1, count), seed, split.VALIDATION)
    if not chosen.any():
        raise UserError(raw.where, f"has only {len(train)} training examples, none for validation", "give more")
    return chosen


def take(known: Split, indices: NDArray[Any]) -> Split:
    """Give the examples at the indices, with all that is known of them."""
    groups = {name: column[indices] for name, column in known.groups.items()}
    return Split(known.x[indices], known.y[indices], known.ids[indices], groups)


def few(where: str, spec: DataSpec, examples: int) -> tuple[str, ...]:
    """Say that fewer examples calibrate than the recipe asks for, or than do by default."""
    if spec.calibration <= examples:
        return ()
    if "calibration" in spec.model_fields_set:
        return (f"{where}: calibration = {spec.calibration}, but train has {examples} examples; all of them calibrate",)
    usual = f"fewer than the {spec.calibration} that calibrate by default"
    return (f"{where}: train has {examples} examples, {usual}; all of them calibrate",)
