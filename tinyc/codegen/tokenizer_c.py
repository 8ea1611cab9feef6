"""A tokenizer in C for the device, generated from its definition: the same ids as the `tokenizers` library gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyc import __version__
from tinyc.codegen.c_source import TOKENIZER_HEADER as HEADER
from tinyc.codegen.c_source import render, rows
from tinyc.codegen.tokenizer_characters import Action, becomes, runs, written
from tinyc.codegen.tokenizer_pieces import CONTINUED, Pieces, arranged, reachable, specials
from tinyc.core.errors import UserError
from tinyc.data.tokens import Tokenizer, compiled

SOURCE = "tokenizer.c"
WHERE = "tokenizer"
BERT = {"normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer", "model": "WordPiece"}
CLOSINGS = ("BertProcessing", "TemplateProcessing")
LONGEST_WORD = 1000
"""Characters of a word at most: its 4 bytes each lie on the device's stack."""
REMEDY = "export without c, or use the tokenizer of a BERT checkpoint"


@dataclass(frozen=True)
class TokenizerSource:
    """Files by name, and the bytes that their constant tables take in flash, by what they hold."""

    files: Mapping[str, bytes]
    tables: Mapping[str, int]


def tokenizer_source(tokenizer: Tokenizer, name: str) -> TokenizerSource:
    """Write tokenizer.h and tokenizer.c, C99 and C++, for text of UTF-8; invalid bytes count as U+FFFD.

    As in the library, the text of an added token such as "[SEP]" is that token, wherever it stands.

    Args:
        tokenizer: BERT's normalizer, pre-tokenizer and WordPiece, between [CLS] and [SEP].
        name: what the C names begin with, e.g. "model" for `model_tokenize` and `MODEL_TOKENS`.

    Raises:
        UserError: the definition is of another kind; says which part.
    """
    definition = json.loads(tokenizer.definition)
    first, last = checked(tokenizer, definition)
    model = definition["model"]
    bare = without_words(definition)
    changed = becomes(bare)
    held = reachable(model["vocab"], changed, model["max_input_chars_per_word"])
    if not held:
        raise UserError(WHERE, "has no piece that any text can produce", "check its vocabulary")
    pieces = arranged(held)
    table = runs(bare, pieces.alphabet, WHERE)
    characters, added = written(table), specials(definition["added_tokens"])
    facts = {
        **{"name": name, "upper": name.upper(), "version": __version__, "header": HEADER, "source": SOURCE},
        "guard": f"TINYC_{name.upper()}_TOKENIZER_H_",
        "length": tokenizer.length,
        "vocabulary": len(tokenizer.vocabulary),
        "longest_word": model["max_input_chars_per_word"],
        **{"first": first, "last": last, "unknown": model["vocab"][model["unk_token"]]},
        "actions": {action.name: int(action) for action in Action},
        "hangul": any(run.rule.action is Action.HANGUL for run in table),
        "characters": rows(characters, "    "),
        "specials": rows(added, "    "),
        **of_pieces(pieces),
    }
    files = {file: render(file, facts) for file in (HEADER, SOURCE)}
    return TokenizerSource(files, {"vocabulary": pieces.bytes, "tokenizer": len(characters) + len(added)})


def without_words(definition: Mapping[str, Any]) -> str:
    """Leave the vocabulary out, so that what the library says of characters is asked once for all vocabularies."""
    model = {**definition["model"], "vocab": {definition["model"]["unk_token"]: 0}}
    return json.dumps({**definition, "added_tokens": [], "post_processor": None, "model": model})


def of_pieces(pieces: Pieces) -> dict[str, Any]:
    """Give what the template needs of the pieces."""
    ends = [sum(pieces.counts[0]), len(pieces.ids)]
    begun = sum(length * count for length, count in enumerate(pieces.counts[0]))
    return {
        "pieces": rows(pieces.text, "    "),
        "ids": rows(pieces.ids, "    "),
        "id_bits": pieces.id_bits,
        "counts": [rows(counts, " " * 8) for counts in pieces.counts],
        "count_bits": pieces.count_bits,
        "longest_piece": len(pieces.counts[0]) - 1,
        "ends": ends,
        "text_ends": [begun, len(pieces.text)],
    }


def checked(tokenizer: Tokenizer, definition: Mapping[str, Any]) -> tuple[int, int]:
    """Give the ids that begin and end every sentence, or refuse a definition that the C code does not follow."""
    for part, kind in BERT.items():
        found = (definition.get(part) or {}).get("type")
        if found != kind:
            raise UserError(f"{WHERE}.{part}", f"is {found or 'none'}; C code is written for {kind}", REMEDY)
    model = definition["model"]
    if model["continuing_subword_prefix"] != CONTINUED:
        given = model["continuing_subword_prefix"]
        raise UserError(f"{WHERE}.model", f"continues words by {given!r}, not {CONTINUED!r}", REMEDY)
    if not 1 <= model["max_input_chars_per_word"] <= LONGEST_WORD:
        given = model["max_input_chars_per_word"]
        raise UserError(f"{WHERE}.model", f"max_input_chars_per_word is {given}, beyond {LONGEST_WORD}", REMEDY)
    for token in definition["added_tokens"]:
        refuse_token(token)
    return closings(tokenizer, definition)


def refuse_token(token: Mapping[str, Any]) -> None:
    """Refuse an added token that is not matched as it stands."""
    flags = [flag for flag in ("single_word", "lstrip", "rstrip", "normalized") if token[flag]]
    if flags:
        raise UserError(f"{WHERE}.added_tokens", f"{token['content']!r} has the flag {flags[0]}", REMEDY)
    if not token["content"] or "\ufffd" in token["content"]:
        raise UserError(f"{WHERE}.added_tokens", f"{token['content']!r} can be matched in no text", REMEDY)


def closings(tokenizer: Tokenizer, definition: Mapping[str, Any]) -> tuple[int, int]:
    """Ask the library which ids stand around a sentence."""
    kind = (definition.get("post_processor") or {}).get("type")
    ids = compiled(tokenizer.definition, None).encode("").ids
    if kind not in CLOSINGS or len(ids) != 2:
        problem = f"{kind or 'none'} puts {len(ids)} tokens around a sentence; C code is written for [CLS] and [SEP]"
        raise UserError(f"{WHERE}.post_processor", problem, REMEDY)
    if tokenizer.length < 2:
        raise UserError(f"{WHERE}.length", f"is {tokenizer.length}", "leave room for [CLS], [SEP] and words")
    return ids[0], ids[1]
