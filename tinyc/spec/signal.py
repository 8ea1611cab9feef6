"""What `preprocess` asks of the data that `[data]` alone shows it cannot have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tinyc.core.errors import UserError
from tinyc.spec.contract import Pass
from tinyc.spec.data import DataSpec
from tinyc.spec.datasets import NAMED
from tinyc.spec.sentences import Prepare
from tinyc.spec.signal_steps import Denoise, rate_of, require_width

Where = Callable[[tuple[str | int, ...]], str]


def check_signal(passes: Sequence[Pass], data: DataSpec, where: Where) -> None:
    """Refuse to preprocess text, filters that no rate allows, and taps that no window holds.

    Args:
        where: from a key path of the recipe to its place, for messages.

    Raises:
        UserError: the first of them.
    """
    for index, each in enumerate(passes):
        if each.use != "preprocess":
            continue
        if is_text(data):
            place = where(("pass", index))
            raise UserError(place, "preprocess is for signals, and the data is text", "leave the pass out")
        for number, step in enumerate(getattr(each, "steps", ())):
            if isinstance(step, Denoise):
                check_filter(step, data, where(("pass", index, "steps", number)))


def is_text(data: DataSpec) -> bool:
    named = data.name is not None and NAMED[data.name].is_text
    return named or data.text is not None or isinstance(data.prepare, Prepare)


def check_filter(step: Denoise, data: DataSpec, where: str) -> None:
    """Check one filter against the rate and the window's length, where `[data]` says them."""
    if step.how in ("lowpass", "bandpass"):
        rate_of(step, data.sensor[0] if data.sensor else None, where)
    if len(data.steps) == 1 and data.steps[0].op == "window":
        require_width(step, data.steps[0].length, where)
