"""What a recipe makes of sound: log-mel spectra and cepstral coefficients.

A clip is cut into frames of `window` milliseconds, one every `hop`, and only whole frames are kept. Each frame is
weighed with a periodic Hann window and zero-padded to the next power of two, N samples; its power spectrum is
P(k) = |X(k)|^2. The mel scale is mel(f) = 2595 log10(1 + f / 700); `mels` triangles, straight on that scale and half
overlapping, stand evenly between `low` and `high`, as HTK's do. Band m has the log energy
E(m) = ln(max(sum over k of W(m, k) P(k), 1e-6)), and coefficient i = 0, 1, .. is
c(i) = sqrt(2 / M) * sum over m = 1..M of E(m) cos(pi i (m - 1/2) / M); nothing is pre-emphasized or liftered.

Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word recognition in continuously
spoken sentences", IEEE Trans. ASSP 28 (1980); Young et al., "The HTK Book" (3.4), section 5.4 and 5.6.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.data import room
from tinyc.spec.sound import LogMel, Mfcc, edges, padded, samples_of

FLOOR = 1e-6
# Frames that are transformed at a time: enough to be quick, few enough for any memory.
BLOCK = 1 << 14


def log_mel(x: NDArray[Any], op: LogMel) -> NDArray[Any]:
    """Turn clips, (n, samples) or (n, samples, 1), into (n, frames, mels, 1) float32.

    Raises:
        UserError: the clips have several channels, or are shorter than a frame.
    """
    return energies(x, op)[..., None]


def mfcc(x: NDArray[Any], op: Mfcc) -> NDArray[Any]:
    """Turn clips, (n, samples) or (n, samples, 1), into (n, frames, coefficients, 1) float32.

    Raises:
        UserError: the clips have several channels, or are shorter than a frame.
    """
    cepstra: NDArray[Any] = energies(x, op) @ cosines(op.mels, op.coefficients)
    return cepstra[..., None]


def energies(x: NDArray[Any], op: LogMel | Mfcc) -> NDArray[Any]:
    """Compute the log energies of clips by frame and band, (n, frames, mels) float32."""
    clips = one_channel(x, op.op)
    size, hop = samples_of(op.window, op.rate), samples_of(op.hop, op.rate)
    if clips.shape[1] < size:
        problem = f"examples have {clips.shape[1]} samples, and a frame of {op.window:g} ms has {size}"
        raise UserError(f"data.prepare: {op.op}", problem, "shorten window, or give longer examples")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    weights = filters(op)
    frames = 1 + (clips.shape[1] - size) // hop
    room.require(f"data.prepare: {op.op}", 4 * len(clips) * frames * op.mels, remedy="raise hop, or lower mels")
    found = np.empty((len(clips), frames, op.mels), np.float32)
    step = max(1, BLOCK // frames)
    for start in range(0, len(clips), step):
        block = sliding_window_view(clips[start : start + step].astype(np.float64), size, axis=1)[:, ::hop]
        power = np.abs(np.fft.rfft(block * hann, padded(op))) ** 2
        found[start : start + step] = np.log(np.maximum(power @ weights, FLOOR))
    return found


def one_channel(x: NDArray[Any], name: str) -> NDArray[Any]:
    """Take clips of one channel as (n, samples)."""
    if x.ndim < 2 or math.prod(x.shape[2:]) != 1:
        problem = f"takes clips of one channel, (samples,) or (samples, 1), and examples are {tuple(x.shape[1:])}"
        raise UserError(f"data.prepare: {name}", problem, "choose one channel first")
    return x.reshape(x.shape[:2])


def filters(op: LogMel | Mfcc) -> NDArray[Any]:
    """Compute the triangles on the mel scale as weights of a power spectrum, (bins, mels) float64."""
    size = padded(op)
    places = 2595 * np.log10(1 + np.arange(size // 2 + 1) * op.rate / size / 700)
    columns = []
    for left, centre, right in zip(*(itertools.islice(edges(op), start, None) for start in range(3)), strict=False):
        rising, falling = (places - left) / (centre - left), (right - places) / (right - centre)
        columns.append(np.maximum(0, np.minimum(rising, falling)))
    return np.stack(columns, axis=1)


def cosines(mels: int, coefficients: int) -> NDArray[Any]:
    """Compute the cosine transform from log energies to coefficients, (mels, coefficients) float32."""
    angles = np.pi * np.outer(np.arange(mels) + 0.5, np.arange(coefficients)) / mels
    return np.asarray(math.sqrt(2 / mels) * np.cos(angles), np.float32)
