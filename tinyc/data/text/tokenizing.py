"""The tokenizer of text data: the source's or a file's, and what it makes of the sentences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tinyc.core import files, limits
from tinyc.core.errors import UserError
from tinyc.data import tokens
from tinyc.data.dataset import Split
from tinyc.data.tokens import Language, Tokenizer
from tinyc.spec.builders import Find
from tinyc.spec.data import DataSpec
from tinyc.spec.sentences import Prepare

MARKS = 2  # [CLS] and [SEP], which every sentence gets


def tokenizer(where: str, spec: DataSpec, find: Find, language: Language | None, is_text: bool) -> Tokenizer | None:
    """Give the tokenizer of text data, and None for numbers.

    Raises:
        UserError: text has no tokenizer or two of them, numbers have a `prepare`, or the file is not a tokenizer.
    """
    if not is_text:
        if isinstance(spec.prepare, Prepare):
            raise UserError(where, "holds no sentences, and prepare is for text", "leave prepare out of [data]")
        return None
    if spec.scale is not None or spec.offset is not None:
        raise UserError(where, "holds sentences, and scale and offset are for numbers", "leave both out of [data]")
    if isinstance(spec.prepare, tuple):
        raise UserError(where, "holds sentences, and steps are for numbers", "write prepare = { tokens = 64 }")
    prepare = spec.prepare or Prepare()
    if language is not None and prepare.tokenizer is not None:
        problem = f"the source brings its own tokenizer, and prepare.tokenizer = {prepare.tokenizer!r} is another"
        raise UserError(where, problem, "leave prepare.tokenizer out")
    if language is not None:
        return Tokenizer(language.definition, prepare.tokens)
    if prepare.tokenizer is None:
        remedy = 'give a source with a `checkpoint`, or write prepare = { tokenizer = "vocab.txt" } into [data]'
        raise UserError(where, "holds sentences, and nothing says how they become tokens", remedy)
    return Tokenizer(read_tokenizer(prepare.tokenizer, find), prepare.tokens)


def read_tokenizer(name: str, find: Find) -> str:
    """Read a tokenizer.json, or make one of a vocab.txt; a vocabulary without capitals belongs to lower-cased text.

    Raises:
        UserError: the file is not a WordPiece tokenizer.
    """
    path = find(name)
    content = files.read_text(path, limits.JSON_BYTES)
    if path.suffix.lower() == ".json":
        return tokens.check_definition(content, str(path))
    pieces = tokens.vocabulary_lines(content)
    is_lower = all(piece == piece.lower() for piece in pieces if not piece.startswith("["))
    return tokens.check_definition(tokens.from_vocabulary(pieces, is_lower, str(path)), str(path))


def notes(where: str, tokenizer: Tokenizer, splits: Mapping[str, Split]) -> tuple[str, ...]:
    """Say how many sentences are cut, and how many hold no token at all."""
    lengths = {name: np.array(tokenizer.lengths(split.x)) for name, split in splits.items()}
    cut = shares({name: length > tokenizer.length for name, length in lengths.items()})
    bare = shares({name: length <= MARKS for name, length in lengths.items()})
    return (
        *((f"{where}: longer than {tokenizer.length} tokens and cut there: {cut}",) if cut else ()),
        *((f"{where}: without any token: {bare}",) if bare else ()),
    )


def shares(masks: Mapping[str, NDArray[np.bool_]]) -> str:
    """Count the marked sentences of each split; "" where none is marked."""
    if not any(mask.any() for mask in masks.values()):
        return ""
    return ", ".join(
        f"{int(mask.sum()):,} of {len(mask):,} sentences of {name} ({mask.mean():.1%})" for name, mask in masks.items()
    )
