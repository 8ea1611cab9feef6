"""The steps as recipe keys: what they mean, and every wrong one with its message."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from tinyc.spec.passes import PASSES

AVERAGE = {"op": "denoise", "how": "moving_average"}
MEDIAN = {"op": "denoise", "how": "median"}
NORMALIZE = {"op": "normalize"}
REFUSED = [
    ([], "at least 1 item"),
    ([{"op": "smooth"}], "does not match any of the expected tags"),
    ([{"op": "denoise"}], "how"),
    ([{**AVERAGE, "taps": 4}], "only an odd number has a sample in its middle"),
    ([{**AVERAGE, "cutoff": 5}], '`cutoff` belongs to how = "lowpass"'),
    ([{**MEDIAN, "rate": 50}], '`rate` belongs to how = "lowpass"'),
    ([{**MEDIAN, "name": "haar"}], '`name` belongs to how = "wavelet"'),
    ([{"op": "denoise", "how": "wavelet", "taps": 5}], '`taps` belongs to how = "moving_average"'),
    ([{"op": "denoise", "how": "wavelet", "name": "bior2.2"}], "there are the wavelets haar, db1 to db38"),
    ([{"op": "denoise", "how": "lowpass"}], "needs `cutoff` in Hz"),
    ([{"op": "denoise", "how": "bandpass"}], "needs `band` in Hz"),
    ([{"op": "denoise", "how": "bandpass", "band": [5, 1]}], "does not rise"),
    ([{"op": "denoise", "how": "bandpass", "band": [0, 1]}], "take a lowpass"),
    ([{"op": "denoise", "how": "lowpass", "cutoff": 25, "rate": 50}], "25 Hz is not below half the rate of 50 Hz"),
    ([{"op": "pca"}], "one of `components` and `variance`"),
    ([{"op": "pca", "components": 2, "variance": 0.9}], "one of `components` and `variance`"),
    ([AVERAGE, NORMALIZE, AVERAGE], "2 filters stand after each other in the network"),
    ([MEDIAN, AVERAGE, AVERAGE], "2 filters stand after each other in the network"),
]


def made(steps):
    return PASSES["preprocess"].model_validate({"use": "preprocess", "steps": steps})


@pytest.mark.parametrize(("steps", "message"), REFUSED)
def test_wrong_steps(steps, message):
    with pytest.raises(ValidationError, match=message):
        made(steps)


def test_filters_before_a_median_are_not_folded_and_may_be_many():
    assert len(made([AVERAGE, AVERAGE, NORMALIZE, MEDIAN, AVERAGE]).steps) == 5


def test_a_recipe_is_read_without_any_library():
    code = (
        "import sys; from tinyc.spec.passes import PASSES\n"
        "PASSES['preprocess'].model_validate({'use': 'preprocess', 'steps': [{'op': 'normalize'}]})\n"
        "print([name for name in ('numpy', 'scipy', 'sklearn', 'pywt', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
