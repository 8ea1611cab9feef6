"""Bounds of `tinyc bench`, judged on the median of the number of threads that is fastest."""

from __future__ import annotations

from tinyc.core import units
from tinyc.measure.timings import Timings
from tinyc.spec.bounds import Check


def judge(timings: Timings, fps: float | None, latency: float | None) -> list[Check]:
    """Judge frames a second at least, and a latency at most in seconds, where they are asked for.

    `low` and `high` are the percentiles 5 and 95 of the same inferences.
    """
    warm, checks = timings.fastest.warm, []
    if fps is not None:
        got, low, high = 1 / warm.median, 1 / warm.p95, 1 / warm.p5
        checks.append(check("fps", f">= {fps:g}", (got, low, high), got >= fps))
    if latency is not None:
        found = (warm.median, warm.p5, warm.p95)
        checks.append(check("latency", f"<= {units.show_latency(latency)}", found, warm.median <= latency))
    return checks


def check(metric: str, bound: str, found: tuple[float, float, float], met: bool) -> Check:
    """Give one bound with its verdict."""
    why = None if met else f"{shown(metric, found[0])} is not {bound}"
    return Check(metric, bound, *found, met, why)


def shown(metric: str, value: float) -> str:
    """Write frames a second or a latency for people."""
    return f"{units.three_digits(value)} frames/s" if metric == "fps" else units.show_latency(value)
