"""What is wrong with an answer: a client that sends nonsense is named, and its update is not used."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tinyc.core.errors import MachineError
from tinyc.federation import tensors
from tinyc.federation.updates import Array, Arrays, Updates

HEADER_BYTES = 4096
"""Most bytes that a block of weights may have beside each array, for its name and its place."""
MOST_EXAMPLES = 10_000_000
"""Most examples that a client may say that it trained on: it is the answer's weight in the average."""
MOST_TIMES = 100
"""What a terminal's answer weighs at most, in medians of the round."""
MOST_LOSS = 1e12
MOST_METRICS = 16
METRIC_NAME = 64
"""Most metrics of a client's own, and characters of their names."""
KEPT = "the finished rounds are kept; run it again to go on"


def check_arrays(updates: Updates, max_update: float) -> Updates:
    """Open each answer and check it against the weights that it began with: names, shapes, types, values, size.

    Args:
        max_update: bounds the norm of an update, in units of the norm of the weights.
    """
    return opened(updates, lambda block: read_arrays(block, updates.before, max_update))


def opened(updates: Updates, read: Callable[[bytes], Arrays | str]) -> Updates:
    """Open each answer; `read` gives the weights of its block, or why they cannot be used."""
    found = {each.client: read(each.content) for each in updates.usable}
    left = updates.without({client: each for client, each in found.items() if isinstance(each, str)})
    usable = tuple(
        replace(each, weights=weights) for each in left.usable if not isinstance(weights := found[each.client], str)
    )
    return replace(left, usable=usable)


def read_arrays(content: bytes, sent: Arrays, max_update: float) -> Arrays | str:
    """Read a block of weights that should be like those that were sent; else say why it is not."""
    bound = sum(each.nbytes + HEADER_BYTES for each in sent.values()) + HEADER_BYTES
    if len(content) > bound:
        return f"its weights have {len(content)} bytes, and at most {bound} are read"
    try:
        arrays = tensors.unpacked(content)
    except ValueError as error:
        return f"its weights cannot be read: {error}"
    return unlike(arrays, sent) or too_far(arrays, sent, max_update) or {name: arrays[name] for name in sent}


def wrong_names(found: Iterable[str], wanted: Iterable[str]) -> str | None:
    """Say which name is missing or was not asked for."""
    missing, unknown = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    if missing:
        return f"{missing[0]} is missing"
    return f"{unknown[0][:80]!r} was not asked for" if unknown else None


def unlike(arrays: Arrays, wanted: Arrays) -> str | None:
    """Say how arrays differ in names, shapes and types from those that were sent, or hold what is no number."""
    problem = wrong_names(arrays, wanted)
    return problem or next((found for name in wanted if (found := wrong(name, arrays[name], wanted[name]))), None)


def wrong(name: str, found: Array, wanted: Array) -> str | None:
    """Say what is wrong with one array."""
    if found.shape != wanted.shape:
        return f"{name} has shape {found.shape} instead of {wanted.shape}"
    if found.dtype != wanted.dtype:
        return f"{name} has type {found.dtype} instead of {wanted.dtype}"
    return None if np.all(np.isfinite(found)) else f"{name} has values that are NaN or infinite"


def too_far(arrays: Arrays, sent: Arrays, max_update: float) -> str | None:
    """Say that an update is larger than it may be."""
    differences = [arrays[name].astype(np.float64) - sent[name] for name in sent]
    update, before = norm(differences), norm(sent.values())
    if update <= max_update * before:
        return None
    return f"its update has norm {update:.3g}, more than max_update = {max_update:g} times the weights' {before:.3g}"


def norm(arrays: Iterable[Array]) -> float:
    """Give the L2 norm of all arrays together."""
    return math.sqrt(sum(float(np.sum(np.square(array, dtype=np.float64))) for array in arrays))


def wrong_figures(metrics: Mapping[str, Any] | None) -> str | None:
    """Say why an answer's figures cannot be used, or None."""
    if metrics is None:
        return "it has no metrics"
    examples, loss = metrics.get("num-examples"), metrics.get("loss")
    if type(examples) is not int or not 1 <= examples <= MOST_EXAMPLES:
        return f"it trained on {examples} examples"
    if not isinstance(loss, int | float) or isinstance(loss, bool) or not abs(loss) <= MOST_LOSS:
        return f"its loss is {loss}"
    if len(metrics) > MOST_METRICS or any(len(name) > METRIC_NAME or not name.isprintable() for name in metrics):
        return f"it has {len(metrics)} metrics, or one whose name is no short line of text"
    return None


def check_shares(updates: Updates) -> Updates:
    """Leave out real terminals that say they have far more examples than the others: nobody can count them."""
    usual = statistics.median([each.examples for each in updates.usable] or [0])
    why = f"more than {MOST_TIMES} times the round's median of {usual:g}"
    over = [each for each in updates.usable if each.examples > MOST_TIMES * usual]
    return updates.without({each.client: f"it says {each.examples} examples, {why}" for each in over})


def enough(updates: Updates, least: int, say: Callable[[str], None]) -> Updates:
    """Say who is left out, and end the training where too few are left.

    Raises:
        MachineError: there are fewer usable answers than `least`.
    """
    for each in updates.rejected:
        say(f"round {updates.round}: {each.client} is left out: {each.why}")
    if len(updates.usable) >= least:
        return updates
    why = "; ".join(f"{each.client}: {each.why}" for each in updates.rejected)
    problem = f"{len(updates.usable)} usable answers, and {least} are needed" + (f" ({why})" if why else "")
    remedy = f"mend these clients, or raise timeout; {KEPT} (other min_clients or max_update begin anew)"
    raise MachineError(f"federate, round {updates.round}", problem, remedy)
