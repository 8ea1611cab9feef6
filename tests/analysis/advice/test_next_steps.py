"""Each row of what may help a missed bound holds on its condition, and is silent on the nearest thing that is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support import example

from tinyc.analysis.advice.missed import Miss, Peak, Ran
from tinyc.analysis.advice.next_steps import ROWS, next_steps_for
from tinyc.measure import Ledger
from tinyc.spec.bounds import Bound, Measured

TUNED = {
    "objective": "distillation", "epochs": 5, "examples": 500, "loss": [1.0, 0.5, 0.4, 0.4, 0.4],
    "validation_accuracy": [], "best_epoch": 1,
}  # fmt: skip
PRUNE: dict[str, Any] = {"how": "channels", "fraction": 0.5, "rounds": 2, "epochs": 5, "teach": None}


def ledger(params: int, accuracy: float, overhead: int = 4000) -> Ledger:
    return replace(example.SOURCE, params=params, macs=10 * params, weight_bytes=params, metadata_bytes=overhead,
                   file_bytes=params + overhead, flash_bytes=params + overhead, accuracy=accuracy)  # fmt: skip


SOURCE = ledger(100_000, 0.95)
CUT, ROUNDED = ledger(30_000, 0.90), ledger(30_000, 0.895)


def ran(place: int, use: str, before: Ledger, after: Ledger, options: dict[str, Any], **more: Any) -> Ran:
    return Ran(place, use, options, before, after, 20.0, **more)


PRUNED = ran(1, "prune", SOURCE, CUT, PRUNE, facts={"fine_tune": TUNED}, cut=(("conv2", 60_000), ("conv1", 10_000)))
QUANTIZED = ran(2, "quantize", CUT, ROUNDED, {"how": "ptq", "epochs": 4})


def miss(metric: str, bound: str, got: float | None, *passes: Ran, **more: Any) -> Miss:
    asked = Bound.parse(metric, bound)
    check = asked.judge(Measured(got))
    assert not check.met
    passes = passes or (PRUNED, QUANTIZED)
    return Miss(check, asked, SOURCE, passes, **{"uses": ("prune", "quantize"), **more})


def writes(found: Miss) -> list[str]:
    return [each.write for each in next_steps_for(found, lambda _: True).advice]


def drop(*passes: Ran, **more: Any) -> list[str]:
    return writes(miss("accuracy_drop", "<= 1 pp", 0.055, *passes, **more))


def pruned(**options: Any) -> Ran:
    return replace(PRUNED, options={**PRUNE, **options})


def tuned(**facts: Any) -> Ran:
    return replace(PRUNED, facts={"fine_tune": {**TUNED, **facts}})


def test_a_smaller_cut_names_the_layers_that_gave_most() -> None:
    assert drop() == ["fraction = 0.25 in pass 1 (prune)"]
    (said,) = next_steps_for(miss("accuracy_drop", "<= 1 pp", 0.055), lambda _: True).advice
    assert said.because == "pass 1 (prune) lost 5.00 pp, and took 70,000 parameters, most in conv2 60,000, conv1 10,000"
    assert said.cost == "about 35,000 parameters more"


@pytest.mark.parametrize(
    ("bound", "is_told"),
    [(("params_reduction", ">= 30 %"), True), (("params_reduction", ">= 60 %"), False), (("params", "<= 70 k"), True),
     (("file", "<= 70 kB"), True), (("file", "<= 68 kB"), False), (("macs", "<= 400 k"), False)],
)  # fmt: skip
def test_a_smaller_cut_is_silent_where_it_would_break_another_bound(bound: tuple[str, str], is_told: bool) -> None:
    assert bool(drop(others=(Bound.parse(*bound),))) is is_told


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"fraction": None, "budget": {"params": "30 %"}}, ['budget.params = "65 %" in pass 1 (prune)']),
        ({"fraction": None, "budget": {"params": "240 k"}}, []),
        ({"how": "magnitude", "fraction": None, "sparsity": 0.8}, ["sparsity = 0.4 in pass 1 (prune)"]),
    ],
)
def test_half_a_cut_in_each_key_that_tells_its_depth(options: dict[str, Any], expected: list[str]) -> None:
    assert [each.replace("[pass.1]", "") for each in drop(pruned(**options))] == expected


def test_a_deep_cut_at_once_may_be_made_in_rounds() -> None:
    assert drop(pruned(rounds=1))[0] == "rounds = 3 in pass 1 (prune)"
    assert drop(pruned(rounds=1, epochs=2))[0] == "rounds = 3 in pass 1 (prune), epochs = 3 in pass 1 (prune)"
    assert "rounds" not in drop(pruned(rounds=2))[0]
    shallow = replace(pruned(rounds=1), after=replace(CUT, params=80_000))
    assert not any("rounds" in each for each in drop(shallow))
    assert not any("rounds" in each for each in drop(pruned(rounds=1, how="magnitude")))


def test_labels_alone_may_be_taught_by_the_source() -> None:
    assert drop(tuned(objective="labels"))[0] == "teach = { alpha = 0.5, temperature = 1, views = 2 } in pass 1 (prune)"
    assert not any("teach" in each for each in drop())
    assert not any("teach" in each for each in drop(tuned(objective="labels", best_epoch=5)))


def test_a_training_that_still_learnt_may_go_on() -> None:
    assert "epochs = 10 in pass 1 (prune)" in drop(tuned(best_epoch=4))
    assert "epochs = 10 in pass 1 (prune)" in drop(tuned(loss=[1.0, 0.9, 0.8, 0.7]))
    assert not any("epochs" in each for each in drop(tuned(best_epoch=2)))


def test_rounding_that_lost_accuracy_may_be_trained() -> None:
    coarse = replace(QUANTIZED, after=ledger(30_000, 0.80))
    assert 'how = "qat" in pass 2 (quantize)' in drop(PRUNED, coarse)
    assert not any("qat" in each for each in drop(PRUNED, QUANTIZED))  # it lost half a point of five and a half
    trained = replace(coarse, options={"how": "qat", "epochs": 4})
    assert not any("qat" in each for each in drop(PRUNED, trained))


def test_what_the_diagnosis_found_comes_first() -> None:
    cause = {"cause": "outlier channel", "layer": "conv1", "evidence": "channel 3 reaches 90", "add": "equalize = true"}
    known = {"examples": "50 of validation", "noisiest": []}
    coarse = replace(QUANTIZED, after=ledger(30_000, 0.80), facts={"diagnosis": {**known, "causes": [cause]}})
    assert drop(PRUNED, coarse)[0] == "equalize = true"
    for none in ({**known, "causes": "no cause found"}, "could not be made: no memory", {"causes": [cause]}):
        assert drop(PRUNED, replace(coarse, facts={"diagnosis": none}))[0] != "equalize = true"


def test_a_source_below_the_bound_has_to_be_trained_longer() -> None:
    below = miss("accuracy", ">= 97 %", 0.90, train={"epochs": 12}, train_seconds=60.0)
    first = next_steps_for(below, lambda _: True).advice[0]
    assert (first.write, first.cost) == ("epochs = 24 in [source] train", "about 2 min 00 s, twice what it took")
    assert next_steps_for(replace(below, train=None), lambda _: True).advice[0].write == ""
    assert not any("source" in each for each in writes(miss("accuracy", ">= 93 %", 0.90, train={"epochs": 12})))


def size(metric: str, bound: str, got: float, *passes: Ran, **more: Any) -> list[str]:
    return writes(miss(metric, bound, got, *passes, **more))


def test_a_deeper_cut_takes_what_the_bound_asks() -> None:
    deeper = 'no fraction in pass 1 (prune), budget = { params = "9.8 %" } in pass 1 (prune)'
    assert size("params", "<= 10 k", 30_000) == [deeper]
    assert size("params_reduction", ">= 90 %", 0.7) == [deeper]
    budget = pruned(fraction=None, budget={"params": "30 %"})
    assert size("params", "<= 10 k", 30_000, budget, QUANTIZED) == ['budget.params = "9.8 %" in pass 1 (prune)']
    # The same share of the MACs is a budget of its own.
    assert size("macs", "<= 100 k", 300_000) == [deeper.replace("params", "macs")]
    # Of a file of 34,000 bytes 4,000 are no weights.
    assert size("file", "<= 14 kB", 34_000) == [deeper]
    assert size("file", "<= 4 kB", 34_000) == []
    assert size("params", "<= 20", 30_000) == []


def test_a_first_cut_stands_before_quantize() -> None:
    alone = replace(QUANTIZED, place=1)
    found = size("params", "<= 10 k", 30_000, alone, uses=("quantize", "export"))
    assert found[0].startswith('a pass { use = "prune", how = "channels", budget = { params = "32.6 %" }, epochs = 4 }')
    assert found[0].endswith("before quantize (pass 1)")
    assert size("params", "<= 10 k", 30_000, alone, uses=("cluster", "export")) == []


def test_nothing_is_known_of_other_bounds_or_of_what_was_not_measured() -> None:
    assert writes(miss("bandwidth_reduction", ">= 90 %", 0.5)) == []
    assert writes(miss("params", "<= 10 k", None)) == []


def arena(bound: str, *passes: Ran, **more: Any) -> Miss:
    """An arena of 22,000 bytes: 20,000 at once in the first convolution, of which the input is 1,000."""
    known = {"input_bytes": 1000, "peak": Peak(20_000, "CONV_2D 'conv1'"), **more}
    return miss("arena", bound, 22_000, *passes, **known)


def test_an_arena_that_is_too_large_asks_for_fewer_channels() -> None:
    # 3,000 bytes stay, 19,000 go with the channels, and 9,000 of them may: 0.5 of the channels become 0.232.
    (said,) = next_steps_for(arena("<= 12 kB"), lambda _: True).advice
    assert said.write == "fraction = 0.77 in pass 1 (prune)"
    assert said.because == "activations take at most 19.5 KiB at once, in CONV_2D 'conv1'"
    (first,) = writes(arena("<= 12 kB", replace(QUANTIZED, place=1), uses=("quantize",)))
    assert "fraction = 0.54" in first
    (said,) = next_steps_for(arena("<= 3 kB"), lambda _: True).advice
    assert "take 2.9 KiB, which no cut reduces" in said.because
    assert said.write == ""
    assert writes(arena("<= 3100 B")) == []
    assert writes(arena("<= 12 kB", peak=None)) == []


def test_a_state_that_guesses_is_mended_first() -> None:
    (first,) = next_steps_for(miss("accuracy_drop", "<= 1 pp", 0.5, guesses=("source",)), lambda _: True).advice
    assert first.because == "source cannot be told from guessing: fix that first, as advised there"
    assert first.write == ""


def test_changes_that_a_recipe_refuses_are_not_told() -> None:
    assert next_steps_for(miss("accuracy_drop", "<= 1 pp", 0.055), lambda _: False).advice == ()


def test_every_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
