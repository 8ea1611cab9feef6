"""What `preprocess` asks of the data that `[data]` alone shows it cannot have."""

from __future__ import annotations

from collections.abc import Sequence

from tinyc.core.errors import UserError
from tinyc.spec.contract import Where
from tinyc.spec.data import DataSpec
from tinyc.spec.datasets import NAMED
from tinyc.spec.sentences import Prepare
from tinyc.spec.signal_steps import Denoise, Step, rate_of, require_width


def check_signal(steps: Sequence[Step], data: DataSpec, where: Where) -> None:
    """Refuse to preprocess text, filters that no rate allows, and taps that no window holds.

    Raises:
        UserError: the first of them.
    """
    if is_text(data):
        raise UserError(where(()), "preprocess is for signals, and the data is text", "leave the pass out")
    for number, step in enumerate(steps):
        if isinstance(step, Denoise):
            check_filter(step, data, where(("steps", number)))


def is_text(data: DataSpec) -> bool:
    named = data.name is not None and NAMED[data.name].is_text
    return named or data.text is not None or isinstance(data.prepare, Prepare)


def check_filter(step: Denoise, data: DataSpec, where: str) -> None:
    """Check one filter against the rate and the window's length, where `[data]` says them."""
    if step.how in ("lowpass", "bandpass"):
        rate_of(step, data.sensor[0] if data.sensor else None, where)
    if len(data.steps) == 1 and data.steps[0].op == "window":
        require_width(step, data.steps[0].length, where)
