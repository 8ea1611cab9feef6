"""What an .h5 that came from elsewhere must not hold: a way to other files, or to code.

HDF5 can take a dataset's bytes from another file (external storage, virtual datasets, links), and Keras takes classes
and functions from any module that a configuration names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinyc.errors import UserError

MODULES = re.compile(
    r"builtins|tinyc\.blocks|(tf_)?keras(\.(src|engine|layers|initializers|regularizers|constraints|activations|mixed_precision)[\w.]*)?"
)
READING = ("TextVectorization", "StringLookup", "IntegerLookup")
"""Layers whose vocabulary may be the name of a file."""
CALLING = ("ClassMethod", "InstanceMethod", "InstanceProperty")
FUNCTION_LAYERS = ("TFOpLambda", "SlicingOpLambda")
FUNCTIONS = re.compile(
    r"(math|nn|linalg|__operators__)\.[\w.]+|cast|clip_by_value|concat|expand_dims|gather|identity|pad|reshape|reverse"
    r"|shape|slice|split|squeeze|stack|strided_slice|tile|transpose|unstack|zeros_like|ones_like"
)
SPARE_BYTES = 1 << 20
REMEDY = "run the same version of tinyc on the server and on every client, and build the network from Keras' layers"


def refuse(path: Path, where: str) -> None:
    """Refuse an .h5 that reaches out of itself, is no network of Keras 2, or unpacks to more than it weighs.

    Raises:
        UserError: it does.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            problem = reaching(file, path.stat().st_size) or of_configuration(file)
    except (OSError, RuntimeError, ValueError, KeyError, RecursionError) as error:
        problem = f"is damaged: {error}"
    if problem:
        raise UserError(where, f"the network {problem}", REMEDY)


def reaching(file: Any, size: int) -> str | None:
    """Say which link or dataset leads out of the file, or that the datasets are more than the file can hold."""
    import h5py

    seen, waiting, total = set(), [file], 0
    while waiting:
        group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                return f"holds the link {name!r} to another place"
            item = group[name]
            number = h5py.h5o.get_info(item.id).addr
            if number in seen:
                continue
            seen.add(number)
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
                return f"holds {name!r}, whose content lies in another file"
            else:
                total += item.size * item.dtype.itemsize
    return f"unpacks to {total} bytes, and the file has {size}" if total > 2 * size + SPARE_BYTES else None


def of_configuration(file: Any) -> str | None:
    """Say what in a network's configuration could run or read something else."""
    version = text(file.attrs.get("keras_version", ""))
    if not version.startswith("2"):
        return f"is of Keras {version[:20] or '?'}, and clients read Keras 2"
    for table in tables(json.loads(text(file.attrs.get("model_config", "null")))):
        module, kind = table.get("module"), table.get("class_name")
        if kind == "Lambda":
            return "has a Lambda, which carries code"
        if isinstance(module, str) and not MODULES.fullmatch(module):
            return f"takes something from the module {module[:80]!r}"
        if kind in READING or kind in CALLING:
            return f"has a {kind}, which could read other files"
        if kind in FUNCTION_LAYERS and not named_function(table.get("config")):
            return f"has a {kind} of a function that clients do not run"
    return None


def named_function(config: Any) -> bool:
    """Tell whether a layer around a function of TensorFlow is one of arithmetic."""
    name = config.get("function") if isinstance(config, dict) else None
    return isinstance(name, str) and FUNCTIONS.fullmatch(name) is not None


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def tables(value: Any) -> Iterator[dict[str, Any]]:
    """All tables inside a JSON value."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
        waiting += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
