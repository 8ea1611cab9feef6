"""Whether the keys of `[data]` go together: of text, and of numbers, their steps and their sensor."""

from __future__ import annotations

from pathlib import PurePath

from tinyc.spec.data_keys import DataKeys
from tinyc.spec.images import Grayscale, Resize
from tinyc.spec.preparation import Window, window_of
from tinyc.spec.sentences import TABLES, Prepare
from tinyc.spec.sound import LogMel, Mfcc


def problem_of_text(spec: DataKeys, is_text: bool) -> str | None:
    """Say what the keys of text ask for that the data cannot give; None where they fit.

    Args:
        is_text: whether `name` is a dataset of sentences.
    """
    suffix = PurePath(spec.path or "").suffix.lower()
    if suffix in TABLES[1:] and spec.text is None:
        return f'{spec.path} is read as text; say which column holds the sentences: text = "column"'
    if spec.text is not None and suffix not in TABLES:
        given = spec.path or spec.name or "a function"
        return f"text = {spec.text!r} names a column of a .csv, .tsv or .jsonl, and the data is {given}"
    if spec.text is not None and spec.label is None:
        return f'{spec.path} needs the column of the labels, too: label = "column"'
    if spec.split is not None and spec.text is None:
        return f"split = {spec.split!r} names a column beside `text`, which is not given"
    columns = [column for column in (spec.text, spec.label, spec.split) if column is not None]
    doubled = next((column for column in columns if columns.count(column) > 1), None)
    if spec.text is not None and doubled:
        return f"the column {doubled!r} cannot hold two of text, label and split"
    return unsuitable(spec, is_text or spec.text is not None)


def unsuitable(spec: DataKeys, is_text: bool) -> str | None:
    """Find keys of numbers on text, and keys of text on numbers; what a function or an .npz holds is not known yet."""
    if is_text and (spec.scale is not None or spec.offset is not None):
        return "scale and offset are for numbers, and the data is text; leave them out"
    is_known = spec.load is None and PurePath(spec.path or "").suffix.lower() != ".npz"
    if not is_text and is_known and isinstance(spec.prepare, Prepare):
        return f'prepare is for text, and {spec.path or spec.name} is not; for sentences in a file add text = "column"'
    return None


def problem_of_numbers(spec: DataKeys, is_text: bool) -> str | None:
    """Say what the steps, the groups and the sensor's keys ask for that the data cannot give; None where they fit.

    Args:
        is_text: whether `name` is a dataset of sentences.
    """
    is_text = is_text or spec.text is not None
    is_csv = PurePath(spec.path or "").suffix.lower() == ".csv" and not is_text
    window = window_of(spec.steps)
    return (
        of_columns(spec, is_csv)
        or of_sensor(spec, is_text)
        or of_steps(spec, is_text)
        or (of_window(spec, is_csv) or after_window(spec) if window else None)
    )


def of_columns(spec: DataKeys, is_csv: bool) -> str | None:
    """Check the names of columns that are not features."""
    is_table = is_csv or spec.text is not None
    names = [name for name in (spec.recording, *spec.groups) if name is not None]
    if names and not is_table:
        return f"recording and groups name columns of a table; in an .npz {names[0]!r} is an array beside x"
    if spec.recording is not None and not is_csv:
        return f"recording = {spec.recording!r} is for numbers, and the data is text; name it in groups"
    if {spec.label, spec.text, spec.split} & set(names) or len(set(names)) < len(names):
        return "the same column cannot be two of text, label, split, recording and groups"
    if spec.recording is not None and "recording" in spec.groups:
        return f"the group 'recording' is the column {spec.recording!r} already; leave it out of groups"
    return None


def of_sensor(spec: DataKeys, is_text: bool) -> str | None:
    """Check that rate and sample_bits stand together, and describe a sensor."""
    given = [name for name in ("rate", "sample_bits") if getattr(spec, name) is not None]
    if given and is_text:
        return f"{given[0]} describes a sensor, and the data is text; leave it out"
    if given and spec.sensor is None:
        missing = "sample_bits" if given == ["rate"] else "rate"
        return f"{given[0]} alone does not say how many bytes a second the sensor makes; give {missing} too"
    return None


def of_steps(spec: DataKeys, is_text: bool) -> str | None:
    """Check that steps suit the data, and that only the first cuts windows."""
    if spec.prepare == ():
        return "prepare = [] prepares nothing; leave it out"
    if isinstance(spec.prepare, tuple) and is_text:
        return "steps are for numbers, and the data is text; write prepare = { tokens = 64 }"
    if any(isinstance(step, Window) for step in spec.steps[1:]):
        return "prepare has a window after another step; a window comes first, and once"
    if spec.is_recordings and window_of(spec.steps) is None:
        return f'{spec.name} is recordings; begin prepare with {{ op = "window", length = 128, stride = 64 }}'
    return None


def of_window(spec: DataKeys, is_csv: bool) -> str | None:
    """Check that there can be recordings to cut windows from."""
    is_archive = PurePath(spec.path or "").suffix.lower() == ".npz"
    if not (spec.is_recordings or is_csv or is_archive or spec.load is not None):
        return f"a window is cut from recordings, and {spec.name or spec.path} does not hold recordings"
    if is_csv and spec.recording is None:
        return 'a window must not cross two recordings; say which column tells them apart: recording = "column"'
    if spec.validation is not None:
        remedy = 'list what validates in the window: by = "subject", validation = ["8"]'
        return f"validation = {spec.validation} counts examples, and windows keep recordings whole; {remedy}"
    return None


def after_window(spec: DataKeys) -> str | None:
    """Check the steps after a window: a window is not an image, and keeps the rate of its recording."""
    picture = next((step.op for step in spec.steps if isinstance(step, Resize | Grayscale)), None)
    if picture:
        return f"{picture} is for images, and a window is not one; leave it out"
    rate = spec.sensor[0] if spec.sensor else None
    other = next((step for step in spec.steps if isinstance(step, Mfcc | LogMel) and step.rate != rate), None)
    if rate is not None and other:
        return f"{other.op} has rate = {other.rate:g}, and the recordings {rate:g} samples a second; one is wrong"
    return None
