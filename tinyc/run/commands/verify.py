"""`tinyc verify`: any artifact under every runtime that is installed, on real or random inputs."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from tinyc import measure
from tinyc.core import cache, files, limits, streams, units
from tinyc.core.errors import UserError
from tinyc.data.inputs import inputs
from tinyc.data.loading import load_dataset
from tinyc.data.signals.front import Front
from tinyc.data.tokens import Language, Tokenizer
from tinyc.report.terminal import open_screen
from tinyc.run.commands.predict import run_of
from tinyc.run.fronts import front_beside
from tinyc.run.sentences import table_rows, takes_ids, tokenizer_beside
from tinyc.spec.amounts import Scaling
from tinyc.spec.data import DataSpec
from tinyc.spec.datasets import NAMED
from tinyc.spec.passes.verify import Compared, Difference
from tinyc.spec.sentences import Prepare
from tinyc.tflite.read.description import Description
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.quantization import dequantize, is_quantized
from tinyc.tflite.run.output_difference import FLOAT_STEP
from tinyc.tflite.run.pool import Pool, undriven

NAMES = {"tflm": "TensorFlow Lite Micro", "reference": "reference kernels", "fast": "fast kernels"}


def verify(
    file: Path,
    source: str | None,
    examples: int,
    scale: Scaling | None,
    offset: Scaling | None,
    sequence: bool,
    as_json: bool,
) -> int:
    """Compare the runtimes; 0 where they agree as they should, else 1."""
    content = files.read(file, limits.NETWORK_BYTES)
    described = describe(content, str(file))
    if len(described.inputs) != 1:
        raise UserError(str(file), f"has {len(described.inputs)} inputs", "give a network of one input")
    labels = None
    if source:
        tokenizer = tokenizer_beside(file, described)
        taken = tuple(described.inputs[0].shape[1:])
        front = front_beside(file, taken)
        views = run_of(file) if tokenizer is None else None
        if views is not None:
            scale, offset = views.scale if scale is None else scale, views.offset if offset is None else offset
        inputs, labels = test_data(source, scale, offset, tokenizer, str(file), front, taken)
    else:
        inputs = random_inputs(described, examples, str(file))
    with Pool() as pool:
        screen = open_screen(quiet=as_json)
        found = measure.compare(content, inputs, pool, labels=labels, where=str(file), shown=screen, sequence=sequence)
    shown = json.dumps(found, indent=1) if as_json else "\n".join(text(found, "test" if source else "random"))
    streams.give(shown, as_json)
    code = 0 if found["agreed"] else 1
    streams.note(f"tinyc: exit {code} ({'the runtimes agree' if found['agreed'] else 'the runtimes disagree'})")
    return code


def test_data(
    source: str,
    scale: Scaling | None,
    offset: Scaling | None,
    tokenizer: Tokenizer | None,
    where: str,
    front: Front | None,
    taken: tuple[int, ...],
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Load the test split of a dataset by name or path, as the network sees it; sentences need a tokenizer.

    Args:
        taken: the shape of one example as the file takes it.
    """
    is_text = source in NAMED and NAMED[source].is_text
    if is_text and tokenizer is None:
        problem = f"{source} is text, and the artifact is not one for token ids with its tokenizer.json beside it"
        raise UserError(where, problem, "name the artifact in its run folder")
    if tokenizer is not None and not is_text:
        named = " or ".join(name for name, each in NAMED.items() if each.is_text)
        raise UserError(where, f"takes sentences, and {source} is not known to be text", f"give --data {named}")
    prepare = Prepare(tokens=tokenizer.length) if tokenizer is not None else None
    language = Language(tokenizer.definition) if tokenizer is not None else None
    dataset = load_dataset(spec_of(source, scale, offset, prepare), found, cache.folder(), 0, language)
    if tuple(dataset.task.input_shape) == (*taken, 1):
        dataset = dataset.without_channel()
    given = tuple(dataset.task.input_shape)
    if front is not None and front.input_shape != given:
        problem = f"takes windows of shape {front.input_shape} before its preprocessing and was given {given}"
        raise UserError(where, problem, "give the windows that the network was made for, as x and y of an .npz")
    return inputs(dataset.test.x, replace(dataset.task, front=front)), dataset.test.y


