"""Dense layers with a scale for each output: where an artifact has them, and which firmware computes them.

TensorFlow Lite Micro once applied one multiplier to a FULLY_CONNECTED, whatever the file said; it refuses such a file
since pull request 2602 (28 May 2024) and computes it since 2673 (27 September 2024). Ports and copies are of all three
ages. What each does was read in its sources (copies of up to August 2026); Chirale_TensorFlowLite was also seen to give
other outputs under emulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tinyc.spec.passes.quantize import Scaled
from tinyc.tflite.read.description import Description, Op

Verdict = Literal["right", "refused", "wrong"]
LAYERS_NAMED = 3
REMEDY = "per_channel_dense = false in the recipe suits all of them"


@dataclass(frozen=True)
class Firmware:
    """A runtime on devices, and what it makes of a FULLY_CONNECTED with a scale for each output."""

    name: str
    verdict: Verdict


FIRMWARE: tuple[Firmware, ...] = (
    Firmware("Arduino_TensorFlowLite", "wrong"),
    Firmware("Chirale_TensorFlowLite 2.0.0", "wrong"),
    Firmware("tflm_cortexm", "wrong"),
    Firmware("TensorFlowLite_ESP32", "wrong"),
    Firmware("Edge Impulse's SDK", "wrong"),
    Firmware("Zephyr 3.6's module", "wrong"),
    Firmware("pico-tflmicro before 26 December 2024", "wrong"),
    Firmware("esp-tflite-micro before 1.3.4 (but for 1.3.1)", "wrong"),
    Firmware("tflite-micro before 28 May 2024", "wrong"),
    Firmware("Zephyr 3.7's module", "refused"),
    Firmware("tflm_esp32 2.0.0", "refused"),
    Firmware("esp-tflite-micro 1.3.1", "refused"),
    Firmware("tflite-micro from 28 May to 26 September 2024", "refused"),
    Firmware("tflite-micro from 27 September 2024", "right"),
    Firmware("esp-tflite-micro from 1.3.4", "right"),
    Firmware("Zephyr's module from 4.1", "right"),
    Firmware("pico-tflmicro from 26 December 2024", "right"),
    Firmware("helia-rt", "right"),
)


def names(verdict: Verdict) -> str:
    """List the runtimes of one verdict."""
    return ", ".join(each.name for each in FIRMWARE if each.verdict == verdict)


def warning() -> str:
    """Say where such a layer goes wrong, to stand behind the name of what has it."""
    return (
        f"computed wrongly, without any error, by {names('wrong')}; refused with a message by {names('refused')}; "
        f"right under {names('right')} (read in their sources; Chirale seen under emulation too)"
    )


def layers(described: Description) -> tuple[str, ...]:
    """Name the integer FULLY_CONNECTED whose weights have more than one scale, by place where names are gone."""
    dense = [op for op in described.ops if op.name == "FULLY_CONNECTED" and len(op.inputs) > 1 and op.inputs[1] >= 0]
    return tuple(op.layer or f"op {op.index}" for op in dense if is_apart(op, described))


def is_apart(op: Op, described: Description) -> bool:
    """Say whether an operator computes on integers, and its weights have a scale for each output."""
    values, weights = (described.tensors[index] for index in op.inputs[:2])
    return values.dtype in ("int8", "int16") and len(weights.scales) > 1


def sentence(found: tuple[str, ...]) -> str:
    """Say of an artifact that it has such layers, and who computes them; empty where it has none."""
    if not found:
        return ""
    rest = f" and {len(found) - LAYERS_NAMED} more" if len(found) > LAYERS_NAMED else ""
    return f"FULLY_CONNECTED with a scale for each output ({', '.join(found[:LAYERS_NAMED])}{rest}): {warning()}"


def facts(described: Description) -> Scaled:
    """State such layers for the report, under the key that it reads them by; empty where there are none."""
    found = layers(described)
    return {"per_channel_dense": {"layers": list(found), "runtimes": warning()}} if found else {}
