"""From `[data]` to a Dataset, and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyc.core import files, limits
from tinyc.core.errors import MachineError, UserError
from tinyc.data import cutting, functions, known_datasets, npz, preparing, rows
from tinyc.data.dataset import Dataset
from tinyc.data.images import reading
from tinyc.data.raw import Raw
from tinyc.data.text import sentences, strings, tokenizing
from tinyc.data.text.lexicon import Lexicon
from tinyc.data.tokens import Language
from tinyc.spec.builders import Find
from tinyc.spec.data import DataSpec
from tinyc.spec.preparation import first_resize
from tinyc.spec.sentences import TABLES, Prepare

KINDS = "give an .npz, a .csv, a folder of images with a folder per class, or sentences as .csv, .tsv or .jsonl"


def load_dataset(spec: DataSpec, find: Find, cache: Path, seed: int, language: Language | None = None) -> Dataset:
    """Read, check and cut a dataset.

    Args:
        spec: the recipe's `[data]`.
        find: looks a path of the recipe up.
        cache: the user cache folder, where `fashion-mnist-full` may lie.
        seed: cuts validation and calibration from train, and test where the data has none of its own.
        language: the source's tokenizer, and the vectors of its words; only text data asks for it.

    Raises:
        UserError: the data cannot be used; names the file and the array, cell, sentence or image. Or it is text and
            nothing says how it becomes tokens.
        MachineError: a file cannot be read, or this machine lacks the memory.
    """
    try:
        raw = read_raw(spec, find, cache)
        content = content_digest(spec, find, cache, raw)
    except OSError as error:
        raise unreadable(spec, error) from error
    is_text = strings.are_sentences(raw)
    tokenizer = tokenizing.tokenizer(raw.where, spec, find, language, is_text)
    dataset = cutting.cut(raw, spec, seed, title(spec), seal(spec, content), tokenizer)
    if tokenizer and language and language.vectors:
        return replace(dataset, lexicon=Lexicon(language, dataset.train.x))
    return dataset


def title(spec: DataSpec) -> str:
    """Name the dataset for people."""
    if spec.load is not None:
        return spec.load.build
    return spec.name or Path(spec.path or "").name


def read_raw(spec: DataSpec, find: Find, cache: Path) -> Raw:
    """Read what `[data]` points at, unchecked."""
    if spec.name is not None:
        return known_datasets.read_known_dataset(spec.name, cache)
    if spec.load is not None:
        return preparing.with_channels(functions.call_loader(spec.load, find), spec.steps)
    path = find(spec.path or "")
    if path.is_dir():
        return reading.read_images(path, first_resize(spec.steps))
    suffix = path.suffix.lower()
    if spec.text is not None and suffix in TABLES:
        return sentences.read_sentences(path, sentences.Columns(spec.text, spec.label or "", spec.split, spec.groups))
    if suffix == ".csv":
        return rows.read_features(path, spec.label or "", spec.recording, spec.group_columns)
    if suffix == ".npz":
        return preparing.with_channels(npz.read_npz(path), spec.steps)
    raise UserError(str(path), f"is a {suffix or 'nameless'} file, which is not read", KINDS)


def content_digest(spec: DataSpec, find: Find, cache: Path, raw: Raw | None) -> str:
    """SHA-256 over the bytes of the files, or of the arrays that a function returned."""
    total = hashlib.sha256()
    for name, part in contents(spec, find, cache, raw):
        total.update(f"{name}\0{part}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def contents(spec: DataSpec, find: Find, cache: Path, raw: Raw | None) -> Iterator[tuple[str, str]]:
    """List (name, SHA-256) of everything that the data is made of."""
    if isinstance(spec.prepare, Prepare) and spec.prepare.tokenizer is not None:
        yield "tokenizer", hashlib.sha256(files.read(find(spec.prepare.tokenizer), limits.JSON_BYTES)).hexdigest()
    if spec.load is not None and raw is not None:
        yield "function", spec.load.fingerprint(find)
        yield "class_names", repr(raw.class_names)
        for axis, table in (("x", raw.x), ("y", raw.y)):
            for part, array in table.items():
                held = words_of(array) if array.dtype.hasobject else array.tobytes()
                yield f"{axis} {part} {array.dtype.str} {array.shape}", hashlib.sha256(held).hexdigest()
        for part, columns in raw.groups.items():
            for name, column in columns.items():
                yield f"group {part} {name}", hashlib.sha256(repr(column.tolist()).encode()).hexdigest()
        return
    if spec.name is not None:
        found = {str(index): path for index, path in enumerate(known_datasets.files(spec.name, cache))}
    else:
        found = own_files(find(spec.path or ""))
    for name, path in found.items():
        with files.opened(path, limits.DATA_BYTES) as file:
            yield name, hashlib.file_digest(file, "sha256").hexdigest()


def words_of(array: NDArray[Any]) -> bytes:
    """Give Python objects as bytes: their own are addresses, which differ from process to process.

    Only text among them can be an example or a label; what else there is will be refused.
    """
    shown = (str.__repr__(each) if isinstance(each, str) else type(each).__name__ for each in array.ravel().tolist())
    return f"[{', '.join(shown)}]".encode()


def own_files(path: Path) -> dict[str, Path]:
    """Return the file itself, or the images of a folder by their place in it."""
    if not path.is_dir():
        return {"": path}

    return {file.relative_to(path).as_posix(): file for file in reading.listed(path)}


def seal(spec: DataSpec, content: str) -> str:
    """Join the data's digest with the keys that shape its splits and inputs."""
    added = {"recording", "groups"}
    places: set[str] = {"name", "path", "load", "prepare", "rate", "sample_bits", *added}
    keys = spec.model_dump(mode="json", exclude=places)
    keys["prepare"] = spec.prepare.model_dump(exclude={"tokenizer"}) if isinstance(spec.prepare, Prepare) else None
    # Keys that came later enter where they are given, so that data that never had them keeps its digest.
    keys |= {key: value for key, value in spec.model_dump(mode="json", include=added).items() if value}
    if spec.steps:
        keys["prepare"] = [step.model_dump(mode="json") for step in spec.steps]
    if spec.sensor is not None:
        keys["sensor"] = spec.sensor
    return hashlib.sha256(f"{content}\n{json.dumps(keys, sort_keys=True)}".encode()).hexdigest()


def unreadable(spec: DataSpec, error: OSError) -> UserError | MachineError:
    """Say which file cannot be read: by its own fault, or the machine's."""
    return files.unreadable(str(error.filename or title(spec)), error)
