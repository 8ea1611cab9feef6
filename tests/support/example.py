"""A finished run as it looks: ResNet-50 taken to 70 thousand parameters in five passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypedDict

import numpy as np

from tinyc.core.units import Bytes, Fraction, Seconds
from tinyc.measure import Ledger
from tinyc.network.contract import Skipped
from tinyc.report.record import Artifact, Report, SourceTime, StepRecord, difference
from tinyc.report.samples import picture
from tinyc.report.views import Kilobytes, Layer, PairedDrop, Sample, Views
from tinyc.spec.bounds import Bound, Check, Measured

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
RECIPE = """name = "resnet50-tiny"
seed = 7

[source]
build = "models/resnet.py:resnet50"

[targets]
params_reduction = ">= 99.6 %"
accuracy_drop = "<= 0.5 pp"

[[pass]]
use = "distill"
temperature = 4.0

[[pass]]
use = "prune"
how = "channels"
fraction = 0.1
"""


def recalls(*values: float) -> dict[str, float]:
    return dict(zip(CLASSES, values, strict=True))


SOURCE_RECALLS = recalls(0.842, 0.961, 0.792, 0.894, 0.813, 0.948, 0.581, 0.938, 0.953, 0.946)
FINAL_RECALLS = recalls(0.836, 0.974, 0.841, 0.907, 0.832, 0.966, 0.652, 0.944, 0.975, 0.951)
SOURCE = Ledger(
    params=23_608_202, nonzero_params=23_555_082, macs=82_214_912, weight_bytes=94_220_328, metadata_bytes=81_336,
    file_bytes=94_301_664, gzip_bytes=87_318_402, flash_bytes=94_301_664, arena_bytes=None, accuracy=0.8668,
    accuracy_low=0.85588, accuracy_high=0.87697, per_class=SOURCE_RECALLS, metric="accuracy", examples=4000,
    runtime="keras",
)  # fmt: skip
DISTILLED = replace(
    SOURCE, params=77_706, nonzero_params=77_700, macs=12_503_178, weight_bytes=309_080, metadata_bytes=11_896,
    file_bytes=320_976, gzip_bytes=288_790, flash_bytes=320_976, accuracy=0.8843, accuracy_low=0.87402,
    accuracy_high=0.89386, per_class=FINAL_RECALLS,
)  # fmt: skip
PRUNED = replace(
    DISTILLED, params=70_114, nonzero_params=70_110, macs=11_214_090, weight_bytes=278_712, metadata_bytes=11_896,
    file_bytes=290_608, gzip_bytes=262_114, flash_bytes=290_608, accuracy=0.8818, accuracy_low=0.87140,
    accuracy_high=0.89146,
)  # fmt: skip
QUANTIZED = replace(
    PRUNED, nonzero_params=69_002, weight_bytes=72_884, metadata_bytes=13_420, file_bytes=86_304, gzip_bytes=70_318,
    flash_bytes=86_304, arena_bytes=54_912, accuracy=0.8805, accuracy_low=0.87006, accuracy_high=0.89020,
    runtime="tflm",
)  # fmt: skip
EXPORTED = replace(QUANTIZED, metadata_bytes=6_140, file_bytes=79_024, gzip_bytes=66_873, flash_bytes=79_106)
DROPS = {1: (-0.0175, -0.0175), 2: (0.0025, -0.0150), 3: (0.0013, -0.0137), 4: (0.0, -0.0137), 5: (0.0, -0.0137)}


def judged(metric: str, bound: str, value: float | None, half: float | None = None) -> Check:
    low, high = (None, None) if half is None or value is None else (value - half, value + half)
    return Bound.parse(metric, bound).judge(Measured(value, low, high))


def step(index: int, use: str, before: Ledger, after: Ledger, seconds: float, **more: Any) -> StepRecord:
    known: dict[str, Any] = {"cached": False, "checks": (), "facts": {}, "skipped": ()}
    return StepRecord(
        index=index, use=use, key=f"{index}" * 64, seconds=seconds, before=before, after=after,
        delta=difference(after, before), delta_source=difference(after, SOURCE), **{**known, **more},
    )  # fmt: skip


Epoch = TypedDict("Epoch", {"epoch": int, "loss": float, "validation_accuracy": Fraction})
Distilled = TypedDict("Distilled", {
    "epochs": list[Epoch], "teachers": list[str], "views": int, "soft_labels_bytes": Bytes,
    "soft_labels_seconds": Seconds,
})  # fmt: skip
Exported = TypedDict("Exported", {"stripped_bytes": Bytes, "base_address": str})
FACTS: dict[str, type] = {"distill": Distilled, "export": Exported}
"""The declared facts of its passes, which are not quite those of tinyc's own."""
STEPS = (
    step(1, "distill", SOURCE, DISTILLED, 254.2, cached=True,
         checks=(judged("accuracy_drop", "<= 2 pp", -0.0175, 0.0078),),
         facts={"epochs": [{"epoch": n, "loss": 1.9 / n + 0.31, "validation_accuracy": 0.889 - 0.2 / n}
                           for n in range(1, 31)],
                "teachers": ["source"], "views": 4, "soft_labels_bytes": 960_000, "soft_labels_seconds": 92.4}),
    step(2, "prune", DISTILLED, PRUNED, 61.8, checks=(judged("accuracy_drop", "<= 0.2 pp", 0.0025, 0.0031),),
         facts={"groups": {"stem": {"channels": 16, "kept": 15}, "stage1": {"channels": 32, "kept": 29}},
                "criterion": "l1"},
         skipped=(Skipped("stem_conv", "named by skip"), Skipped("logits", "its outputs are the classes"))),
    step(3, "quantize", PRUNED, QUANTIZED, 48.1,
         facts={"how": "qat", "calibration_examples": 200, "input_scale": 0.003921568859368563,
                "input_zero_point": -128}),
    step(4, "export", QUANTIZED, EXPORTED, 1.37, facts={"stripped_bytes": 7_280, "base_address": "0x08040000"}),
    step(5, "verify", EXPORTED, EXPORTED, 9.6,
         facts={"reference": {"disagreements": 0, "largest_step": 0}, "fast": {"disagreements": 3, "largest_step": 1},
                "ops": ["CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED"]}),
)  # fmt: skip
TARGETS = (
    judged("params_reduction", ">= 99.6 %", 1 - 70_114 / 23_608_202),
    judged("file", "<= 80 KiB", 79_024.0),
    judged("accuracy_drop", "<= 0.5 pp", -0.0137, 0.0086),
    judged("arena", "<= 52 KiB", 54_912.0),
    judged("flash", "<= 96 KiB", None),
)
REPORT = Report(
    recipe="resnet50-tiny", recipe_sha256="9f" * 32, seed=7, tinyc="0.1.0",
    versions={"tensorflow": "2.19.1", "tf_keras": "2.19.0", "numpy": "1.26.4"},
    machine={"system": "Linux 6.1 x86_64", "processor": "AMD EPYC", "cores": 2, "memory_bytes": 8 * 1024**3},
    source=SOURCE, final=EXPORTED, met=False, seconds=376.4, steps=STEPS, targets=TARGETS,
    artifacts=(Artifact("model.tflite", 79_024, "ab" * 32), Artifact("model_data.cc", 487_310, "cd" * 32),
               Artifact("model.hex", 222_410, "ef" * 32)),
    source_time=SourceTime(241.9, cached=False, trained="here", training_seconds=236.0),
)  # fmt: skip


