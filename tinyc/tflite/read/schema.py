"""The one door to the TensorFlow Lite flatbuffer schema, which several packages carry as generated Python."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

from tinyc.core.errors import MachineError

CARRIERS = (
    ("tflite_micro", "tensorflow/lite/micro/python/schema_py_generated.py"),
    ("ai_edge_litert", "schema_py_generated.py"),
    ("tensorflow", "lite/python/schema_py_generated.py"),
)


@functools.cache
def schema() -> Any:
    """Load the generated schema by its file, so that no package around it (TensorFlow above all) is imported.

    Raises:
        MachineError: none of the packages that carry it is installed.
    """
    for package, file in CARRIERS:
        found = importlib.util.find_spec(package)
        for folder in (found.submodule_search_locations or []) if found else []:
            if (path := Path(folder) / file).is_file():
                return load_module(path)
    names = ", ".join(name for name, _ in CARRIERS)
    raise MachineError("the TensorFlow Lite schema", f"is in none of {names}", "pip install tflite-micro")


def load_module(path: Path) -> Any:
    """Run one generated file as a module of its own."""
    spec = importlib.util.spec_from_file_location("tinyc_tflite_schema", path)
    if spec is None or spec.loader is None:
        raise MachineError(str(path), "cannot be imported", "install tflite-micro again")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def op_names() -> dict[int, str]:
    """Builtin operator names by code, e.g. 3 -> CONV_2D."""
    return {code: name for name, code in vars(schema().BuiltinOperator).items() if isinstance(code, int)}


@functools.cache
def type_names() -> dict[int, str]:
    """Tensor types by code in lower case, e.g. 9 -> int8."""
    return {code: name.lower() for name, code in vars(schema().TensorType).items() if isinstance(code, int)}
