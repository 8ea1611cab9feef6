"""sensitivity.json round-trips, says what is wrong with it, and its tables and picture hold every figure."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from tinyc.core.errors import UserError
from tinyc.report import sensitivity_picture, sensitivity_tables
from tinyc.spec.sensitivity_file import CutScore, GroupCuts, LayerBits, Score, Sensitivity, Skip, load_sensitivity

AMOUNTS = (0.125, 0.25, 0.5, 0.75, 0.9)


def group(name, *accuracies):
    cuts = tuple(CutScore(each, accuracy, 1 - accuracy) for each, accuracy in zip(AMOUNTS, accuracies, strict=True))
    return GroupCuts((name, f"{name}_second"), 16, 1200, 60_000, cuts)


FOUND = Sensitivity(
    schema=1, recipe="small", examples=512, split="validation", base=Score(0.9, 0.3),
    groups=(group("stem", 0.9, 0.88, 0.7, 0.3, 0.1), group("<body>", 0.91, 0.9, 0.895, 0.88, 0.891)),
    int8=tuple(LayerBits("stem", bits, accuracy, 0.4) for bits, accuracy in ((8, 0.9), (4, 0.85), (3, 0.6), (2, 0.1))),
    skipped=(Skip("logits", "it gives the network's output"),),
)  # fmt: skip


def test_amounts_are_the_largest_within_the_drop():
    assert FOUND.amounts(0.01) == {("stem", "stem_second"): 0.125, ("<body>", "<body>_second"): 0.5}
    assert FOUND.amounts(0.02)["stem", "stem_second"] == 0.25
    assert replace(FOUND, base=Score(1.0, 0.0)).amounts(0.01) == dict.fromkeys(
        [each.layers for each in FOUND.groups], 0
    )


def test_a_larger_cut_that_is_better_by_luck_does_not_count():
    noisy = replace(FOUND, groups=(group("noisy", 0.9, 0.85, 0.895, 0.9, 0.9), group("bad", 0.8, 0.9, 0.9, 0.9, 0.9)))
    assert noisy.amounts(0.01) == {("noisy", "noisy_second"): 0.125, ("bad", "bad_second"): 0.0}
    assert noisy.amounts(0.06)["noisy", "noisy_second"] == 0.9
    shuffled = replace(noisy, groups=tuple(replace(each, cuts=each.cuts[::-1]) for each in noisy.groups))
    assert shuffled.amounts(0.01) == noisy.amounts(0.01)


def test_a_network_of_other_sizes_is_refused():
    sizes = {("stem", "stem_second"): 16, ("<body>", "<body>_second"): 16, ("head",): 4}
    FOUND.require_fit(sizes, "runs/sensitivity.json")
    FOUND.require_fit({("head",): 4}, "runs/sensitivity.json")
    with pytest.raises(UserError, match="measure again") as error:
        FOUND.require_fit(sizes | {("<body>", "<body>_second"): 12}, "runs/sensitivity.json")
    assert "runs/sensitivity.json: <body>, <body>_second had 16 channels when measured and have 12" in str(error.value)


def test_json_round_trips(tmp_path):
    path = tmp_path / "sensitivity.json"
    path.write_text(FOUND.to_json())
    assert load_sensitivity(path) == FOUND


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda table: table.pop("groups"), "groups"),
        (lambda table: table.update(schema=2), "schema"),
        (lambda table: table["base"].update(accuracy=1.2), "base.accuracy"),
        (lambda table: table["groups"][0]["cuts"][0].update(fraction="much"), "groups.0.cuts.0.fraction"),
    ],
)
def test_a_malformed_file_says_where(spoil, message, tmp_path):
    table = json.loads(FOUND.to_json())
    spoil(table)
    path = tmp_path / "sensitivity.json"
    path.write_text(json.dumps(table))
    with pytest.raises(UserError, match="is not a sensitivity") as error:
        load_sensitivity(path)
    assert message in str(error.value)


def test_no_file_and_no_json(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        load_sensitivity(tmp_path / "nowhere.json")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(UserError, match="is not a sensitivity"):
        load_sensitivity(tmp_path / "x.json")


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_and_the_most_sensitive_stand_first(width):
    long = replace(FOUND, groups=(*FOUND.groups, group("a_very_long_name_of_a_layer_" * 4, 0.9, 0.9, 0.9, 0.9, 0.9)))
    lines = list(sensitivity_tables.lines(long, width))
    assert max(map(len, lines)) <= width
    stem, body = (next(i for i, line in enumerate(lines) if line.startswith(name)) for name in ("stem +1", "<body> +1"))
    assert stem < body
    assert lines[stem].split()[-5:] == ["0", "-2.0", "-20.0", "-60.0", "-80.0"]
    assert lines[body].split()[-5:] == ["+1.0", "0", "-0.5", "-2.0", "-0.9"]
    assert ("MACs" in lines[4]) == (width == 120)


def test_the_picture_is_one_sound_file_with_every_figure():
    drawn = sensitivity_picture.draw(FOUND)
    texts = [element.text for element in ElementTree.fromstring(drawn).iter() if element.tag.endswith("text")]
    assert {"stem +1", "<body> +1", "12.5 %", "90 %", "8 bits", "-80.0", "+1.0", "-30.0"} <= set(texts)
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")
    assert "script" not in drawn


def test_a_network_without_groups_can_be_shown():
    bare = replace(FOUND, groups=(), int8=())
    assert list(sensitivity_tables.lines(bare, 80))
    assert ElementTree.fromstring(sensitivity_picture.draw(bare)).tag.endswith("svg")
