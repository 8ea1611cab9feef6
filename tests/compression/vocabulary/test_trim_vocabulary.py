"""The pass `trim_vocabulary`: fewer pieces, the same spelling of kept words, the same network elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from support import artifacts, texts

from tinyc.compression.vocabulary.definition import restricted
from tinyc.core.errors import UserError
from tinyc.data.tokens import Tokenizer
from tinyc.network import backend
from tinyc.network.state import Net
from tinyc.spec.passes import apply
from tinyc.spec.passes.trim_vocabulary import TrimVocabulary


def trim(folder, state=None, **keys):
    state = state or texts.net()
    outcome = apply(TrimVocabulary(**keys), state, texts.context(folder, source=state))
    return state, outcome, outcome.state.task.tokenizer


@pytest.mark.parametrize("keys", [{}, {"coverage": 0.9, "size": 50}, {"coverage": 0.0}, {"size": 7}, {"count": 0}])
def test_bad_keys_are_refused(keys):
    with pytest.raises(ValidationError):
        TrimVocabulary(**keys)


def test_full_coverage_changes_no_output_and_no_spelling(tmp_path):
    state, outcome, trimmed = trim(tmp_path, coverage=1.0)
    before = texts.tokenizer()
    assert not {"[unused1]", "unseen"} & set(trimmed.vocabulary)
    assert trimmed.vocabulary[0] == "[PAD]"
    assert [trimmed.pieces(text) for text in texts.SENTENCES] == [before.pieces(text) for text in texts.SENTENCES]
    ids = trimmed.encode(texts.SENTENCES)
    assert np.array_equal(trimmed.to_source(ids), before.encode(texts.SENTENCES))
    np.testing.assert_allclose(
        outcome.state.model(ids).numpy(), state.model(before.encode(texts.SENTENCES)).numpy(), atol=1e-6
    )
    assert outcome.facts["training_coverage"] == 1.0
    assert outcome.facts["params_saved"] == (len(texts.PIECES) - len(trimmed.vocabulary)) * 16 > 0


def test_kept_order_special_ids_and_letters(tmp_path):
    _, outcome, trimmed = trim(tmp_path, count=2)
    pieces = trimmed.vocabulary
    assert list(pieces) == [piece for piece in texts.PIECES if piece in set(pieces)]
    assert {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "great", "a", "##y"} <= set(pieces)
    assert not {"subway", "playing", "z", "##z"} & set(pieces), "rare words, and letters that no sentence has"
    table = json.loads(trimmed.definition)
    assert all(pieces[each["id"]] == each["content"] for each in table["added_tokens"])
    assert trimmed.pieces("film zest") == ["[CLS]", "film", "[UNK]", "[SEP]"]
    assert trimmed.origin == tuple(texts.PIECES.index(piece) for piece in pieces)
    assert outcome.state.model.get_layer("tokens").embeddings.shape[0] == len(pieces) == outcome.facts["pieces_after"]


def test_pieces_that_rare_words_fall_back_on_are_counted(tmp_path):
    """`playing` and `plays` are rare; `play` occurs in no sentence until they are spelled without them."""
    _, _, trimmed = trim(tmp_path, count=2)
    assert "play" in trimmed.vocabulary
    assert trimmed.pieces("plays")[1:3] == ["play", "##s"]


def test_size_is_the_number_of_pieces(tmp_path):
    _, outcome, trimmed = trim(tmp_path, size=60)
    assert len(trimmed.vocabulary) == outcome.facts["pieces_after"] <= 60
    smallest = len(trim(tmp_path, count=10_000)[2].vocabulary)
    _, _, exact = trim(tmp_path, size=smallest + 3)
    assert len(exact.vocabulary) == smallest + 3
    with pytest.raises(UserError, match=f"{smallest} special pieces"):
        trim(tmp_path, size=smallest - 1)


def test_coverage_is_kept(tmp_path):
    kept = [trim(tmp_path, coverage=share)[1].facts for share in (0.6, 0.8, 1.0)]
    assert all(facts["training_coverage"] >= share for facts, share in zip(kept, (0.6, 0.8, 1.0), strict=True))
    assert kept[0]["pieces_after"] < kept[2]["pieces_after"]


def test_facts_tell_unknown_tokens_length_and_the_source(tmp_path):
    state, outcome, trimmed = trim(tmp_path, count=2)
    facts = outcome.facts
    assert facts["validation"]["unknown_before_fraction"] == 0.0
    words = ["the", "[UNK]", "!", "a", "[UNK]", "is"]  # then u n s e e n in single letters
    assert facts["validation"]["unknown_after_fraction"] == pytest.approx(2 / (len(words) + 6), abs=1e-6)
    tokens = [sum(tool.lengths(texts.SENTENCES)) - 16 for tool in (texts.tokenizer(), trimmed)]
    shares = [facts["training"][f"unknown_{when}_fraction"] for when in ("before", "after")]
    assert shares == pytest.approx([2 / count for count in tokens], abs=1e-6)  # a full stop and a comma
    assert facts["training"]["tokens_a_sentence_after"] > facts["training"]["tokens_a_sentence_before"]
    assert facts["training"]["sentences_cut_after"] > facts["training"]["sentences_cut_before"]
    ids = trimmed.to_source(trimmed.encode(texts.data().validation.x))
    wanted = np.mean(state.model(ids).numpy().argmax(-1) == texts.data().validation.y)
    assert facts["source_accuracy_on_trimmed"] == wanted
    own = texts.tokenizer().encode(texts.data().validation.x)
    assert facts["source_accuracy"] == np.mean(state.model(own).numpy().argmax(-1) == texts.data().validation.y)


def test_trimmed_twice_still_names_the_sources_ids(tmp_path):
    source, first, _ = trim(tmp_path, coverage=1.0)
    outcome = apply(TrimVocabulary(count=2), first.state, texts.context(tmp_path, source=source))
    trimmed = outcome.state.task.tokenizer
    assert trimmed.origin == tuple(texts.PIECES.index(piece) for piece in trimmed.vocabulary)
    assert len(trimmed.vocabulary) < len(first.state.task.tokenizer.vocabulary)
    rows = outcome.state.model.get_layer("tokens").get_weights()[0]
    assert np.array_equal(rows, source.model.get_layer("tokens").get_weights()[0][list(trimmed.origin)])


def test_template_processing_is_renumbered():
    table = json.loads(texts.tokenizer().definition)
    ends = {"[CLS]": 3, "[SEP]": 4}
    table["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                   {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {name: {"id": name, "ids": [index], "tokens": [name]} for name, index in ends.items()},
    }  # fmt: skip
    kept = np.array([piece != "[unused1]" for piece in texts.PIECES])
    smaller = Tokenizer(restricted(json.dumps(table), kept, "here"), 8)
    assert smaller.encode(["film"])[0].tolist() == [2, 5, 3, 0, 0, 0, 0, 0]


def test_a_rehearsal_has_the_same_shape_and_asks_no_source(tmp_path):
    state = texts.net()
    real = apply(TrimVocabulary(count=2), state, texts.context(tmp_path, source=state))
    plan = apply(TrimVocabulary(count=2), state, texts.context(tmp_path, source=state, rehearse="lower"))
    assert plan.state.task == real.state.task
    assert plan.facts["source_accuracy_on_trimmed"] is None


def test_what_cannot_be_trimmed_is_refused(tmp_path):
    with pytest.raises(UserError, match="reads no text"):
        apply(TrimVocabulary(count=2), artifacts.net(), artifacts.context(tmp_path))
    with pytest.raises(UserError, match="rows for"):
        trim(tmp_path, state=texts.net(vocabulary=20), count=2)
    keras = backend.keras()
    ids = keras.Input((8,), dtype="int32")
    counted = keras.layers.Dense(2)(keras.layers.Rescaling(1.0, name="raw")(ids))
    with pytest.raises(UserError, match=r"'raw' \(Rescaling\) reads the token ids"):
        trim(tmp_path, state=replace(texts.net(), model=keras.Model(ids, counted)), count=2)


def test_the_input_is_untouched(tmp_path):
    state = Net(texts.network(), texts.task())
    before = [weight.copy() for weight in state.model.get_weights()]
    trim(tmp_path, state=state, count=2)
    assert all(np.array_equal(old, new) for old, new in zip(before, state.model.get_weights(), strict=True))
