"""What `check` refuses of `preprocess` because `[data]` already says that it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyc.core.errors import UserError
from tinyc.spec.load import load

RECIPE = """name = "t"
[source]
build = "models/sensor.py:resnet8"
train = {{ epochs = 1 }}
[data]
{data}
[[pass]]
use = "preprocess"
steps = [{{ op = "normalize" }}, {{ op = "denoise", {step} }}]
[[pass]]
use = "quantize"
"""
WATCH = 'name = "smartwatch-imu"'
OWN = 'path = "x.npz"\nprepare = [{ op = "window", length = 20, stride = 10 }]'


def read(folder: Path, data: str, step: str) -> None:
    path = folder / "r.toml"
    path.write_text(RECIPE.format(data=data, step=step))
    load(str(path))


@pytest.mark.parametrize(
    ("data", "step", "message"),
    [
        (WATCH, 'how = "lowpass", cutoff = 25.0', "pass.1.steps.2: 25 Hz is not below half the rate of 50 Hz"),
        (WATCH, 'how = "bandpass", band = [1.0, 30.0]', "30 Hz is not below half the rate of 50 Hz"),
        (WATCH, 'how = "lowpass", cutoff = 9.0, rate = 100', "has rate = 100, and the data 50 samples a second"),
        (OWN, 'how = "lowpass", cutoff = 9.0', "lowpass needs samples a second"),
        (OWN, 'how = "median", taps = 21', "pass.1.steps.2: has 21 taps, and a window 20 samples"),
        ('name = "movie-sentiment"', 'how = "median"', "pass.1: preprocess is for signals, and the data is text"),
        ('path = "x.tsv"\ntext = "t"\nlabel = "l"', 'how = "median"', "and the data is text"),
    ],
)
def test_refuses_what_the_data_rules_out(tmp_path: Path, data: str, step: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, data, step)
    assert message in str(caught.value)
    assert caught.value.remedy


def test_takes_what_may_be(tmp_path: Path) -> None:
    read(tmp_path, WATCH, 'how = "lowpass", cutoff = 24.0')
    read(tmp_path, OWN, 'how = "lowpass", cutoff = 9.0, rate = 50, taps = 19')
    read(tmp_path, OWN, 'how = "wavelet"')
    read(tmp_path, 'path = "x.npz"', 'how = "median", taps = 999')
