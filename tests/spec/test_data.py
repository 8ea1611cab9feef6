"""The schema of `[data]`: one source, sensible amounts, no numpy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from tinyc.spec.data import DataSpec


@pytest.mark.parametrize(
    "table",
    [
        {"name": "fashion-mnist"},
        {"path": "x.npz", "scale": 0.5, "offset": -1},
        {"path": "x.npz", "scale": "fit"},
        {"path": "x.npz", "scale": "fit", "offset": "fit"},
        {"path": "x.npz", "scale": [1, 0.5], "offset": 2},
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
        ({"name": "zzz"}, "known: fashion-mnist, fashion-mnist-full"),
        ({"path": "rows.csv"}, "say which column holds the label"),
        ({"path": "x.npz", "label": "kind"}, "names a column of a .csv"),
        ({"path": "x.npz", "scale": 0}, "scale = 0 would make all values equal"),
        ({"path": "x.npz", "scale": float("nan")}, "scale = nan is not finite"),
        ({"path": "x.npz", "offset": float("-inf")}, "offset = -inf is not finite"),
        ({"path": "x.npz", "scale": 1e-60}, "scale = 1e-60 would make all values equal"),
        ({"path": "x.npz", "scale": 10**400}, "is not a number of float32"),
        ({"path": "x.npz", "scale": True}, "scale = True is not a number of float32; give a number"),
        ({"path": "x.npz", "scale": "fitted"}, "scale = 'fitted' is not a number of float32"),
        ({"path": "x.npz", "scale": {}}, "scale = {} is not a number of float32"),
        ({"path": "x.npz", "scale": []}, "scale lists 0 numbers"),
        ({"path": "x.npz", "scale": [1.0] * 10_001}, "scale lists 10001 numbers; give 1 to 10,000"),
        ({"path": "x.npz", "scale": [1.0, 0.0]}, "scale[1] = 0.0 would make all values equal"),
        ({"path": "x.npz", "offset": [1.0, "x"]}, "offset[1] = 'x' is not a number of float32"),
        ({"path": "x.npz", "scale": [[1.0]]}, "scale[0] = [1.0] is not a number of float32"),
        ({"path": "x.npz", "scale": [1, 2], "offset": [1, 2, 3]}, "scale has 2 numbers and offset 3"),
        ({"path": "x.npz", "scale": "fit", "offset": 0}, "offset = 0.0 is another; leave offset out"),
        ({"path": "x.npz", "offset": "fit"}, 'write scale = "fit"'),
        ({"path": "x.csv", "text": "t", "label": "y", "scale": [1, 2]}, "scale and offset are for numbers"),
        ({"name": "movie-sentiment", "scale": "fit"}, "scale and offset are for numbers"),
        ({"path": "x.npz", "validation": 1.5}, "1.5 is not a fraction"),
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
        "import sys, tinyc.data, tinyc.spec.data, tinyc.spec.augmentations\n"
        "print([name for name in ('numpy', 'tensorflow', 'PIL', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
