"""A measurement as `bench.py` writes it on a board."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from tinyc.measure.timings import Timings

CONTENT = b"an artifact"


def result(threads: int = 1, median: float = 0.02) -> dict[str, Any]:
    shares = {"min": 0.9, "p5": 0.95, "median": 1.0, "p95": 1.2, "max": 2.0}
    warm = {"runs": 50, **{name: share * median for name, share in shares.items()}}
    return {
        "threads": threads, "xnnpack": True, "load_seconds": [0.4, 0.2, 0.3], "cold_seconds": [0.1, 0.06, 0.07],
        "warm": warm,
    }  # fmt: skip


def document(content: bytes = CONTENT, **changes: Any) -> dict[str, Any]:
    """The whole table, with some keys changed."""
    machine = {
        "name": "Raspberry Pi 4 Model B Rev 1.4", "processor": "Cortex-A72", "architecture": "aarch64", "cores": 4,
        "load_average": 0.1, "system": "Linux-6.1.21-v8+", "python": "3.9.2",
    }  # fmt: skip
    table = {
        "format": "tinyc bench 1", "sha256": hashlib.sha256(content).hexdigest(), "file_bytes": len(content),
        "runtime": "tflite-runtime 2.14.0", "machine": machine, "date": "2026-11-29T12:00:00Z", "seed": 0,
        "inputs": [{"type": "int8", "shape": [1, 3], "values": "random"}],
        "results": [result(1, 0.03), result(2, 0.02), result(4, 0.025)],
    }  # fmt: skip
    return {**table, **changes}


def changed(place: str, value: Any) -> dict[str, Any]:
    """The table with one value deep in it changed; a place is its keys with points between them."""
    table = copy.deepcopy(document())
    held: Any = table
    *way, last = (int(key) if key.isdecimal() else key for key in place.split("."))
    for key in way:
        held = held[key]
    held[last] = value
    return table


def timings(**changes: Any) -> Timings:
    return Timings.model_validate_json(json.dumps(document(**changes)))
