"""The house stands: a module imports only from lower floors, or from the left on its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinyc

PACKAGE = Path(tinyc.__file__).parent
ROOMS = (
    # ground
    "descriptors", "interrupts", "limits", "errors", "scope", "spelling", "units", "files", "progress", "quiet",
    "targets", "backend",
    # first
    "cache", "tokens", "signals", "state", "blocks", "arithmetic", "selectors", "builders", "data", "contract",
    "sources", "interpreters",
    # second
    "privacy", "training", "pruning", "clustering", "factoring", "lowering", "federation", "ledger", "attack",
    "sensitivity", "diagnosis",
    # third
    "passes",
    # roof
    "recipe", "advice", "keys", "rundir", "newest", "report", "pipeline", "cli",
)  # fmt: skip
HEAVY = {"tensorflow", "tf_keras", "tensorflow_model_optimization"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(dotted: str) -> str | None:
    parts = dotted.split(".")
    return parts[1] if parts[0] == "tinyc" and len(parts) > 1 and parts[1] in ROOMS else None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_reach_down_or_left(path: Path) -> None:
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if own in ("__init__", "__main__"):
        return
    assert own in ROOMS, f"{own} stands on no floor"
    for name in imports(path):
        other = room(name)
        assert other is None or ROOMS.index(other) <= ROOMS.index(own), f"{own} imports {name} from above or the right"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_tensorflow_enters_through_one_door(path: Path) -> None:
    if path.name == "backend.py":
        return
    found = {name for name in imports(path) if name.split(".")[0] in HEAVY}
    assert not found, f"{path} imports {found}; use tinyc.backend"
