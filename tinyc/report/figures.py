"""How a report spells its figures: labels, signs, intervals, factors and verdicts, for every medium alike."""

from __future__ import annotations

import re

from tinyc.core import units
from tinyc.core.units import Unit
from tinyc.measure import Ledger
from tinyc.report.record import Report
from tinyc.spec.bounds import Check, Measured
from tinyc.spec.metrics import unit_of


def signed(value: float | None, unit: Unit) -> str:
    """Write a difference with its sign; what rounds to nothing has none."""
    if value is None:
        return "-"
    text = units.show(abs(value), unit)
    if not any(digit in text for digit in "123456789"):
        return text
    return ("+" if value > 0 else "-") + text


def interval(low: float | None, high: float | None, unit: Unit) -> str:
    """Write "85.02 % to 87.16 %", or nothing where there is no interval."""
    if low is None or high is None:
        return ""
    show = signed if unit == "pp" else units.show
    return f"{show(low, unit)} to {show(high, unit)}"


def with_interval(measured: Measured, unit: Unit) -> str:
    """Write "-1.18 pp (-1.90 to -0.45)"; differences carry their sign."""
    show = signed if unit == "pp" else units.show
    span = re.sub(r" (%|pp)", "", interval(measured.low, measured.high, unit))
    return show(measured.value, unit) + (f" ({span})" if span else "")


def got(check: Check) -> str:
    """Write what a bound was judged on."""
    if check.got is None:
        return "not measured"
    said = with_interval(Measured(check.got, check.low, check.high), unit_of(check.metric))
    return f"{said}, an estimate" if check.basis == "estimate" else said


def gain(drop: Measured | None) -> Measured | None:
    """Turn a drop (positive is worse) into a change (positive is better); the interval's ends change places."""
    if drop is None or drop.value is None:
        return None
    low = None if drop.high is None else -drop.high
    high = None if drop.low is None else -drop.low
    return Measured(-drop.value, low, high)


def factor(before: float | None, after: float | None) -> str:
    """Write how much smaller or larger `after` is: "4.1x smaller", "unchanged", or nothing where unmeasured."""
    if not before or not after:
        return ""
    if before == after:
        return "unchanged"
    ratio, word = (before / after, "smaller") if after < before else (after / before, "larger")
    if ratio < 1.01:
        return f"under 1 % {word}"
    return f"{ratio:,.0f}x {word}" if ratio >= 99.5 else f"{ratio:.3g}x {word}"


def accuracy_of(ledger: Ledger) -> str:
    """Write the metric with its interval."""
    return with_interval(Measured(ledger.accuracy, ledger.accuracy_low, ledger.accuracy_high), "fraction")


def cell(ledger: Ledger, name: str) -> str:
    """Write one figure of a ledger, missing MACs with the operators to blame."""
    text = units.show(getattr(ledger, name), unit_of(name))
    if name == "macs" and ledger.uncounted:
        return f"{text} ({', '.join(ledger.uncounted)})"
    return text


def missed(report: Report) -> dict[str, list[str]]:
    """Name every bound that was missed, under "target" the run's own, under "expect" those on single passes."""
    targets = [check.metric for check in report.targets if not check.met]
    expects = [f"{step.use} {check.metric}" for step in report.steps for check in step.checks if not check.met]
    return {kind: names for kind, names in (("target", targets), ("expect", expects)) if names}


def verdict(report: Report) -> str:
    """Say in one phrase how the run ended, as in "target missed: arena"."""
    names = missed(report)
    if names:
        return "; ".join(f"{kind} missed: {', '.join(found)}" for kind, found in names.items())
    if not report.met:
        return "verify found a difference between the runtimes"
    judged = [*report.targets, *(check for step in report.steps for check in step.checks)]
    if not judged:
        return "no targets set"
    guessed = [check.metric for check in judged if check.basis == "estimate"]
    return f"all targets met; met by estimate: {', '.join(guessed)}" if guessed else "all targets met"
