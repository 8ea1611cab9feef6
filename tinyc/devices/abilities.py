"""What a runtime can do beyond single operators: weight tables, four and sixteen bits, Dense with a scale an output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from tinyc.devices.runtime import Runtime

Ability = Literal["weight tables", "int4 weights", "int16 activations", "per-channel Dense"]
TABLE_DECODER = "TFLM_DECODE"
LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""Operators with weights that every port has; what one of them takes tells whether the port takes it at all."""


def lack(runtime: Runtime, ability: Ability) -> str | None:
    """Say what a runtime lacks for an ability; None where it has it, or where no source tells."""
    return LACKS[ability](runtime)


def tables(runtime: Runtime) -> str | None:
    """Look for the operator that decodes weight tables."""
    return None if TABLE_DECODER in runtime.operators else f"has no {TABLE_DECODER}, which decodes weight tables"


def int4(runtime: Runtime) -> str | None:
    """Look for kernels that unpack four bits."""
    return "takes no weights of four bits" if runtime.int4 == () else None


def int16(runtime: Runtime) -> str | None:
    """Look for kernels of sixteen bits."""
    found = any("int16" in runtime.operators.get(name, ()) for name in LAYERS)
    return None if found else "has no kernels for int16"


def dense(runtime: Runtime) -> str | None:
    """Look at what becomes of a FULLY_CONNECTED with a scale for each output."""
    said = {
        "wrong": "computes a Dense layer with a scale for each output wrongly, without an error",
        "refused": "refuses a Dense layer with a scale for each output",
    }
    return said.get(runtime.per_channel_dense or "")


LACKS: Mapping[Ability, Callable[[Runtime], str | None]] = {
    "weight tables": tables,
    "int4 weights": int4,
    "int16 activations": int16,
    "per-channel Dense": dense,
}
