"""`tinyc predict`: one example through the artifact, by the runtime that the device has."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.cli.inspection import read_file
from tinyc.errors import UserError
from tinyc.interpreters.flatbuffer import describe
from tinyc.interpreters.pool import Pool
from tinyc.report.samples import probabilities
from tinyc.report.views import Views
from tinyc.report.write import read

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
SHOWN = 5
UNREADABLE = (ValueError, OSError, EOFError, SyntaxError)


def run(file: Path, example: Path, scale: float | None, offset: float | None, as_json: bool) -> str:
    """Predict the class of one example; class names and scale come from the run that the file lies in."""
    content = read_file(file)
    described = describe(content, str(file))
    if len(described.inputs) != 1:
        raise UserError(str(file), f"has {len(described.inputs)} inputs", "give a network of one input")
    views = run_of(file)
    raw = load_example(example, described.inputs[0].shape[1:])
    x = raw * (views.scale if scale is None else scale) + (views.offset if offset is None else offset)
    with Pool(1) as pool:
        outputs = pool.run(content, x[None], "tflm", str(file)).outputs[0].ravel()
    shares = (
        outputs if abs(float(outputs.sum()) - 1) < 0.05 and (outputs >= 0).all() else probabilities(outputs[None])[0]
    )
    names = views.classes if len(views.classes) == len(outputs) else tuple(f"class {i}" for i in range(len(outputs)))
    ranked = sorted(zip(names, map(float, shares), strict=True), key=lambda pair: -pair[1])
    if as_json:
        return json.dumps({"prediction": ranked[0][0], "probabilities": dict(ranked)}, indent=1)
    return "\n".join(f"{share:7.2%}  {name}" for name, share in ranked[:SHOWN])


def run_of(file: Path) -> Views:
    """What the run folder around the file says of it; nothing where there is none."""
    if not (file.parent / "report.json").is_file():
        return Views()
    return read(file.parent)[1] or Views()


def load_example(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read an image, an array or a row of numbers as float32, and give it the input's shape.

    A flat row is folded to it; of an array of several axes only those of length 1 may be missing or too many.

    Raises:
        UserError: it cannot be read, holds no finite numbers, or has another shape.
    """
    read_file(path)
    suffix = path.suffix.lower()
    try:
        found = picture(path, shape) if suffix in PICTURES else array(path, suffix)
    except UNREADABLE as error:
        raise UserError(str(path), f"cannot be read: {error}", "give an image, a .npy array or a .csv row") from error
    sides = [[side for side in each if side != 1] for each in (found.shape, shape)]
    if found.size != math.prod(shape) or (len(sides[0]) > 1 and sides[0] != sides[1]):
        problem = f"has shape {found.shape}, but the network takes {shape}"
        raise UserError(str(path), problem, "give one example of the network's input shape")
    if found.dtype.kind not in "biuf" or not np.isfinite(found).all():
        raise UserError(str(path), "holds something else than finite numbers", "give plain numbers")
    return found.astype(np.float32).reshape(shape)


def picture(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read an image in the network's channels; its size must be right already."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB" if shape[-1:] == (3,) else "L"))
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error


def array(path: Path, suffix: str) -> NDArray[Any]:
    if suffix == ".npy":
        found: Any = np.load(path, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            raise ValueError("it holds several arrays")
        return found
    return np.loadtxt(path, delimiter=",", dtype=np.float32, ndmin=1)
