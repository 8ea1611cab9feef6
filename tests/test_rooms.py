"""The house: a room imports only from the rooms before it, no import goes in a circle, TensorFlow has one door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import tinyc

PACKAGE = Path(tinyc.__file__).parent
ROOMS = (
    "core", "devices", "spec", "data", "tflite", "network", "tasks", "measure", "training", "compression",
    "quantization", "codegen", "analysis", "federation", "report", "run", "cli",
)  # fmt: skip
HEAVY = {"tensorflow", "tf_keras", "tensorflow_model_optimization"}
MODULES = sorted(PACKAGE.rglob("*.py"))
ENDS = ("__init__.py", "__main__.py")


def imports(path: Path) -> Iterator[str]:
    """Every module or name that a file imports: at its top, in a function, or for types alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(path: Path) -> str:
    """Name the module that a file is."""
    parts = ("tinyc", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {dotted(path) for path in MODULES}


def module_of(name: str) -> str | None:
    """Find the module of tinyc that an imported name is, or is defined in."""
    while name and name not in NAMES:
        name = name.rpartition(".")[0]
    return name or None


def test_the_rooms_are_those_that_stand_here() -> None:
    found = {path.stem for path in PACKAGE.iterdir() if path.name not in (*ENDS, "__pycache__")}
    assert found == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if own in ("__init__", "__main__"):
        return
    for name in imports(path):
        _, _, rest = name.partition("tinyc.")
        other = rest.split(".")[0]
        if name.startswith("tinyc.") and other in ROOMS:
            assert ROOMS.index(other) <= ROOMS.index(own), f"{own} comes before {other}, and imports {name}"


def test_no_import_goes_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        found = {module_of(name) for name in imports(path) if name.split(".")[0] == "tinyc"}
        graph[dotted(path)] = {name for name in found if name and name != dotted(path)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_tensorflow_enters_through_one_door(path: Path) -> None:
    if path.name == "backend.py":
        return
    found = {name for name in imports(path) if name.split(".")[0] in HEAVY}
    assert not found, f"{path} imports {found}; use tinyc.network.backend"


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def inside_functions(path: Path) -> Iterator[str]:
    """Every line of a file that imports within a function."""
    text = path.read_text()
    found = {
        inner.lineno
        for outer in ast.walk(ast.parse(text))
        if isinstance(outer, FUNCTIONS)
        for inner in ast.walk(outer)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    }
    yield from (text.splitlines()[number - 1].strip() for number in sorted(found))


def test_an_import_in_a_function_has_its_reason_beside_it() -> None:
    """Modules import at their top what they use; few cannot, and say why."""
    found = [(path.relative_to(PACKAGE), line) for path in MODULES for line in inside_functions(path)]
    assert [each for each in found if "  # " not in each[1]] == []
    assert len(found) < 60