def confusion(recalled: dict[str, float]) -> tuple[tuple[int, ...], ...]:
    """400 test examples a class; what is missed goes to the neighbours."""
    rows = []
    for i, name in enumerate(CLASSES):
        right = round(recalled[name] * 400)
        row = [0] * len(CLASSES)
        row[i], row[(i + 2) % 10], row[(i + 6) % 10] = (
            right,
            (400 - right) * 2 // 3,
            (400 - right) - (400 - right) * 2 // 3,
        )
        rows.append(tuple(row))
    return tuple(rows)


def source_layers() -> tuple[Layer, ...]:
    """The convolutions of a ResNet-50, and its logits."""
    found, inputs = [Layer("conv1_conv", "Conv2D", 9_472 * 4, 9_472, 2_408_448)], 64
    for stage, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), start=2):
        for block in range(1, blocks + 1):
            shapes = [(1, inputs, width), (3, width, width), (1, width, 4 * width)]
            shapes = [(1, inputs, 4 * width), *shapes] if block == 1 else shapes
            for place, (edge, into, out) in enumerate(shapes, start=0 if block == 1 else 1):
                params = edge * edge * into * out + out
                found.append(Layer(f"conv{stage}_block{block}_{place}_conv", "Conv2D", params * 4, params, params * 4))
            inputs = 4 * width
    return (*found, Layer("logits", "Dense", 81_960, 20_490, 20_480))


