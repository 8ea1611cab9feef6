"""Flower and Ray are imported by their adapter alone, at the top, and by nobody who has no federation to train."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinyc

PACKAGE = Path(tinyc.__file__).parent
ADAPTER = PACKAGE / "federation" / "flower"
MODULES = sorted(PACKAGE.rglob("*.py"))
LIBRARIES = {"flwr", "ray"}
WITH_A_REASON = {
    ("federation/privacy/ciphertexts.py", "tenseal"): "an extra of its own",
    ("federation/training.py", "tinyc.federation.flower"): "Ray, which one engine needs",
}


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def test_only_the_adapter_imports_flower_and_ray() -> None:
    found = [
        path
        for path in MODULES
        if ADAPTER not in path.parents
        and LIBRARIES & {name.split(".")[0] for name in imports(ast.parse(path.read_text()))}
    ]
    assert found == []


def test_the_federation_imports_at_the_top_but_for_a_reason() -> None:
    found = set()
    for path in (PACKAGE / "federation").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found |= {(str(path.relative_to(PACKAGE)), name) for name in imports(node)}
    assert found == set(WITH_A_REASON)


def test_private_names_of_flower_stand_in_one_file() -> None:
    """Its messages keep their numbers in `__dict__`, under a name with an underscore."""
    found = [str(path.relative_to(PACKAGE)) for path in MODULES if '__dict__["_' in path.read_text()]
    assert [path for path in found if path.startswith("federation/")] == ["federation/flower/messages.py"]


@pytest.mark.parametrize(
    "module", ["tinyc.cli", "tinyc.spec.load", "tinyc.federation.job", "tinyc.federation.terminals.keys"]
)
def test_what_needs_no_flower_does_not_import_it(module: str) -> None:
    script = f"import sys, {module}; print(sorted({{'flwr', 'ray'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
