"""Tokenizers: fixed length, padding, the source's ids, and refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.checkpoints import PIECES

from tinyc.core.errors import UserError
from tinyc.data import tokens
from tinyc.data.tokens import Tokenizer

DEFINITION = tokens.from_vocabulary(PIECES, lowercase=True, where="vocab.txt")
WORD_LEVEL = {"type": "WordLevel", "vocab": {"[PAD]": 0}, "unk_token": "a"}
IDS = {piece: index for index, piece in enumerate(PIECES)}


def ids(*pieces: str) -> list[int]:
    return [IDS[piece] for piece in pieces]


def test_sentences_are_padded_and_cut() -> None:
    found = Tokenizer(DEFINITION, 6).encode(["A FUNNY film!", "it is a very good film", "é"])
    assert found.dtype == np.int32
    assert found.tolist() == [
        ids("[CLS]", "a", "funny", "film", "!", "[SEP]"),
        ids("[CLS]", "it", "is", "a", "very", "[SEP]"),
        ids("[CLS]", "e", "[SEP]", "[PAD]", "[PAD]", "[PAD]"),
    ]


def test_no_sentences_have_a_shape() -> None:
    assert Tokenizer(DEFINITION, 6).encode([]).shape == (0, 6)


def test_lengths_are_those_before_cutting() -> None:
    assert Tokenizer(DEFINITION, 4).lengths(["", "it is a very good film", "zz"]) == [2, 8, 4]


def test_case_is_kept_where_the_checkpoint_keeps_it() -> None:
    cased = Tokenizer(tokens.from_vocabulary(PIECES, lowercase=False, where=""), 4)
    assert cased.pieces("FILM film") == ["[CLS]", "[UNK]", "film", "[SEP]"]


def test_vocabulary_is_in_the_order_of_the_ids() -> None:
    assert Tokenizer(DEFINITION, 4).vocabulary == PIECES


def test_ids_go_back_to_the_source() -> None:
    given = np.array([[2, 1, 0]], np.int32)
    assert Tokenizer(DEFINITION, 3).to_source(given) is given
    assert Tokenizer(DEFINITION, 3, origin=(0, 100, 101)).to_source(given).tolist() == [[101, 100, 0]]


def with_ids(**ids: int) -> str:
    table = json.loads(DEFINITION)
    table["model"]["vocab"] |= ids
    return json.dumps(table)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("", "is not a tokenizer"),
        ("[]", "is not a tokenizer"),
        (json.dumps({**json.loads(DEFINITION), "model": WORD_LEVEL}), "is a WordLevel tokenizer"),
        (DEFINITION.replace('"[PAD]": 0', '"[PAD]": 5').replace('".": 5', '".": 0'), "at id 0"),
        (with_ids(film=900), "its ids are not 0 to"),
        (with_ids(film=IDS["movie"]), "its ids are not 0 to"),
        (DEFINITION.replace('"unk_token": "[UNK]"', '"unk_token": "[NO]"'), "no piece '\\[NO\\]' for unknown words"),
        (json.dumps({**json.loads(DEFINITION), "post_processor": None}), "puts 0 tokens around a sentence"),
    ],
    ids=["empty", "list", "word level", "padding elsewhere", "gap", "one id twice", "no unknown", "bare"],
)  # fmt: skip
def test_other_tokenizers_are_refused(definition: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        tokens.check_definition(definition, "tokenizer.json")


def with_part(name: str, **part: object) -> str:
    return json.dumps({**json.loads(DEFINITION), name: part})


def letters(most: object) -> str:
    table = json.loads(DEFINITION)
    table["model"]["max_input_chars_per_word"] = most
    return json.dumps(table)


GROWS = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000}
SEARCHES = {"type": "Split", "pattern": {"Regex": "(a|a)*b"}, "behavior": "Isolated", "invert": False}
AGAIN = [{"Sequence": {"id": "A", "type_id": 0}}] * 5
OUT = {"sep": ["[SEP]", 2**32 - 1], "cls": ["[CLS]", 2]}


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (with_part("normalizer", type="Sequence", normalizers=[GROWS] * 4), "has the normalizer Replace, which BERT's"),
        (with_part("normalizer", type="Prepend", prepend="x" * 10_000), "has the normalizer Prepend"),
        (with_part("normalizer", type=["a"] * 1000), "has the normalizer ['a', 'a', "),
        (with_part("normalizer", prepend="x"), "is not a tokenizer: it lacks 'type'"),
        (with_part("pre_tokenizer", **SEARCHES), "has the pre_tokenizer Split"),
        (with_part("pre_tokenizer", type="Sequence", pretokenizers=[SEARCHES]), "has the pre_tokenizer Split"),
        (with_part("post_processor", type="TemplateProcessing", single=AGAIN), "has a template that is not [CLS], the"),
        (with_part("post_processor", type="BertProcessing", **OUT), "puts the ids 2 and 4294967295 around a sentence"),
        (letters(100_000), "has max_input_chars_per_word = 100000; at most 1000 are read"),
        (letters("many"), "has max_input_chars_per_word = many"),
        (json.dumps({"model": []}), "is not a tokenizer: its parts are not tables"),
        (DEFINITION[:-1] + ', "model": null}', "is not a tokenizer: a key stands twice in one table"),
        ("[" * 100_000, "is not a tokenizer: "),
    ],
    ids=lambda text: text[:40] if text[:1] in "hpi" else "",
)
def test_parts_that_could_run_without_end_are_refused(definition: str, message: str) -> None:
    """A sentence of a few letters would become gigabytes, or a search without end."""
    with pytest.raises(UserError) as caught:
        tokens.check_definition(definition, "tokenizer.json")
    assert f"tokenizer.json: {message}" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_other_parts_of_bert_are_taken() -> None:
    parts = [{"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}]
    found = with_part("normalizer", type="Sequence", normalizers=parts)
    assert Tokenizer(tokens.check_definition(found, "tokenizer.json"), 4).encode(["É"]).tolist() == [
        ids("[CLS]", "e", "[SEP]", "[PAD]")
    ]
