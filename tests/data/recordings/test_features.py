"""Log-mel spectra and MFCC against TensorFlow's and SciPy's own, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tinyc.core.errors import UserError
from tinyc.data.preparing import applied
from tinyc.data.recordings.features import cosines, filters
from tinyc.spec.sound import LogMel, Mfcc, edges, padded


def clips(count: int = 3, samples: int = 1600) -> Any:
    random = np.random.default_rng(0)
    time = np.arange(samples) / 8000
    tones = [np.sin(2 * np.pi * pitch * time) for pitch in (220, 900, 2500)][:count]
    return (np.stack(tones) * 0.5 + random.normal(0, 0.01, (count, samples))).astype(np.float32)


@pytest.mark.parametrize(
    "op", [Mfcc(rate=8000), Mfcc(rate=16000, window=25, hop=10, mels=26, coefficients=12, low=80, high=7000)]
)
def test_tensorflow_computes_the_same(op: Mfcc) -> None:
    import tensorflow as tf

    x = clips()
    size, hop = round(op.window * op.rate / 1000), round(op.hop * op.rate / 1000)
    high = op.high or op.rate / 2
    matrix = tf.signal.linear_to_mel_weight_matrix(op.mels, padded(op) // 2 + 1, op.rate, op.low, high, tf.float64)
    assert np.abs(filters(op) - matrix.numpy()).max() < 1e-9
    spectrum = tf.signal.stft(tf.cast(x, tf.float64), size, hop, padded(op))
    energies = tf.math.log(tf.maximum(tf.matmul(tf.abs(spectrum) ** 2, matrix), 1e-6))
    keys = op.model_dump(exclude={"op", "coefficients"})
    found = applied(LogMel(**keys), x)
    assert found.shape == (3, 1 + (1600 - size) // hop, op.mels, 1)
    assert found.dtype == np.float32
    assert np.abs(found[..., 0] - energies.numpy()).max() < 1e-4
    expected = tf.signal.mfccs_from_log_mel_spectrograms(energies)[..., : op.coefficients].numpy()
    cepstra = applied(op, x)
    assert cepstra.shape == (3, found.shape[1], op.coefficients, 1)
    assert cepstra.dtype == np.float32
    assert np.abs(cepstra[..., 0] - expected).max() < 1e-3


def test_scipy_transforms_the_same() -> None:
    from scipy.fft import dct

    energies = np.random.default_rng(1).normal(size=(5, 40))
    expected = dct(energies, type=2, norm="ortho")[:, :13]
    expected[:, 0] *= math.sqrt(2)
    assert np.allclose(energies @ cosines(40, 13), expected, atol=1e-5)


def test_a_tone_is_loudest_in_the_band_around_it() -> None:
    op = LogMel(rate=8000)
    loudest = applied(op, clips())[..., 0].mean(axis=1).argmax(axis=1)
    for band, pitch in zip(loudest, (220, 900, 2500), strict=True):
        left, _, right = (700 * (10 ** (edges(op)[band + i] / 2595) - 1) for i in range(3))
        assert left < pitch < right


def test_clips_with_a_channel_axis_and_in_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    op, x = Mfcc(rate=8000), clips()
    whole = applied(op, x)
    assert np.array_equal(applied(op, x[..., None]), whole)
    assert np.array_equal(applied(op, x[:, :, None, None]), whole)
    monkeypatch.setattr("tinyc.data.recordings.features.BLOCK", 1)
    assert np.allclose(applied(op, x), whole, atol=1e-5)
    assert np.array_equal(applied(Mfcc(rate=8000), clips()), applied(op, clips()))


def test_silence_is_finite() -> None:
    found = applied(LogMel(rate=8000), np.zeros((1, 800), np.uint8))
    assert np.allclose(found, math.log(1e-6))


def test_what_no_frame_can_be_cut_from_is_refused() -> None:
    with pytest.raises(UserError, match=r"mfcc: examples have 100 samples, and a frame of 32 ms has 256"):
        applied(Mfcc(rate=8000), np.zeros((2, 100), np.float32))
    with pytest.raises(UserError, match=r"log_mel: takes clips of one channel.*\(800, 2\)"):
        applied(LogMel(rate=8000), np.zeros((2, 800, 2), np.float32))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"rate": 8000, "high": 5000}, "above half the rate, 4000 Hz"),
        ({"rate": 8000, "low": 4000}, "low = 4000 Hz is not below high = 4000 Hz"),
        ({"rate": 1000, "window": 1, "hop": 0.4}, "1 samples and hop = 0.4 ms is 0; a frame needs two"),
        ({"rate": 8000, "hop": 40}, "samples would be left out"),
        ({"rate": 8000, "mels": 120}, "holds no frequency of a 256-point transform; lower mels"),
        ({"rate": 8000, "mels": 10}, "10 mels have no 13 coefficients"),
        ({"rate": 8000, "windows": 3}, "Extra inputs"),
        ({}, "Field required"),
    ],
)
def test_keys_that_cannot_be(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Mfcc(**keys)
