"""Quantities as people write and read them: "96 KiB", "90 %", "0.5 pp", "23.6 M".

Code holds bytes, counts and fractions; this module is the only place that knows how they are spelled.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

Unit = Literal["bytes", "bytes/s", "count", "dB", "fraction", "pp", "seconds"]
Bytes = Annotated[int, "bytes"]
Rate = Annotated[float, "bytes/s"]
Decibels = Annotated[float, "dB"]
Fraction = Annotated[float, "fraction"]
Points = Annotated[float, "pp"]
Seconds = Annotated[float, "seconds"]

BYTES = {"B": 1, "kB": 1000, "KB": 1000, "KiB": 1024, "MB": 1000**2, "MiB": 1024**2, "GB": 1000**3, "GiB": 1024**3}
COUNTS = {"": 1, "k": 1000, "K": 1000, "M": 1_000_000, "G": 1_000_000_000}
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0, "h": 3600.0}
SPELLINGS: dict[Unit, dict[str, float]] = {
    "bytes": {**BYTES},
    "count": {**COUNTS},
    "fraction": {"%": 0.01, "": 1.0},
    "pp": {"pp": 0.01},
    "seconds": {**SECONDS},
}
ROUNDED_UP = 0.99995  # from here on one decimal of the next smaller unit would read 1,000.0
QUANTITY = re.compile(r"\s*([-+]?(?:\d[\d_]*+\.?\d*+|\.\d++)(?:[eE][-+]?\d+)?)\s*([A-Za-z%]*)\s*")


def parse(text: str, unit: Unit) -> float:
    """Turn "96 KiB" or "90%" into bytes, counts, seconds or a fraction.

    Raises:
        ValueError: the text is not a number, or its unit does not belong to `unit`.
    """
    match = QUANTITY.fullmatch(text)
    spellings = SPELLINGS[unit]
    known = ", ".join(repr(name) if name else "no unit" for name in spellings)
    if not match:
        raise ValueError(f"{text!r} is not a number with a unit ({known})")
    number, name = match.groups()
    if name not in spellings:
        raise ValueError(f"unknown unit {name!r} in {text!r}; here it is one of {known}")
    value = float(number.replace("_", "")) * spellings[name]
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is more than any number here")
    return value


def show(value: float | None, unit: Unit) -> str:
    """Write a measured value for people; what was not measured is a dash."""
    return "-" if value is None else SHOWN[unit](value)


def show_bytes(value: float) -> str:
    """Write bytes as B, KiB, MiB or GiB with at most one decimal."""
    for name, size in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if abs(value) >= size * ROUNDED_UP:
            return f"{value / size:,.1f} {name}"
    return f"{value:,.0f} B"


def show_count(value: float) -> str:
    """Write a count as 23.6 M, 77.7 k or 512."""
    for name, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size * ROUNDED_UP:
            return f"{value / size:,.1f} {name}"
    return f"{value:,.0f}"


def show_seconds(value: float) -> str:
    """Write a duration as 8.5 ms, 0.42 s, 38 s, 4 min 10 s or 1 h 05 min."""
    if 0 < value < 0.1:
        return show_latency(value)
    if value < 10:
        return f"{value:.2f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def show_latency(value: float) -> str:
    """Write how long one inference takes with three digits, as 45.1 us, 1.23 ms or 2.50 s."""
    for name, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size * 0.9995:
            return f"{three_digits(value / size)} {name}"
    return f"{three_digits(value / 1e-6)} us"


def three_digits(value: float) -> str:
    """Write a number with three digits, or all that stand before its point."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def show_rate(value: float) -> str:
    """Write bytes a second; below a hundred with three digits, since a decision need not come every second."""
    return f"{value:.3g} B/s" if value < 100 else f"{show_bytes(value)}/s"


SHOWN: Mapping[Unit, Callable[[float], str]] = {
    "bytes": show_bytes,
    "bytes/s": show_rate,
    "count": show_count,
    "dB": "{:.1f} dB".format,
    "fraction": lambda value: f"{value * 100:.2f} %",
    "pp": lambda value: f"{value * 100:.2f} pp",
    "seconds": show_seconds,
}
