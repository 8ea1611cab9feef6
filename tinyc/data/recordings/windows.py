"""From recordings to windows: each lies within one recording, and keeps what was known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.data import room
from tinyc.data.grouping import column
from tinyc.data.raw import Raw
from tinyc.spec.preparation import Window

COUNT_BYTES = 8
SMALLER = "take shorter windows, or a larger stride"
LAYOUT = "give x (samples, channels), y (samples,) and recording (samples,)"


@dataclass(frozen=True)
class Pieces:
    """The recordings in their order: names, first samples, lengths in samples, each (recordings,)."""

    names: NDArray[Any]
    first: NDArray[np.int64]
    lengths: NDArray[np.int64]


def make(raw: Raw, window: Window) -> Raw:
    """Cut checked recordings, x (samples, channels), into windows (windows, length, 1, channels), float32.

    Raises:
        UserError: the data is not recordings, a recording is interrupted, or no recording is as long as a window.
    """
    samples, y, groups = recordings(raw)
    pieces = pieces_of(raw.where, groups["recording"])
    if window.by is not None:
        keeps_one_value(raw.where, window.by, column(raw.where, groups, window.by), pieces)
    starts = starts_of(raw.where, pieces, window)
    last = starts + window.length - 1
    classes = int(y.max()) + 1
    window_bytes = samples.itemsize * window.length * samples.shape[1]
    room.require(raw.where, len(starts) * window_bytes, len(starts) * classes * COUNT_BYTES, SMALLER)
    counts = label_counts(y, starts, window.length, classes)
    labels = y[last] if window.label == "last" else counts.argmax(axis=1)
    kept = (counts.max(axis=1) == window.length) if window.label == "all" else np.ones(len(starts), bool)
    if not kept.any():
        problem = f"has no window of {window.length} samples with one label"
        raise UserError(raw.where, problem, 'take shorter windows, or label = "majority"')
    x = sliding_window_view(samples, window.length, axis=0)[starts[kept]]
    return replace(
        raw,
        x={"all": np.ascontiguousarray(x.transpose(0, 2, 1)[:, :, None, :], np.float32)},
        y={"all": labels[kept].astype(np.int64)},
        groups={"all": {name: values[last[kept]] for name, values in groups.items()}},
        warnings=raw.warnings + notes(raw.where, pieces, window, kept),
    )


def recordings(raw: Raw) -> tuple[NDArray[Any], NDArray[np.int64], Mapping[str, NDArray[Any]]]:
    """Give samples, labels and columns; x (samples,) is one channel.

    Raises:
        UserError: the data is split already, has examples of another shape, or no column `recording`.
    """
    if "all" not in raw.x:
        raise UserError(raw.where, "is split already, and windows are cut before any split", LAYOUT)
    x, groups = raw.x["all"], raw.groups.get("all", {})
    if x.ndim != 2:
        raise UserError(f"{raw.where}: x", f"has the shape {x.shape}, and windows are cut from recordings", LAYOUT)
    if "recording" not in groups:
        problem = "does not say which recording a sample belongs to, and a window must not cross two"
        raise UserError(raw.where, problem, f'{LAYOUT}; of a .csv name the column: recording = "session"')
    return x, raw.y["all"], groups


def pieces_of(where: str, recording: NDArray[Any]) -> Pieces:
    """Find where each recording begins and how long it is.

    Raises:
        UserError: a recording's samples do not stand in one piece.
    """
    first = np.flatnonzero(np.r_[True, recording[1:] != recording[:-1]])
    names = recording[first]
    kinds, seen = np.unique(names, return_index=True)
    if len(kinds) < len(names):
        again = int(np.setdiff1d(np.arange(len(names)), seen)[0])
        problem = f"continues the recording {str(names[again])!r} at sample {first[again]}, after others"
        raise UserError(where, problem, "store each recording in one piece, in the order of time, under its own name")
    return Pieces(names, first, np.diff(np.r_[first, len(recording)]))


def keeps_one_value(where: str, by: str, values: NDArray[Any], pieces: Pieces) -> None:
    """Refuse a recording of two subjects: it could not stay in one split."""
    changes = values[1:] != values[:-1]
    changes[pieces.first[1:] - 1] = False
    if changes.any():
        place = int(np.flatnonzero(changes)[0]) + 1
        name = pieces.names[np.searchsorted(pieces.first, place, "right") - 1]
        problem = f"has a recording, {str(name)!r}, with several values of {by!r}: it changes at sample {place}"
        raise UserError(where, problem, "give each part its own recording, or another column as `by`")


def starts_of(where: str, pieces: Pieces, window: Window) -> NDArray[np.int64]:
    """Give the first sample of every window, recording by recording.

    Raises:
        UserError: every recording is shorter than a window.
    """
    longest = int(pieces.lengths.max())
    if longest < window.length:
        problem = f"has no recording as long as a window of {window.length} samples: the longest has {longest}"
        raise UserError(where, problem, "take shorter windows")
    ends = pieces.first + pieces.lengths - window.length + 1
    each = zip(pieces.first, ends, strict=True)
    return np.concatenate([np.arange(first, end, window.stride, dtype=np.int64) for first, end in each])


def label_counts(y: NDArray[np.int64], starts: NDArray[np.int64], length: int, classes: int) -> NDArray[np.int64]:
    """Count every window's samples by class, (windows, classes)."""
    counts = np.empty((len(starts), classes), np.int64)
    for index in range(classes):
        before = np.concatenate([[0], np.cumsum(y == index)])
        counts[:, index] = before[starts + length] - before[starts]
    return counts


def notes(where: str, pieces: Pieces, window: Window, kept: NDArray[np.bool_]) -> tuple[str, ...]:
    """Say which recordings gave no window, and how many windows of several labels were left out."""
    short = np.flatnonzero(pieces.lengths < window.length)
    left = int((~kept).sum())
    named = ", ".join(str(name) for name in pieces.names[short[:5]]) + (", ..." if len(short) > 5 else "")
    of_short = f"{where}: {len(short)} of {len(pieces.names)} recordings are shorter than a window ({named})"
    of_left = f"{where}: {left} of {len(kept)} windows hold several labels and are left out"
    return (*((of_short,) if len(short) else ()), *((of_left,) if left else ()))