def final_layers() -> tuple[Layer, ...]:
    shapes = [("stem_conv", 16, 1), *((f"stage{s}_conv{c}", 16 * s, 16 * (s if c > 1 else max(s - 1, 1)))
                                      for s in (1, 2, 3) for c in (1, 2))]  # fmt: skip
    layers = [Layer(name, "CONV_2D", 9 * i * o + 4 * o, 9 * i * o + o, 9 * i * o * 49) for name, o, i in shapes]
    return (*layers, Layer("logits", "FULLY_CONNECTED", 680, 650, 640))


def samples() -> tuple[Sample, ...]:
    """Twelve small drawings, a quarter of each kind."""
    edge = np.arange(28)
    found = []
    for i in range(12):
        label, wrong = i % 10, (i + 2) % 10
        shape = ((edge[:, None] - 14) ** 2 / (4 + i) ** 2 + (edge - 14) ** 2 / 64 < 1) * np.uint8(40 + 16 * i)
        source, final = (label if i % 4 in (0, 1) else wrong), (label if i % 4 in (0, 2) else wrong)
        found.append(
            Sample(17 * i, label, source, 0.62 + i / 40, final, 0.55 + i / 30, picture(shape.astype(np.uint8)))
        )
    return tuple(found)


QUANTIZED_KINDS = {
    "weights": 69_484, "biases": 3_400, "scales and zero points": 8_000, "operators and options": 2_780, "names": 2_640,
}  # fmt: skip
EXPORTED_KINDS = {
    "weights": 69_484, "biases": 3_400, "scales and zero points": 3_880, "operators and options": 2_260,
}  # fmt: skip
STUDENT_GROUPS = {"stem": 208, "stage1": 4_736, "stage2": 13_981, "stage3": 53_131, "logits": 650}


def kilobytes() -> tuple[Kilobytes, ...]:
    """Float files in two parts, then the artifact's kinds."""
    groups = {"conv1": 37_888, "conv2": 880_000, "conv5": 59_000_000, "logits": 81_960}
    student = {name: 4 * size for name, size in STUDENT_GROUPS.items()}
    floats = [
        Kilobytes(i, {"float weights and biases": of.weight_bytes or 0, "all but weights": of.metadata_bytes or 0}, by)
        for i, (of, by) in enumerate(((SOURCE, groups), (DISTILLED, student), (PRUNED, student)))
    ]
    kinds = (QUANTIZED_KINDS, EXPORTED_KINDS, EXPORTED_KINDS)
    return (*floats, *(Kilobytes(i, each, STUDENT_GROUPS) for i, each in enumerate(kinds, start=3)))


VIEWS = Views(
    description="ResNet-50 to an image classifier for microcontrollers",
    recipe_toml=RECIPE,
    classes=CLASSES,
    source_layers=source_layers(),
    final_layers=final_layers(),
    source_confusion=confusion(SOURCE_RECALLS),
    final_confusion=confusion(FINAL_RECALLS),
    samples=samples(),
    kilobytes=kilobytes(),
    paired=tuple(
        PairedDrop(i, Measured(b, b - 0.0031, b + 0.0031), Measured(s, s - 0.0086, s + 0.0086))
        for i, (b, s) in DROPS.items()
    ),
)
