"""`tinyc predict`: an example or sentences through the artifact, by the runtime that the device has."""

from __future__ import annotations

import io
import json
import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core import files, limits, streams
from tinyc.core.errors import TinycError, UserError
from tinyc.data import npy
from tinyc.data.images import reading
from tinyc.data.scaling import require_columns, scaled
from tinyc.data.tokens import Tokenizer
from tinyc.report.answers import Answer
from tinyc.report.answers import interpret_output as read_answer
from tinyc.report.views import Views
from tinyc.report.write import read_report
from tinyc.run.fronts import front_beside
from tinyc.run.sentences import sentences, table_rows, takes_ids, tokenizer_beside
from tinyc.spec.amounts import Scaling
from tinyc.tflite.read.description import Description
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.divergence import with_output
from tinyc.tflite.run.pool import Pool

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
GIVE = "give an image, a .npy array or a .csv row"


@dataclass(frozen=True)
class Asked:
    """What goes into the network, (examples, *input shape), and its sentences, where it takes some."""

    inputs: NDArray[Any]
    sentences: tuple[str, ...] = ()
    is_list: bool = False


def predict(file: Path, example: str, scale: Scaling | None, offset: Scaling | None, as_json: bool) -> None:
    """Predict from one example; class names and scale come from the run that the file lies in."""
    content = files.read(file, limits.NETWORK_BYTES)
    described = describe(content, str(file))
    if len(described.inputs) != 1:
        raise UserError(str(file), f"has {len(described.inputs)} inputs", "give a network of one input")
    views = run_of(file) or Views()
    if takes_ids(described.inputs[0]) and (scale, offset) != (None, None):
        raise UserError("--scale and --offset", "are for numbers, and the network takes token ids", "leave them out")
    tokenizer = tokenizer_beside(file, described)
    if tokenizer is not None and not example.lower().endswith(".npy"):
        asked = tokenized(tokenizer, example)
    else:
        asked = read_example(file, example, described, views, scale, offset)
    answers = answered(content, described, asked, views.classes, str(file))
    streams.give(as_table(answers, asked) if as_json else as_text(answers, asked), as_json)


def answered(
    content: bytes, described: Description, asked: Asked, classes: tuple[str, ...], where: str
) -> list[list[Answer]]:
    """Run the examples: what each output says, by example. Of several outputs each is run for as the only one."""
    found = []
    with Pool(1) as pool:
        for output in described.outputs:
            cut = content if len(described.outputs) == 1 else with_output(content, output.index)
            run = pool.run(cut, asked.inputs, "tflm", where)
            values = run.outputs if output.scales else run.raw
            found.append([read_answer(each, output, described, classes) for each in values])
    return [list(each) for each in zip(*found, strict=True)]


def tokenized(tokenizer: Tokenizer, given: str) -> Asked:
    """Turn what was typed into token ids; what is too long is cut, and said."""
    found, is_list = sentences(given)
    for sentence, length in zip(found, tokenizer.lengths(found), strict=True):
        if length > tokenizer.length:
            streams.note(f"cut from {length} to {tokenizer.length} tokens: {sentence[:60]}")
    return Asked(tokenizer.encode(found), tuple(found), is_list)


def read_example(
    file: Path, given: str, described: Description, views: Views, scale: Scaling | None, offset: Scaling | None
) -> Asked:
    """Read an image, array or row; token ids are taken as they are, everything else is scaled."""
    shape = described.inputs[0].shape[1:]
    if takes_ids(described.inputs[0]):
        if not Path(given).suffix:
            problem = "takes token ids, and no tokenizer.json lies beside it"
            raise UserError(str(file), problem, "name the file in its run folder, or give the ids as .npy or .csv")
        return Asked(token_ids(Path(given), shape, table_rows(described))[None])
    front = front_beside(file, shape)
    raw = load_example(Path(given), front.input_shape if front else shape)
    scale, offset = views.scale if scale is None else scale, views.offset if offset is None else offset
    require_columns(given, raw.shape, scale, offset)
    x = scaled(raw, scale, offset)
    return Asked(front.apply(x[None]) if front else x[None])


