"""Where each kilobyte went: sentences from figures alone, and bars that hold every byte."""

from __future__ import annotations

from dataclasses import replace

from support import example
from support.optional import none_missing, not_none

from tinyc.report import kilobytes
from tinyc.report.record import StepRecord
from tinyc.report.views import Kilobytes, Views

ZEROED = replace(example.PRUNED, nonzero_params=14_000, gzip_bytes=80_000)
TABLES = {"weights": 20_000, "weight tables": 15_000, "biases": 1_300, "operators and options": 2_000}


def test_each_pass_says_why_the_bytes_went() -> None:
    said = dict(kilobytes.sentences(example.REPORT, example.VIEWS))
    assert said["1 distill"].startswith(
        "Took 89.6 MiB off (294x smaller): 23.5 M of 23.6 M parameters are gone (99.67 %)"
    )
    assert "a parameter takes 8.3 bits instead of 31.8 (weights from 272.2 KiB to 71.2 KiB)" in said["3 quantize"]
    assert said["4 export"] == (
        "Took 7.1 KiB off (1.09x smaller): scales and shapes -4.0 KiB; names and notes -2.6 KiB; "
        "operators and offsets -520 B."
    )
    assert said["5 verify"] == "Left every byte as it was."


def test_zeros_take_nothing_off_the_file_and_the_sentence_says_so() -> None:
    step = example.step(1, "prune", example.PRUNED, ZEROED, 1.0)
    ((_, said),) = kilobytes.sentences(replace(example.REPORT, source=example.PRUNED, steps=(step,)), Views())
    assert said.startswith("The file did not get smaller. 80.03 % of the parameters are zero now")
    assert "only gzip profits (256.0 KiB to 78.1 KiB)" in said


def test_values_that_repeat_are_told_from_what_gzip_makes_of_them() -> None:
    shared = replace(example.PRUNED, gzip_bytes=80_000)
    cluster = example.step(1, "cluster", example.PRUNED, shared, 1.0)
    report = replace(example.REPORT, source=example.PRUNED, steps=(cluster,))
    ((_, said),) = kilobytes.sentences(report, Views())
    assert said == (
        "Left every byte as it was; gzip falls from 256.0 KiB to 78.1 KiB: values repeat, "
        "which `compact` after `quantize` would turn into bytes."
    )
    after = replace(example.EXPORTED, weight_bytes=36_300, metadata_bytes=2_000, file_bytes=38_300)
    steps: tuple[StepRecord, ...] = (cluster, example.step(2, "lower", shared, example.EXPORTED, 1.0))
    steps = (*steps, example.step(3, "squeeze", example.EXPORTED, after, 1.0))
    views = Views(kilobytes=(Kilobytes(2, {"weights": 70_000}, {}), Kilobytes(3, TABLES, {})))
    said = dict(kilobytes.sentences(replace(report, steps=steps), views))["1 cluster"]
    assert said.endswith("values repeat, which 3 squeeze turns into bytes.")
    slightly = replace(example.PRUNED, gzip_bytes=int(0.98 * not_none(example.PRUNED.gzip_bytes)))
    report = replace(report, steps=(example.step(1, "cluster", example.PRUNED, slightly, 1.0),))
    assert kilobytes.sentences(report, Views()) == (("1 cluster", "Left every byte as it was."),)


def test_tables_are_told_from_weights() -> None:
    before = {"weights": 70_000, "biases": 1_300, "operators and options": 1_500}
    views = Views(kilobytes=(Kilobytes(0, before, {}), Kilobytes(1, TABLES, {})))
    after = replace(example.EXPORTED, weight_bytes=36_300, metadata_bytes=2_000, file_bytes=38_300)
    step = example.step(1, "compact", example.EXPORTED, after, 1.0)
    ((_, said),) = kilobytes.sentences(replace(example.REPORT, source=example.EXPORTED, steps=(step,)), views)
    assert "48.8 KiB of weights became 14.6 KiB of indices and tables" in said
    assert "operators and offsets +500 B" in said


def test_unmeasured_files_are_said_to_be() -> None:
    nothing = replace(example.EXPORTED, file_bytes=None, weight_bytes=None, metadata_bytes=None)
    step = example.step(1, "export", nothing, nothing, 1.0)
    report = replace(example.REPORT, source=nothing, final=nothing, steps=(step,))
    assert kilobytes.sentences(report, Views()) == (("1 export", "The file was not measured."),)
    assert kilobytes.summary(report) == ""
    assert kilobytes.by_kind(report, Views()).rows == ()
    assert [bar.segments for bar in kilobytes.stacks(report, Views())] == [(), ()]


def test_the_bars_hold_every_byte_on_one_scale() -> None:
    bars = kilobytes.stacks(example.REPORT, example.VIEWS)
    assert [bool(bar.beyond) for bar in bars] == [True, *[False] * 5]
    ends = [sum(part.width for part in bar.segments) for bar in bars]
    sizes = none_missing(example.SOURCE.file_bytes, *(step.after.file_bytes for step in example.STEPS))
    for end, size in zip(ends[1:], sizes[1:], strict=True):
        assert abs(end - size / not_none(example.DISTILLED.file_bytes) * 100) < 0.1
    assert abs(ends[0] - 100) < 0.1
    for bar in bars:
        ends_so_far = [0.0, *(part.at + part.width for part in bar.segments)]
        assert all(abs(part.at - end) < 0.05 for part, end in zip(bar.segments, ends_so_far, strict=False))


def test_groups_of_layers_stand_beside_each_other() -> None:
    cells = kilobytes.by_group(example.REPORT, example.VIEWS)
    assert cells.header[:3] == ("layers", "source", "1 distill")
    rows = {row[0]: row[1:] for row in cells.rows}
    assert rows["logits"][0] == "80.0 KiB"
    assert rows["conv5"][1] == "-"
    assert rows["stage3"][0] == "-"


def test_many_groups_are_gathered() -> None:
    groups = {f"layer{n}": 100 - n for n in range(40)}
    views = Views(kilobytes=(Kilobytes(0, {"weights": 1}, groups),))
    rows = kilobytes.by_group(example.REPORT, views).rows
    assert len(rows) == kilobytes.GROUPS_SHOWN + 1
    assert rows[-1][:2] == ("26 lighter groups", "1.9 KiB")
