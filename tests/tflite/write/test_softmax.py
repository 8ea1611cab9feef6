"""Appending a softmax: the logits' own, under every runtime."""

from __future__ import annotations

import numpy as np
import pytest
from support import artifacts

from tinyc.core.errors import UserError
from tinyc.network.float_tflite import to_float_tflite
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.run.pool import Pool
from tinyc.tflite.write.softmax import append_softmax
from tinyc.tflite.write.strip import strip


def test_probabilities_are_the_softmax_of_the_logits():
    content, x = artifacts.content(), artifacts.samples(20)
    ended = append_softmax(content)
    assert describe(ended).outputs[0].scales == (1 / 256,)
    assert describe(ended).params == describe(content).params
    with Pool(1) as pool:
        for runtime in ("tflm", "reference", "fast"):
            logits = pool.run(content, x, runtime).outputs.astype(np.float64)
            expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            for file in (ended, strip(ended)):
                assert np.abs(pool.run(file, x, runtime).outputs - expected).max() <= 1 / 256


def test_a_float_artifact_is_refused():
    with pytest.raises(UserError, match="single int8 output"):
        append_softmax(to_float_tflite(artifacts.network()))
