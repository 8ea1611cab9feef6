"""`tinyc inspect --html`: what is said of one file as a page without network, scripts or outside files."""

from __future__ import annotations

from tinyc.analysis.inspection import Inspection, constant_row
from tinyc.core import units
from tinyc.report.html import Share, environment
from tinyc.report.inspection_text import beside, interface, macs, parameters, verdicts, whole
from tinyc.report.lifetime_picture import svg
from tinyc.report.tables import Cells
from tinyc.tflite import dense_scales

TENSORS_SHOWN = 200


def page(found: Inspection) -> str:
    """Write the page."""
    most = max(found.kinds.values())
    total = found.described.file_bytes
    shares = [
        Share(kind, round(size / most * 100, 2), f"{size:,} B, {size / total:.1%}", rest=False)
        for kind, size in found.kinds.items()
    ]
    return environment().get_template("file.html").render(
        name=str(found.path), figures=figures(found), kinds=shares, tensors=tensors(found), savings=savings(found),
        operators=operators(found), verdicts=[f"{name}: {said}" for name, said in verdicts(found)],
        firmware=dense_scales.sentence(dense_scales.layers(found.described)),
        picture=svg(found.arena, found.described, found.arena_bytes) if found.arena.ops else "",
    )  # fmt: skip


def figures(found: Inspection) -> Cells:
    """Return the figures of the whole file."""
    described = found.described
    rows = [
        ("file", f"{described.file_bytes:,} B"),
        ("after gzip", f"{found.gzip_bytes:,} B"),
        ("weights, biases and tables", f"{described.weight_bytes:,} B"),
        ("parameters", parameters(described)),
        ("MACs", macs(described)),
        ("arena under TensorFlow Lite Micro", f"{found.arena_bytes:,} B" if found.arena_bytes else "not measured"),
        *(("input", interface(each)) for each in described.inputs),
        *(("output", interface(each)) for each in described.outputs),
    ]
    return Cells(("figure", "value"), tuple(rows))


def tensors(found: Inspection) -> Cells:
    """Return the stored tensors, the largest first."""
    header = (
        "layer", "operator", "role", "shape", "type", "bytes", "share", "values", "most in a channel",
        "zeros",
    )  # fmt: skip
    rows = []
    for constant, count in zip(found.constants, found.varieties, strict=True):
        where = constant_row(found.described, constant)
        values = ("?", "?", "?")
        if count:
            channel = "-" if count.per_channel is None else f"{count.per_channel:,}"
            values = (f"{count.distinct:,}", channel, f"{count.zeros:,}")
        shape = "x".join(map(str, where["shape"])) or "one number"
        rows.append((constant.layer, constant.op, constant.role, shape, where["dtype"], f"{constant.bytes:,}",
                     f"{where['share']:.1%}", *values))  # fmt: skip
    left = len(rows) - TENSORS_SHOWN
    note = f"{left} smaller tensors are in the JSON." if left > 0 else ""
    return Cells(header, tuple(rows[:TENSORS_SHOWN]), frozenset(range(5, 10)), note)


def savings(found: Inspection) -> Cells:
    """Return what each technique would take off."""
    total = found.described.file_bytes
    header = ("technique", "file in bytes", "takes off", "share", "how sure", "what it asks")
    rows = tuple(
        (each.technique, f"{each.bytes_after:,}", f"{each.saved_bytes:,}", f"{each.saved_bytes / total:.1%}",
         "measured" if each.measured else "estimated", each.cost)
        for each in found.savings
    )  # fmt: skip
    return Cells(header, rows, frozenset({1, 2, 3}))


def operators(found: Inspection) -> Cells:
    """Return the operators in the order of execution."""
    described = found.described
    rows = tuple(
        (str(op.index), op.name, op.layer or "-",
         "x".join(map(str, described.tensors[op.outputs[0]].shape)) if op.outputs else "",
         units.show_bytes(op.weight_bytes), whole(op.macs))
        for op in described.ops
    )  # fmt: skip
    header = ("op", "operator", "layer", "output", "weights", "MACs")
    return Cells(header, rows, frozenset({0, 4, 5}), beside(described))
