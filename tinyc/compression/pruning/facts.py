"""What a channel pruning reached, as the run's record holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinyc.compression.pruning.choice import Part
from tinyc.compression.pruning.structured import Pruned


def reached(pruned: Pruned, tuned: Sequence[Mapping[str, Any]], part: Part) -> dict[str, Any]:
    """Give each group's channels, and the costs, before and after; by round where there were several.

    MACs are those of one inference, None where a layer's are not counted; int8 bytes are estimated as `budget` says.
    """
    before, after = pruned.bills[0], pruned.bills[-1]
    several = [{**bill, "fine_tune": dict(each)} for bill, each in zip(pruned.bills[1:], tuned, strict=True)]
    return {
        "macs_before": before["macs"],
        "macs_after": after["macs"],
        **({"macs_not_counted_of": list(pruned.uncounted)} if pruned.uncounted else {}),
        "int8_bytes_before": before["file"],
        "int8_bytes_after": after["file"],
        "groups": [
            {"layers": list(group.layers), f"{part}_before": group.before, f"{part}_after": group.after}
            for group in pruned.groups
        ],
        **({"rounds": several} if len(several) > 1 else {}),
    }