def spec_of(source: str, scale: Scaling | None, offset: Scaling | None, prepare: Prepare | None) -> DataSpec:
    """Say `--data` as a recipe does.

    Raises:
        UserError: the data cannot be said on the command line, as a .csv with its columns.
    """
    place = {"name": source} if source in NAMED else {"path": source}
    try:
        return DataSpec.model_validate({**place, "scale": scale, "offset": offset, "prepare": prepare})
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UserError("--data", problem, "give a dataset's name, an .npz or a folder of images") from error


def found(path: str) -> Path:
    """Look a path of the command line up."""
    if not Path(path).exists():
        raise UserError("--data", f"{path!r} does not exist", f"give a file, a folder, or one of {', '.join(NAMED)}")
    return Path(path)


def random_inputs(described: Description, examples: int, where: str = "the artifact") -> NDArray[Any]:
    """Uniform inputs over all that the input tensor can hold, or all ids of its table; the same each time."""
    random = np.random.default_rng(0)
    if problem := undriven(described):
        raise UserError(where, problem, "give a network of one input, with a batch of 1, and one output")
    tensor = described.inputs[0]
    shape = (examples, *tensor.shape[1:])
    size = math.prod(shape) * np.dtype(np.float32).itemsize
    if size > limits.RANDOM_BYTES:
        problem = f"{examples:,} random examples of shape {tensor.shape[1:]} take {units.show_bytes(size)}"
        remedy = f"give fewer: at most {units.show_bytes(limits.RANDOM_BYTES)} are drawn"
        raise UserError(where, problem, remedy)
    if takes_ids(tensor):
        rows = table_rows(described)
        if not rows:
            problem = "takes int32, and no GATHER says which ids exist"
            raise UserError(where, problem, "give real inputs: --data NAME|PATH")
        return random.integers(0, rows, shape, dtype=np.int32)
    if not is_quantized(tensor):
        return random.normal(size=shape).astype(np.float32)
    span = np.iinfo(np.dtype(tensor.dtype))
    return dequantize(random.integers(span.min, span.max, shape, endpoint=True).astype(tensor.dtype), tensor)


def text(found: Compared, kind: str) -> list[str]:
    """Write the comparison for people."""
    lines = [f"{found['examples']:,} {kind} examples"]
    for name, each in found["runtimes"].items():
        if each is None:
            lines.append(f"  {NAMES[name]:22} not installed here: unmeasured")
            continue
        accuracy = "" if each["accuracy"] is None else f", accuracy {each['accuracy']:.2%}"
        lines.append(f"  {NAMES[name]:22} {each['version']}{accuracy}, {units.show_seconds(each['seconds'])}")
    for pair in found["differences"]:
        lines.append(f"  {NAMES[pair['left']]} against {NAMES[pair['right']]}: {verdict(pair)}")
    arena = "not measured" if found["arena_bytes"] is None else f"{found['arena_bytes']:,} B"
    lines.append(f"  arena {arena}; ops {', '.join(f'{name} x{count}' for name, count in found['ops'].items())}")
    lines += [f"  {note}" for note in found["notes"] if note not in (found["why"] or "")]
    return lines if found["agreed"] else [*lines, f"  disagreement: {found['why']}"]


def verdict(each: Difference) -> str:
    """Write one pair of runtimes."""
    if each["examples"] is None:
        return "unmeasured"
    if not each["examples"]:
        return "equal to the bit" if each["identical"] else f"equal within {FLOAT_STEP:g} of the largest output"
    first = f", first after {each['first_op']['where']}" if each["first_op"] else ""
    moved = "" if each["top1"] is None else f"; {each['top1']} change class"
    since = f"from example {each['first_example']:,} on"
    return f"{each['examples']:,} examples differ, {since}, by at most {each['max_steps']} steps{moved}{first}"
