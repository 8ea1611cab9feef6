"""The schema of `[data]`: one source, sensible amounts, no numpy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from tinyc.data.spec import DataSpec


@pytest.mark.parametrize(
    "table",
    [
        {"name": "fashion-mnist"},
        {"path": "x.npz", "scale": 0.5, "offset": -1},
        {"path": "rows.CSV", "label": "kind", "metric": "f1"},
        {"load": "data.py:moons", "validation": 0.2},
        {"load": {"build": "data.py:moons", "noise": 0.1}, "validation": 50, "calibration": 20},
    ],
)
def test_accepts(table: dict[str, object]) -> None:
    DataSpec.model_validate(table)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "exactly one of name, path and load says where the data is; none given"),
        ({"name": "fashion-mnist", "path": "x.npz"}, "name and path given"),
        ({"name": "fashion-minst"}, "did you mean 'fashion-mnist'?"),
        ({"name": "zzz"}, "known are fashion-mnist, fashion-mnist-full"),
        ({"path": "rows.csv"}, "say which column holds the label"),
        ({"path": "x.npz", "label": "kind"}, "speaks of a .csv's column"),
        ({"path": "x.npz", "scale": 0}, "scale 0 would make all examples equal"),
        ({"path": "x.npz", "scale": float("nan")}, "finite"),
        ({"path": "x.npz", "validation": 1.5}, "1.5 is no fraction"),
        ({"path": "x.npz", "validation": 0}, "0 examples cannot validate"),
        ({"path": "x.npz", "validation": True}, "valid integer"),
        ({"path": "x.npz", "calibration": 0}, "greater than or equal to 1"),
        ({"path": "x.npz", "metric": "recall"}, "'accuracy', 'f1' or 'auc'"),
        ({"path": "x.npz", "shuffle": True}, "Extra inputs are not permitted"),
        ({"load": "data.py"}, "is not of the form 'file.py:function'"),
    ],
)
def test_refuses(table: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        DataSpec.model_validate(table)
    assert message in str(caught.value)


def test_imports_nothing_heavy() -> None:
    code = (
        "import sys, tinyc.data, tinyc.data.spec, tinyc.data.augment\n"
        "print([name for name in ('numpy', 'tensorflow', 'PIL', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
