"""What `[data] scale` and `offset` may be: a number, a list with one for each column, or "fit"; imports no numpy."""

from __future__ import annotations

import struct
from typing import Any, Final, Literal

from tinyc.core import limits

FIT: Final = "fit"
Amount = float | tuple[float, ...] | Literal["fit"]
"""One number for all values, one for each column or channel (the last axis of an example), or fitted to train."""
Scaling = float | tuple[float, ...]
"""One number for every value of an example, or one for each column or channel: the last axis."""
GIVE = 'a number, a list with one number for each column, or "fit"'


def amount(name: str, value: Any) -> Any:
    """Check one of both keys, as it stands in the recipe; gives the value in the types of Amount.

    Raises:
        ValueError: it is none of them, or float32 does not hold it.
    """
    if value is None or value == FIT:
        return value
    if not isinstance(value, list | tuple):
        return number(name, value)
    if not value or len(value) > limits.COLUMNS:
        raise ValueError(f"{name} lists {len(value)} numbers; give 1 to {limits.COLUMNS:,}, one for each column")
    return tuple(number(f"{name}[{place}]", each) for place, each in enumerate(value))


def number(name: str, value: Any) -> float:
    """Check one number."""
    try:
        found = float(value if not isinstance(value, bool) else "no number")
        held = struct.unpack("f", struct.pack("f", found))[0]
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} = {value!r} is not a number of float32; give {GIVE}") from None
    if not abs(held) <= 3.5e38:
        raise ValueError(f"{name} = {value!r} is not finite; give {GIVE}")
    if held == 0 and name.startswith("scale"):
        raise ValueError(f"{name} = {value!r} would make all values equal; leave it out for 1")
    return found


def problem_of(scale: Amount | None, offset: Amount | None) -> str | None:
    """Say what of both does not go together; None where they do."""
    if scale == FIT and offset not in (None, FIT):
        return f'scale = "fit" fits the offset too, and offset = {offset!r} is another; leave offset out'
    if offset == FIT and scale != FIT:
        return 'offset = "fit" comes with scale = "fit" alone; write scale = "fit"'
    if isinstance(scale, tuple) and isinstance(offset, tuple) and len(scale) != len(offset):
        return f"scale has {len(scale)} numbers and offset {len(offset)}; give one of each for each column"
    return None
