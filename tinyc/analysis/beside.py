"""What a run finds out of a state beside what the pass itself says of it, as facts of its step."""

from __future__ import annotations

from typing import Any, TypedDict

from tinyc.core.units import Decibels
from tinyc.spec.training import SourceTrained

Blamed = TypedDict("Blamed", {"cause": str, "layer": str, "evidence": str, "add": str})
Noisy = TypedDict("Noisy", {"layer": str, "sqnr_db": Decibels})
Diagnosed = TypedDict("Diagnosed", {"examples": str, "causes": list[Blamed] | str, "noisiest": list[Noisy]})
"""Why an artifact lost accuracy: the likeliest causes, and the layers with the least signal to noise."""
Beside = TypedDict(
    "Beside", {"training": SourceTrained, "symptoms": dict[str, Any], "diagnosis": Diagnosed | str}, total=False
)
"""The training is the source's; a diagnosis that could not be made is a sentence; symptoms are those of `advice`."""
