"""What may make an artifact small enough: each row a condition that was measured, and the change to write."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

from tinyc.analysis.advice.missed import (
    CUTS,
    SIZES,
    Miss,
    Ran,
    advice,
    budget_share,
    pass_name,
    percent,
    whole_percent,
)
from tinyc.analysis.advice.remarks import Advice, Change, spelled
from tinyc.core import units

LEAST_LEFT = 0.02
"""Of a network's channels and parameters at least this share stays."""
SPARE = 0.98
"""What is asked of a cut is this share of what may remain, since a cut does not hit its aim to the parameter."""
Found = Iterator[Advice]


Figure = Literal["params", "macs"]
WORDS: dict[Figure, str] = {"params": "parameters", "macs": "MACs"}


def deeper_cut(miss: Miss) -> Found:
    """Find a cut of channels that took too little, made so much deeper as the bound asks by what it took."""
    asked, figure = remaining(miss), figure_of(miss)
    for ran in reversed(miss.passes):
        if asked is None or ran.use != "prune" or ran.options.get("how") not in CUTS or ran.gone < 1:
            continue
        left = asked * ran.share_left(figure)
        made = deepened(ran, figure, left)
        if not made:
            continue
        taken, enough = whole_percent(1 - ran.share_left(figure)), whole_percent(1 - left)
        took = f"{pass_name(ran)} took {taken} of the {WORDS[figure]}, and {enough} would be enough"
        yield advice(miss, took, made, f"accuracy: this cut cost {units.show(ran.lost, 'pp')}; {retrained(ran)}")
        return


def figure_of(miss: Miss) -> Figure:
    """Return what a budget has to bound for this one: MACs do not go with the parameters."""
    return "macs" if miss.check.metric.startswith("macs") else "params"


def deepened(ran: Ran, figure: Figure, left: float) -> list[tuple[str, Any]]:
    """Return the keys of a cut that leaves this share; a budget hits its aim, a share of the channels does not."""
    if left < LEAST_LEFT:
        return []
    if isinstance(ran.options.get("fraction"), float):
        return [(f"pass.{ran.place}.fraction", None), (f"pass.{ran.place}.budget", {figure: percent(left)})]
    return [(f"pass.{ran.place}.budget.{figure}", percent(left))] if budget_share(ran.options) is not None else []


def first_cut(miss: Miss) -> Found:
    """Too many parameters or MACs, and no pass that takes channels out."""
    asked, figure = remaining(miss), figure_of(miss)
    if asked is None or miss.is_expect or miss.quantize is None or "prune" in miss.uses or asked < LEAST_LEFT:
        return
    because = f"no pass takes channels out, and {whole_percent(asked)} of the {WORDS[figure]} may stay"
    yield added(miss, because, {"budget": {figure: percent(asked)}})


def added(miss: Miss, because: str, amount: dict[str, Any]) -> Advice:
    """Advise a cut of channels before the network is quantized."""
    entry = {"use": "prune", "how": "channels", **amount, "epochs": 4}
    made = (Change("add", f"pass.{miss.quantize}", entry),)
    return Advice(because, spelled(made[0], miss.uses), "accuracy, and training for 4 epochs", changes=made)


def thinner(miss: Miss) -> Found:
    """Too large an arena: activations go with the channels, the input and TFLM's own structures do not."""
    got, most, peak = miss.check.got, miss.bound.limit, miss.peak
    if miss.check.metric != "arena" or miss.is_expect or got is None or peak is None:
        return
    stays = got - peak.bytes + min(miss.input_bytes, peak.bytes)
    because = f"activations take at most {units.show_bytes(peak.bytes)} at once, in {peak.where}"
    if stays >= most:
        rest = f"the input and what TFLM needs for itself take {units.show_bytes(stays)}, which no cut reduces"
        yield Advice(f"{because}; {rest}")
        return
    asked = SPARE * (most - stays) / (got - stays)
    cuts = [ran for ran in miss.passes if ran.use == "prune" and ran.options.get("how") == "channels"]
    if asked < LEAST_LEFT or (not cuts and miss.quantize is None):
        return
    if not cuts:
        yield added(miss, because, {"fraction": up(1 - asked)})
    elif isinstance(fraction := cuts[-1].options.get("fraction"), float) and up(1 - (1 - fraction) * asked) < 1:
        deeper = [(f"pass.{cuts[-1].place}.fraction", up(1 - (1 - fraction) * asked))]
        cost = f"accuracy: this cut cost {units.show(cuts[-1].lost, 'pp')}; {retrained(cuts[-1])}"
        yield advice(miss, because, deeper, cost)


def up(share: float) -> float:
    """Two digits, rounded up."""
    return math.ceil(share * 100) / 100


def remaining(miss: Miss) -> float | None:
    """Return the share of the parameters, or of the multiplications, that may stay, for the bound to be met.

    Of a file the weights alone shrink: None where all else in it is too much already.
    """
    final, most = miss.final, miss.most
    if most is None or miss.check.got is None:
        return None
    figure = SIZES[miss.check.metric]
    now = getattr(final, figure)
    if figure in ("file_bytes", "flash_bytes") and final.weight_bytes is not None:
        now, most = final.weight_bytes, most - (now - final.weight_bytes)
    return SPARE * most / now if now and 0 < most < now else None


def retrained(ran: Ran) -> str:
    return f"the pass took {units.show_seconds(ran.seconds)} the last time"