def token_ids(path: Path, shape: tuple[int, ...], rows: int) -> NDArray[np.int32]:
    """Read ids; `rows` says how many there are, 0 that it is not known.

    Raises:
        UserError: one is not a whole number, or has no row in the network's table.
    """
    found = load_example(path, shape)
    last = (rows or np.iinfo(np.int32).max) - 1
    if (found != np.floor(found)).any() or found.min() < 0 or found.max() > last:
        problem = f"holds something else than token ids from 0 to {last}"
        raise UserError(str(path), problem, "give the ids of the network's own tokenizer")
    return found.astype(np.int32)


def as_table(answers: list[list[Answer]], asked: Asked) -> str:
    """JSON: one table, or a list of them for a list of sentences; several outputs are a list in it."""
    tables = [
        each[0].table() if len(each) == 1 else {"outputs": [answer.table() for answer in each]} for each in answers
    ]
    if asked.is_list:
        return json.dumps(
            [{"text": text, **table} for text, table in zip(asked.sentences, tables, strict=True)], indent=1
        )
    return json.dumps(tables[0], indent=1)


def as_text(answers: list[list[Answer]], asked: Asked) -> str:
    """Return what one example gives, output by output, or one line a sentence."""
    if not asked.is_list:
        if len(answers[0]) == 1:
            return answers[0][0].text()
        return "\n".join(f"output {place}\n{answer.text()}" for place, answer in enumerate(answers[0]))
    lines = [" | ".join(answer.line() for answer in each) for each in answers]
    width = max(map(len, lines))
    return "\n".join(f"{line:{width}}  {text}" for line, text in zip(lines, asked.sentences, strict=True))


def run_of(file: Path) -> Views | None:
    """Return what the run folder around the file says of it; None where there is none."""
    return read_report(file.parent)[1] if (file.parent / "report.json").is_file() else None


def load_example(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read an image, an array or a row of numbers as float32, and give it the input's shape.

    A flat row is folded to it; of an array of several axes only those of length 1 may be missing or too many.

    Raises:
        UserError: it cannot be read, holds no finite numbers, or has another shape.
    """
    where = str(path)
    if not os.path.lexists(path):
        raise UserError(where, "there is no such file", GIVE)
    try:
        found = picture(path, shape) if path.suffix.lower() in PICTURES else array(path, shape)
    except TinycError:
        raise
    except Exception as error:  # damaged bytes make NumPy raise of all kinds
        raise UserError(where, f"cannot be read: {error}", GIVE) from error
    require_shape(where, found.shape, shape)
    if found.dtype.kind not in "biuf" or not np.isfinite(found).all():
        raise UserError(where, "holds something else than finite numbers", "give plain numbers")
    return found.astype(np.float32).reshape(shape)


def require_shape(where: str, given: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Refuse an example of another shape than the network's."""
    sides = [[side for side in each if side != 1] for each in (given, shape)]
    if math.prod(given) != math.prod(shape) or (len(sides[0]) > 1 and sides[0] != sides[1]):
        problem = f"has shape {given}, but the network takes {shape}"
        raise UserError(where, problem, "give one example of the network's input shape")


def picture(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read an image in the network's channels; its size must be right already."""
    channels = (3,) if shape[-1:] == (3,) else ()
    with reading.open_image(path) as image:
        require_shape(str(path), (*image.size[::-1], *channels), shape)
        return np.asarray(image.convert("RGB" if channels else "L"))


def array(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read an .npy, whose header is judged first, or rows of numbers with commas between them."""
    if path.suffix.lower() != ".npy":
        text = files.read_text(path, limits.JSON_BYTES)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is empty
            return np.loadtxt(io.StringIO(text), delimiter=",", dtype=np.float32, ndmin=1)
    with files.opened(path, limits.EXAMPLE_BYTES) as stream:
        header = npy.read_header(stream, str(path))
        header.require_values(str(path), os.fstat(stream.fileno()).st_size)
        require_shape(str(path), header.shape, shape)
        stream.seek(0)
        return npy.read_values(stream, header, str(path))
