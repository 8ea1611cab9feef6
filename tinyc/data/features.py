"""What a recipe makes of sound: log-mel spectra and cepstral coefficients; importing this module imports no numpy.

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
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from tinyc.data import room
from tinyc.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOOR = 1e-6
# Frames that are transformed at a time: enough to be quick, few enough for any memory.
BLOCK = 1 << 14

Rate = Annotated[float, Field(gt=0, le=1e6, description="samples a second of the recordings, in Hz")]
Window = Annotated[float, Field(gt=0, le=1000, description="length of a frame, in milliseconds")]
Hop = Annotated[float, Field(gt=0, le=1000, description="from the begin of a frame to the next, in milliseconds")]
Mels = Annotated[int, Field(ge=2, le=256, description="bands on the mel scale")]
Low = Annotated[float, Field(ge=0, description="lower edge of the lowest band, in Hz")]
High = Annotated[float | None, Field(gt=0, description="upper edge of the highest band, in Hz; default rate / 2")]


class LogMel(BaseModel, frozen=True, extra="forbid"):
    """The log energy of each frame in bands of the mel scale."""

    op: Literal["log_mel"] = "log_mel"
    rate: Rate
    window: Window = 32.0
    hop: Hop = 16.0
    mels: Mels = 40
    low: Low = 20.0
    high: High = None

    @model_validator(mode="after")
    def has_bands(self) -> Self:
        require_bands(self)
        return self

    def apply(self, x: NDArray[Any]) -> NDArray[Any]:
        """Turn clips, (n, samples) or (n, samples, 1), into (n, frames, mels, 1) float32.

        Raises:
            UserError: the clips have several channels, or are shorter than a frame.
        """
        return log_mel(x, self)[..., None]


class Mfcc(BaseModel, frozen=True, extra="forbid"):
    """The mel-frequency cepstral coefficients of each frame."""

    op: Literal["mfcc"] = "mfcc"
    rate: Rate
    window: Window = 32.0
    hop: Hop = 16.0
    mels: Mels = 40
    coefficients: int = Field(13, ge=1, le=256, description="coefficients that are kept, the first is the loudness")
    low: Low = 20.0
    high: High = None

    @model_validator(mode="after")
    def has_bands(self) -> Self:
        if self.coefficients > self.mels:
            raise ValueError(f"{self.mels} mels have no {self.coefficients} coefficients; lower them, or raise mels")
        require_bands(self)
        return self

    def apply(self, x: NDArray[Any]) -> NDArray[Any]:
        """Turn clips, (n, samples) or (n, samples, 1), into (n, frames, coefficients, 1) float32.

        Raises:
            UserError: the clips have several channels, or are shorter than a frame.
        """
        cepstra: NDArray[Any] = log_mel(x, self) @ cosines(self.mels, self.coefficients)
        return cepstra[..., None]


def samples_of(milliseconds: float, rate: float) -> int:
    """Round a duration to whole samples."""
    return round(milliseconds * rate / 1000)


def padded(op: LogMel | Mfcc) -> int:
    """The length of the Fourier transform: the next power of two from a frame's samples up."""
    return 1 << (samples_of(op.window, op.rate) - 1).bit_length()


def mel(hertz: float) -> float:
    """Place a frequency on the mel scale."""
    return 2595 * math.log10(1 + hertz / 700)


def edges(op: LogMel | Mfcc) -> list[float]:
    """The mels + 2 corners of the triangles, evenly apart, in mel."""
    low, high = mel(op.low), mel(op.high or op.rate / 2)
    return [low + (high - low) * i / (op.mels + 1) for i in range(op.mels + 2)]


def require_bands(op: LogMel | Mfcc) -> None:
    """Refuse keys that leave a frame without samples, samples without a frame, or a band without a frequency.

    Raises:
        ValueError: says which, and what to write instead.
    """
    high = op.high or op.rate / 2
    if high > op.rate / 2:
        raise ValueError(f"high = {high:g} Hz is above half the rate, {op.rate / 2:g} Hz; lower it, or leave it out")
    if op.low >= high:
        raise ValueError(f"low = {op.low:g} Hz is not below high = {high:g} Hz")
    window, hop = samples_of(op.window, op.rate), samples_of(op.hop, op.rate)
    if window < 2 or hop < 1:
        problem = f"at {op.rate:g} Hz, window = {op.window:g} ms is {window} samples and hop = {op.hop:g} ms is {hop}"
        raise ValueError(f"{problem}; a frame needs two and a hop one")
    if op.hop > op.window:
        raise ValueError(f"hop = {op.hop:g} ms is longer than window = {op.window:g} ms: samples would be left out")
    corners = edges(op)
    size = padded(op)
    bins = [mel(k * op.rate / size) for k in range(1, size // 2 + 1)]
    for band, (left, right) in enumerate(zip(corners, corners[2:], strict=False)):
        if not any(left < place < right for place in bins):
            problem = f"band {band + 1} of {op.mels} mels holds no frequency of a {size}-point transform"
            raise ValueError(f"{problem}; lower mels, or raise window or low")


def log_mel(x: NDArray[Any], op: LogMel | Mfcc) -> NDArray[Any]:
    """The log energies of clips by frame and band, (n, frames, mels) float32."""
    import numpy as np
    from numpy.lib.stride_tricks import sliding_window_view

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
    """The triangles on the mel scale as weights of a power spectrum, (bins, mels) float64."""
    import numpy as np

    size = padded(op)
    places = 2595 * np.log10(1 + np.arange(size // 2 + 1) * op.rate / size / 700)
    columns = []
    for left, centre, right in zip(*(itertools.islice(edges(op), start, None) for start in range(3)), strict=False):
        rising, falling = (places - left) / (centre - left), (right - places) / (right - centre)
        columns.append(np.maximum(0, np.minimum(rising, falling)))
    return np.stack(columns, axis=1)


def cosines(mels: int, coefficients: int) -> NDArray[Any]:
    """The cosine transform from log energies to coefficients, (mels, coefficients) float32."""
    import numpy as np

    angles = np.pi * np.outer(np.arange(mels) + 0.5, np.arange(coefficients)) / mels
    return np.asarray(math.sqrt(2 / mels) * np.cos(angles), np.float32)
