"""Which word pieces stay: those that the training sentences use, and all that words can fall back on."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyc.compression.vocabulary.definition import Kept, fixed, restricted
from tinyc.core.errors import UserError
from tinyc.data import tokens
from tinyc.data.tokens import Tokenizer

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Amount:
    """How many pieces stay; one of the three is given.

    Attributes:
        coverage: fraction of the training tokens whose piece stays.
        size: pieces that stay, at most.
        count: how often a piece must occur in the training sentences.
    """

    coverage: float | None = None
    size: int | None = None
    count: int | None = None


@dataclass(frozen=True)
class Spelling:
    """How sentences come out of a tokenizer, before any is cut or padded; shares are None without tokens.

    Attributes:
        unknown_fraction: share of them that are [UNK].
        tokens_a_sentence: the mean, with [CLS] and [SEP].
        cut: sentences with more tokens than the network takes.
    """

    unknown_fraction: float | None
    tokens_a_sentence: float | None
    cut: int


def spelling(tokenizer: Tokenizer, texts: Collection[str]) -> Spelling:
    """Count the tokens of sentences, the unknown ones, and the sentences that are too long."""
    tool = tokens.compiled(tokenizer.definition, None)
    unknown = tool.token_to_id(json.loads(tokenizer.definition)["model"]["unk_token"])
    found = spelled(tokenizer.definition, texts)
    lengths = np.array([len(each) for each in found]) + tool.num_special_tokens_to_add(False)
    total = sum(map(len, found))
    return Spelling(
        unknown_fraction=sum(each.count(unknown) for each in found) / total if total else None,
        tokens_a_sentence=float(lengths.mean()) if found else None,
        cut=int((lengths > tokenizer.length).sum()),
    )


def spelled(definition: str, texts: Collection[str]) -> list[list[int]]:
    """Give the ids of whole sentences, without [CLS] and [SEP]."""
    tool = tokens.compiled(definition, None)
    return [each.ids for each in tool.encode_batch_fast([str(text) for text in texts], add_special_tokens=False)]


def counts(definition: str, texts: Collection[str]) -> Counts:
    """Count how often each piece occurs in whole sentences, (pieces,)."""
    ids = [index for sentence in spelled(definition, texts) for index in sentence]
    return np.bincount(np.array(ids, np.int64), minlength=len(tokens.vocabulary(definition)))


def kept_pieces(definition: str, texts: Collection[str], amount: Amount, where: str) -> Kept:
    """Mark the pieces that stay, (pieces,).

    Words are counted twice, since a word whose piece goes is spelled with others, often such as no word needed before:
    once as the sentences are spelled now, and once without the pieces that are too rare by that count but with all
    that were not needed. A piece's rank is the greater count; `coverage` holds for both spellings. Special pieces,
    and single characters at the start of a word and within, stay where the sentences have them.

    Raises:
        UserError: `size` has no room for the pieces that must stay.
    """
    used = counts(definition, texts)
    always = indispensable(definition, used)
    first = chosen(used, always, amount, [used], where)
    left = first | (used == 0)
    split = np.zeros_like(used)
    split[left] = counts(restricted(definition, left, where), texts)
    return chosen(np.where(first, np.maximum(used, split), split), always, amount, [used, split], where)


def indispensable(definition: str, used: Counts) -> Kept:
    """Mark the special pieces, and every single character that the sentences' pieces consist of."""
    prefix = json.loads(definition)["model"].get("continuing_subword_prefix", "##")
    pieces, special = tokens.vocabulary(definition), fixed(definition)
    bare = [piece.removeprefix(prefix) if piece != prefix else piece for piece in pieces]
    spoken = [core for core, piece, often in zip(bare, pieces, used, strict=True) if often and piece not in special]
    letters = set("".join(spoken))
    return np.array([piece in special or core in letters for core, piece in zip(bare, pieces, strict=True)])


def chosen(score: Counts, always: Kept, amount: Amount, tallies: Sequence[Counts], where: str) -> Kept:
    """Mark `always` and the pieces of the highest scores, the first of equals; one that is never used does not stay."""
    order = np.argsort(-score, kind="stable")
    order = order[(score[order] > 0) & ~always[order]]
    keep = always.copy()
    keep[order[: room(score[order], order, always, amount, tallies, where)]] = True
    return keep


def room(scores: Counts, order: Counts, always: Kept, amount: Amount, tallies: Sequence[Counts], where: str) -> int:
    """Say how many pieces stay beside `always`."""
    if amount.size is not None:
        if amount.size < always.sum():
            must = f"{int(always.sum())} special pieces and single characters of the data must stay"
            raise UserError(where, f"size = {amount.size} is too small: {must}", "give a greater `size`")
        return amount.size - int(always.sum())
    if amount.count is not None:
        return int((scores >= amount.count).sum())
    return max(needed(tally, order, always, amount.coverage or 1.0) for tally in tallies)


def needed(tally: Counts, order: Counts, always: Kept, coverage: float) -> int:
    """Count the first pieces of an order that, with `always`, cover a share of all tokens."""
    reached = tally[always].sum() + np.concatenate([[0], np.cumsum(tally[order])])
    return int(np.searchsorted(reached, coverage * tally.sum() - 1e-6))
