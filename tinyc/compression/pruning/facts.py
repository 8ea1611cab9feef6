"""What a channel pruning reached, as the run's record holds it."""

from __future__ import annotations

from collections.abc import Sequence

from tinyc.compression.pruning.choice import Part
from tinyc.compression.pruning.structured import Pruned
from tinyc.spec.passes.prune import PruneFacts
from tinyc.spec.training import Trained


def reached(pruned: Pruned, tuned: Sequence[Trained], part: Part) -> PruneFacts:
    """Give each group's channels, and the costs, before and after; by round where there were several.

    MACs are those of one inference, None where a layer's are not counted; int8 bytes are estimated as `budget` says.
    """
    before, after = pruned.bills[0], pruned.bills[-1]
    facts: PruneFacts = {
        "macs_before": before["macs"],
        "macs_after": after["macs"],
        "int8_bytes_before": before["file"],
        "int8_bytes_after": after["file"],
        "groups": [
            {"layers": list(group.layers), f"{part}_before": group.before, f"{part}_after": group.after}
            for group in pruned.groups
        ],
    }
    if pruned.uncounted:
        facts["macs_not_counted_of"] = list(pruned.uncounted)
    if len(tuned) > 1:
        facts["rounds"] = [
            {"params": bill["params"], "macs": bill["macs"], "file": bill["file"], "fine_tune": each}
            for bill, each in zip(pruned.bills[1:], tuned, strict=True)
        ]
    return facts
