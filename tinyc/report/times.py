"""How long a run took, row by row and in all, so that no wait is left out of both."""

from __future__ import annotations

from tinyc.core import units
from tinyc.report.record import Report, SourceTime


def time(seconds: float, cached: bool) -> str:
    """Write one row's time; a row that an earlier call did shows what it took then."""
    return units.show_seconds(seconds) + (" (cached)" if cached else "")


def source_time(took: SourceTime | None) -> str:
    """Write the source's time, and where its training is not in it, what that took."""
    if took is None:
        return ""
    spent = time(took.seconds, took.cached)
    return f"{spent}, {trained_earlier(took)}" if took.trained == "earlier" else spent


def trained_earlier(took: SourceTime) -> str:
    """Say what an earlier run's training took."""
    known = took.training_seconds
    return "trained by an earlier run" + ("" if known is None else f" in {units.show_seconds(known)}")


def waited(report: Report) -> str:
    """Write the whole run's time, with what of it stands in no row."""
    whole = units.show_seconds(report.seconds)
    if report.source_time is None:
        return whole
    rows = [(report.source_time.seconds, report.source_time.cached)]
    rows += [(step.seconds, step.cached) for step in report.steps]
    ran = [seconds for seconds, cached in rows if not cached]
    if not ran:
        return f"{whole}; every row is cached"
    beside = max(0.0, report.seconds - sum(ran))
    return f"{whole}, {units.show_seconds(beside)} of it in no row (start, data, loading, report)"
