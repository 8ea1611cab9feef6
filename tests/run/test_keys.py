"""Content keys: what changes the bytes of a step changes its key, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import tinyc
from tinyc.run import keys
from tinyc.spec import gallery
from tinyc.spec.builders import Find
from tinyc.spec.load import load
from tinyc.spec.passes import PASSES, ROWS
from tinyc.spec.references import references
from tinyc.tflite.run import runtimes

TEXT = """
name = "small"
seed = 3
[source]
build = "net.py:net"
train = { epochs = 1 }
[data]
name = "fashion-mnist"
[targets]
params_reduction = ">= 90 %"
[[pass]]
use = "prune"
how = "channels"
fraction = 0.5
[[pass]]
use = "quantize"
"""


def written(folder: Path, text: str = TEXT, helper: str = "WIDTH = 4") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "r.toml").write_text(text)
    (folder / "net.py").write_text("from parts import WIDTH\ndef net(shape, classes): ...")
    (folder / "parts.py").write_text(helper)
    return folder / "r.toml"


def keys_of(folder: Path, text: str = TEXT, digest: str = "d", helper: str = "WIDTH = 4") -> list[str]:
    recipe = load(str(written(folder, text, helper)))

    def find(path: str) -> Path:
        return gallery.find(path, folder, "r.toml")

    wanted: Find = find
    return list(keys.of_recipe(recipe, digest, wanted).steps)


def test_the_same_recipe_in_another_folder_has_the_same_keys(tmp_path: Path) -> None:
    assert keys_of(tmp_path / "a") == keys_of(tmp_path / "b")


def test_name_and_targets_do_not_enter(tmp_path: Path) -> None:
    changed = TEXT.replace('"small"', '"other"').replace("90 %", "95 %")
    assert keys_of(tmp_path / "a") == keys_of(tmp_path / "b", changed)


def test_a_change_of_a_pass_changes_it_and_what_follows(tmp_path: Path) -> None:
    before = keys_of(tmp_path)
    after = keys_of(tmp_path, TEXT.replace("fraction = 0.5", "fraction = 0.25"))
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, False]


def test_what_the_source_is_made_of_changes_all(tmp_path: Path) -> None:
    before = keys_of(tmp_path)
    variants = [
        keys_of(tmp_path, digest="e"),
        keys_of(tmp_path, helper="WIDTH = 5"),
        keys_of(tmp_path, TEXT.replace("seed = 3", "seed = 4")),
        keys_of(tmp_path, TEXT.replace("epochs = 1", "epochs = 2")),
    ]
    for after in variants:
        assert not set(before) & set(after)


def test_what_a_saved_network_holds_enters_the_key(tmp_path: Path) -> None:
    """A SavedModel is a folder, and a teacher a network beside the source."""
    text = TEXT.replace('build = "net.py:net"', 'file = "saved"').replace("how =", 'skip = ["x"]\nhow =')
    taught = TEXT.replace(
        '[[pass]]\nuse = "prune"',
        '[[pass]]\nuse = "distill"\nstudent = "net.py:net"\nteachers = ["source", "saved"]\n[[pass]]\nuse = "prune"',
    )
    (tmp_path / "saved").mkdir()
    for recipe, first in ((text, 0), (taught, 1)):
        (tmp_path / "saved" / "weights").write_text("one")
        before = keys_of(tmp_path, recipe)
        (tmp_path / "saved" / "weights").write_text("two")
        after = keys_of(tmp_path, recipe)
        assert before[:first] == after[:first]
        assert not set(before[first:]) & set(after)


def test_an_artifact_in_the_middle_is_no_final_one(tmp_path: Path) -> None:
    """The last is measured under TFLM, one before `export` by the fast kernels: neither stands in for the other."""
    last = keys_of(tmp_path)
    middle = keys_of(tmp_path, TEXT + '[[pass]]\nuse = "export"\n')
    assert last[:2] == middle[:2]
    assert last[2] != middle[2]


def test_the_interpreters_enter_the_keys_of_artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever installs TFLM after a run wants the arena that was not measured."""
    before = keys_of(tmp_path)
    monkeypatch.setattr(runtimes, "version", lambda runtime: None if runtime == "tflm" else "some 1.0")
    after = keys_of(tmp_path)
    assert before[:2] == after[:2]
    assert before[2] != after[2]


def test_a_word_of_a_choice_is_no_file() -> None:
    assert list(references(PASSES["quantize"].model_validate({"use": "quantize", "weights": "int4"}))) == []


def test_a_budget_of_bytes_is_no_file(tmp_path: Path) -> None:
    before = keys_of(tmp_path, TEXT.replace("fraction = 0.5", 'budget = { file = "12 KiB" }'))
    after = keys_of(tmp_path, TEXT.replace("fraction = 0.5", 'budget = { file = "10 KiB" }'))
    assert before[0] == after[0]
    assert not set(before[1:]) & set(after[1:])


def test_a_raised_number_changes_the_steps_it_speaks_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trained source stays: its weights are what they were."""
    before = keys_of(tmp_path)
    for use, same in (("source", [False] * 3), ("prune", [True, False, False]), ("quantize", [True, True, False])):
        with monkeypatch.context() as raised:
            if use == "source":
                raised.setattr(keys, "SOURCE", keys.SOURCE + 1)
            else:
                raised.setitem(ROWS, use, replace(ROWS[use], computed=ROWS[use].computed + 1))
            assert [old == new for old, new in zip(before, keys_of(tmp_path), strict=True)] == same
    monkeypatch.setattr(keys, "MEASURED", keys.MEASURED + 1)
    assert not set(before) & set(keys_of(tmp_path))


def test_the_trained_source_knows_neither_numbers_nor_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load(str(written(tmp_path)))
    before = keys.of_recipe(recipe, "d", recipe.find)
    monkeypatch.setattr(tinyc, "__version__", "9.9.9")
    assert keys.of_recipe(recipe, "d", recipe.find) == before
    monkeypatch.setattr(keys, "SOURCE", 99)
    monkeypatch.setattr(keys, "MEASURED", 99)
    assert keys.of_recipe(recipe, "d", recipe.find).source == before.source
