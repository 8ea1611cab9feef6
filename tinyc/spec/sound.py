"""The steps of `[data] prepare` for sound: log-mel spectra and cepstral coefficients of frames."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

Rate = Annotated[float, Field(gt=0, le=1e6, description="samples a second of the recordings, in Hz")]
Window = Annotated[float, Field(gt=0, le=1000, description="length of a frame, in milliseconds")]
Hop = Annotated[
    float, Field(gt=0, le=1000, description="from the start of a frame to that of the next, in milliseconds")
]
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


class Mfcc(BaseModel, frozen=True, extra="forbid"):
    """The mel-frequency cepstral coefficients of each frame."""

    op: Literal["mfcc"] = "mfcc"
    rate: Rate
    window: Window = 32.0
    hop: Hop = 16.0
    mels: Mels = 40
    coefficients: int = Field(13, ge=1, le=256, description="coefficients to keep; the first is the overall level")
    low: Low = 20.0
    high: High = None

    @model_validator(mode="after")
    def has_bands(self) -> Self:
        if self.coefficients > self.mels:
            raise ValueError(f"{self.mels} mels have no {self.coefficients} coefficients; lower them, or raise mels")
        require_bands(self)
        return self


def samples_of(milliseconds: float, rate: float) -> int:
    """Round a duration to whole samples."""
    return round(milliseconds * rate / 1000)


def padded(op: LogMel | Mfcc) -> int:
    """Return the length of the Fourier transform: the next power of two from a frame's samples up."""
    return 1 << (samples_of(op.window, op.rate) - 1).bit_length()


def mel(hertz: float) -> float:
    """Place a frequency on the mel scale."""
    return 2595 * math.log10(1 + hertz / 700)


def edges(op: LogMel | Mfcc) -> list[float]:
    """Return the mels + 2 corners of the triangles, evenly apart, in mel."""
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
