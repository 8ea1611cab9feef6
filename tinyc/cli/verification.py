"""`tinyc verify`: any artifact under every runtime that is installed, on real or random inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from tinyc import cache, data, ledger, units
from tinyc.cli.inspection import read_file
from tinyc.data.named import NAMED
from tinyc.data.spec import DataSpec
from tinyc.errors import UserError
from tinyc.interpreters.description import Tensor
from tinyc.interpreters.flatbuffer import describe
from tinyc.interpreters.pool import Pool
from tinyc.interpreters.quantization import dequantize
from tinyc.report.terminal import open_screen

NAMES = {"tflm": "TensorFlow Lite Micro", "reference": "reference kernels", "fast": "fast kernels"}


def run(file: Path, source: str | None, examples: int, scale: float | None, offset: float | None, as_json: bool) -> int:
    """Compare the runtimes; 0 where they agree as they should, else 1."""
    content = read_file(file)
    described = describe(content, str(file))
    if len(described.inputs) != 1:
        raise UserError(str(file), f"has {len(described.inputs)} inputs", "give a network of one input")
    labels = None
    if source:
        inputs, labels = test_data(source, scale, offset)
    else:
        inputs = random_inputs(described.inputs[0], examples)
    with Pool() as pool:
        found = ledger.compare(content, inputs, pool, labels=labels, where=str(file), shown=open_screen(quiet=as_json))
    click.echo(json.dumps(found, indent=1) if as_json else "\n".join(text(found, "test" if source else "random")))
    code = 0 if found["agreed"] else 1
    click.echo(f"tinyc: exit {code} ({'the runtimes agree' if found['agreed'] else 'the runtimes disagree'})", err=True)
    return code


def test_data(source: str, scale: float | None, offset: float | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """The test split of a dataset by name or path, as the network sees it."""
    spec = (
        DataSpec(name=source, scale=scale, offset=offset)
        if source in NAMED
        else DataSpec(path=source, scale=scale, offset=offset)
    )

    def find(path: str) -> Path:
        if not Path(path).exists():
            raise UserError(
                "--data", f"{path!r} does not exist", f"give a file, a folder, or one of {', '.join(NAMED)}"
            )
        return Path(path)

    dataset = data.load(spec, find, cache.folder(), 0)
    return data.inputs(dataset.test.x, dataset.task), dataset.test.y


def random_inputs(tensor: Tensor, examples: int) -> NDArray[Any]:
    """Uniform inputs over all that the input tensor can hold; the same each time."""
    random = np.random.default_rng(0)
    shape = (examples, *tensor.shape[1:])
    if not tensor.scales:
        return random.normal(size=shape).astype(np.float32)
    limits = np.iinfo(np.dtype(tensor.dtype))
    return dequantize(random.integers(limits.min, limits.max, shape, endpoint=True).astype(tensor.dtype), tensor)


def text(found: dict[str, Any], kind: str) -> list[str]:
    """The comparison for people."""
    lines = [f"{found['examples']:,} {kind} examples"]
    for name, each in found["runtimes"].items():
        if each is None:
            lines.append(f"  {NAMES[name]:22} not installed here: unmeasured")
            continue
        accuracy = "" if each["accuracy"] is None else f", accuracy {each['accuracy']:.2%}"
        lines.append(f"  {NAMES[name]:22} {each['version']}{accuracy}, {units.show_seconds(each['seconds'])}")
    for each in found["differences"]:
        lines.append(f"  {NAMES[each['left']]} against {NAMES[each['right']]}: {verdict(each)}")
    arena = "not measured" if found["arena_bytes"] is None else f"{found['arena_bytes']:,} B"
    lines.append(f"  arena {arena}; ops {', '.join(f'{name} x{count}' for name, count in found['ops'].items())}")
    return lines if found["agreed"] else [*lines, f"  disagreement: {found['why']}"]


def verdict(each: dict[str, Any]) -> str:
    """One pair of runtimes."""
    if each["examples"] is None:
        return "unmeasured"
    if not each["examples"]:
        return "equal to the bit"
    first = f", first after {each['first_op']['where']}" if each["first_op"] else ""
    steps = f"by at most {each['max_steps']} steps; {each['top1']} change class{first}"
    return f"{each['examples']:,} examples differ, {steps}"
