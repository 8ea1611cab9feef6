"""What each technique that is left would take off a .tflite: measured where it can be done at once, else estimated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tinyc.core.errors import UserError
from tinyc.measure.weighing import gzip_bytes
from tinyc.tflite.read.constants import Constant, constants
from tinyc.tflite.read.description import BITS, Description
from tinyc.tflite.read.flatbuffer import MALFORMED, describe
from tinyc.tflite.read.values import HEADER_BYTES
from tinyc.tflite.write.strip import strip
from tinyc.tflite.write.tables import READ_LATE, TABLE_BYTES, gains

CLUSTER_BITS = 4
INT4_OPS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})


@dataclass(frozen=True)
class Saving:
    """One technique: the file's bytes after it; `measured` False marks a formula. `cost` is what it asks in return."""

    technique: str
    bytes_after: int
    saved_bytes: int
    measured: bool
    cost: str


def savings(content: bytes, described: Description) -> tuple[Saving, ...]:
    """List what is left to take off a file; techniques that would take nothing are in it with 0."""
    size = len(content)
    stripped = strip_bytes(content, described)
    found: list[tuple[str, int, bool, str]] = []
    if stripped is not None:
        found.append(("strip names, ranges and notes", len(stripped), True, "nothing: export does it"))
    found += exact_tables(content)
    clustered = sum(clustered_gain(each, described) for each in constants(described))
    cost = "accuracy to be measured; RAM; TFLM alone runs it"
    found.append((f"tables at {CLUSTER_BITS} bits, once clustered", size - clustered, False, cost))
    found += narrower(described)
    cost = "flash stays: the device must unpack it"
    found.append(("gzip, for over-the-air", gzip_bytes(content), True, cost))
    if stripped is not None:
        found.append(("gzip of the stripped file", gzip_bytes(stripped), True, cost))
    return tuple(Saving(name, after, size - after, measured, cost) for name, after, measured, cost in found)


def strip_bytes(content: bytes, described: Description) -> bytes | None:
    """Strip the file; None where its form does not survive being written again."""
    try:
        stripped = strip(content)
        again = describe(stripped)
    except (*MALFORMED, OSError, RuntimeError):
        return None
    same = (again.params, again.nonzero_params, len(again.ops)) == (
        described.params, described.nonzero_params, len(described.ops),
    )  # fmt: skip
    return stripped if same else None


def exact_tables(content: bytes) -> Iterator[tuple[str, int, bool, str]]:
    """Yield what tables take off as the weights are now, without a change in any output."""
    try:
        weighed = gains(content)
    except UserError:
        return
    found = [gain for gain in weighed if gain.bytes_after < gain.bytes_before]
    saved = sum(gain.bytes_before - gain.bytes_after for gain in found)
    bits = sorted({gain.bits for gain in found})
    width = f"{bits[0]} to {bits[-1]} bits" if len(bits) > 1 else f"{bits[0] if bits else 0} bits"
    count = f"{len(found)} tensor{'' if len(found) == 1 else 's'}, {width}"
    name = f"tables as it is ({count})" if found else "tables as it is (no tensor gains)"
    yield name, len(content) - saved, True, "RAM to decode into; TFLM alone runs it"


def clustered_gain(constant: Constant, described: Description) -> int:
    """Estimate what 16 values a channel would take off one tensor; 0 where it would grow."""
    tensor = described.tensors[constant.tensor]
    plain = constant.bytes > 0 and not tensor.sparse
    held = constant.role == "weights" and plain and tensor.dtype in ("int8", "int16")
    if not held or constant.op not in READ_LATE:
        return 0
    channels = max(1, len(tensor.scales))
    tables = channels * (BITS[tensor.dtype] // 8 << CLUSTER_BITS)
    return max(0, constant.bytes - (-(-tensor.elements * CLUSTER_BITS // 8) + tables + HEADER_BYTES + TABLE_BYTES))


def narrower(described: Description) -> Iterator[tuple[str, int, bool, str]]:
    """Estimate what fewer bits a weight would take off."""
    weights = [
        (each, described.tensors[each.tensor]) for each in constants(described) if each.role == "weights" and each.bytes
    ]
    floats = sum(each.bytes for each, tensor in weights if tensor.dtype == "float32")
    if floats:
        after = described.file_bytes - floats * 3 // 4
        yield "int8 weights (quantize)", after, False, "accuracy to be measured"
    # The kernels take weights of four bits beside int8 activations alone.
    beside = {
        i for op in described.ops if op.inputs and described.tensors[op.inputs[0]].dtype == "int8" for i in op.inputs
    }
    halved = (each for each, tensor in weights if tensor.dtype == "int8" and each.op in INT4_OPS and not tensor.sparse)
    eight = sum(each.bytes // 2 for each in halved if each.tensor in beside)
    yield "int4 weights where TFLM takes them", described.file_bytes - eight, False, "accuracy to be measured"
