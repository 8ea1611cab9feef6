"""Bits by layer: a target met with the least loss, tables of few values, and what is out of reach said."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from support import artifacts

from tinyc.compression.clustering.tables import distinct
from tinyc.quantization.precision import Search, facts, notes, search

STRIPPED = 9000


def run(flash_bytes, int4=True, rehearse="upper", leave=()):
    asked = Search(artifacts.network(), 3, int4, True, leave)
    tries: Counter[str] = Counter()
    chosen = search(
        asked, artifacts.data(), artifacts.TASK, flash_bytes, STRIPPED, rehearse, lambda n: tries.update(n=n)
    )
    assert tries["n"] == sum(len(asked.ways(kernel)) - 1 for kernel in asked.kernels())
    return asked, chosen


def test_room_enough_leaves_all_in_int8():
    _, chosen = run(STRIPPED)
    assert {way.kind for way in chosen.ways.values()} == {"int8"}
    assert chosen.flash_bytes == STRIPPED
    assert notes(chosen, STRIPPED) == []


@pytest.mark.parametrize("flash_bytes", [8000, 7000])
def test_a_target_is_met_and_more_room_costs_less(flash_bytes):
    _, chosen = run(flash_bytes, rehearse=None)
    _, wider = run(flash_bytes + 500, rehearse=None)
    assert chosen.least_bytes <= chosen.flash_bytes <= flash_bytes
    total = [sum(way.option.loss for way in each.ways.values()) for each in (chosen, wider)]
    assert total[1] <= total[0]


def test_a_target_out_of_reach_is_said():
    _, chosen = run(100)
    assert chosen.flash_bytes == chosen.least_bytes > 100
    assert f"{chosen.least_bytes} B; make the network smaller" in notes(chosen, 100)[0]
    assert facts(chosen, 100)["flash_least"] == chosen.least_bytes


def test_tables_have_as_many_values_as_their_bits_and_int4_fifteen():
    asked, chosen = run(100)
    changed = asked.changed(list(chosen.ways.values()))
    kinds = Counter(way.kind for way in chosen.ways.values())
    assert kinds["table"] >= 2
    assert kinds["int4"] >= 2
    for way in chosen.ways.values():
        weights = changed[way.kernel.layer][0]
        values = 2**way.option.bits if way.kind == "table" else 15
        assert distinct(weights, way.axis).max() <= values
        assert way.option.bytes < weights.size


def test_without_int4_and_with_layers_left():
    asked, chosen = run(100, int4=False, leave=("stage3_b_conv",))
    assert "int4" not in {way.kind for way in chosen.ways.values()}
    assert "stage3_b_conv/kernel" not in chosen.ways
    before = asked.model.get_weights()
    asked.changed(list(chosen.ways.values()))
    assert all(np.array_equal(one, other) for one, other in zip(before, asked.model.get_weights(), strict=True))


@pytest.mark.parametrize("flash_bytes", [100, 7000, 8000, STRIPPED])
def test_a_rehearsal_gives_both_ends_of_what_a_run_may_choose(flash_bytes):
    lower, run_itself, upper = (run(flash_bytes, rehearse=end)[1] for end in ("lower", None, "upper"))
    assert lower.flash_bytes <= run_itself.flash_bytes <= upper.flash_bytes
    assert upper.flash_bytes <= max(flash_bytes, upper.least_bytes)
    if flash_bytes in (100, STRIPPED):
        assert lower.flash_bytes == upper.flash_bytes


def test_weights_that_share_values_already_are_not_predicted_as_int8():
    asked = Search(artifacts.network(), 3, False, True)
    tabled = [way for ways in map(asked.ways, asked.kernels()) for way in ways if way.option.bits == 3]
    for name, weights in asked.changed(tabled).items():
        asked.model.get_layer(name).set_weights(weights)
    chosen = search(asked, artifacts.data(), artifacts.TASK, STRIPPED, STRIPPED, "upper", lambda _: None)
    assert {way.option.bits for way in chosen.of("table")} == {3}
    assert len(chosen.of("table")) == len(tabled)


def test_a_run_measures_each_kernel_and_all_together():
    _, chosen = run(7000, rehearse=None)
    told = facts(chosen, 7000)
    assert told["measured"]["split"] == "validation"
    assert told["measured"]["examples"] == 60
    assert told["measured"]["loss_after"] != told["measured"]["loss_before"]
    assert chosen.flash_bytes <= 7000
    losses = [each["loss"] for each in told["kernels"].values() if each["as"] != "int8"]
    assert losses
    assert min(losses) >= 0
