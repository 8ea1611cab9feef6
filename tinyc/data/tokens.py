"""From sentences to token ids by WordPiece tokenizers; importing this imports no `tokenizers`."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import MachineError, UserError, clipped, quoted

PAD, UNKNOWN, FIRST, LAST, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL = (PAD, UNKNOWN, FIRST, LAST, MASK)
PARTS = {
    "normalizer": (
        "BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Sequence", "Strip", "StripAccents",
    ),
    "pre_tokenizer": (
        "BertPreTokenizer", "CharDelimiterSplit", "Digits", "Punctuation", "Sequence", "Whitespace", "WhitespaceSplit",
    ),
    "post_processor": ("BertProcessing", "TemplateProcessing"),
}  # fmt: skip
"""Of the library's kinds those that neither repeat text nor run patterns of the file's own."""
SEQUENCES = ("normalizers", "pretokenizers")
MOST_LETTERS = 1000
REMEDY = "give a BERT-like checkpoint: its tokenizer is WordPiece"


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer with the fixed number of tokens that a network takes; padding has id 0.

    Attributes:
        definition: the `tokenizer.json` of the `tokenizers` library, as text.
        length: tokens of an example, [CLS] and [SEP] among them; longer sentences are cut, shorter ones padded.
        origin: for a trimmed vocabulary, the id that each of its pieces has in the source's vocabulary.
    """

    definition: str = field(repr=False)
    length: int
    origin: tuple[int, ...] | None = field(default=None, repr=False)

    def encode(self, texts: Iterable[str]) -> NDArray[np.int32]:
        """Give the ids of sentences, (sentences, length) int32."""
        found = compiled(self.definition, self.length).encode_batch_fast([str(text) for text in texts])
        return np.array([each.ids for each in found], np.int32).reshape(-1, self.length)

    def lengths(self, texts: Iterable[str]) -> list[int]:
        """Count the tokens of sentences before any is cut or padded, [CLS] and [SEP] among them."""
        found = compiled(self.definition, None).encode_batch_fast([str(text) for text in texts])
        return [len(each.ids) for each in found]

    def pieces(self, text: str) -> list[str]:
        """Give the tokens of one sentence as the network gets them, without padding."""
        found = compiled(self.definition, self.length).encode(text).tokens
        return [piece for piece in found if piece != PAD]

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every piece in the order of its id."""
        return vocabulary(self.definition)

    def to_source(self, ids: NDArray[np.int32]) -> NDArray[np.int32]:
        """Give the source's ids for this tokenizer's: the very same pieces, in the same places."""
        return ids if self.origin is None else np.asarray(self.origin, np.int32)[ids]


@dataclass(frozen=True)
class Language:
    """What a checkpoint knows of words: its tokenizer, and the vectors of its pieces where it has some.

    `vectors` reads (vocabulary, width) float32 when called, since that takes a while.
    """

    definition: str = field(repr=False)
    vectors: Callable[[], NDArray[np.float32]] | None = None


def vocabulary_lines(content: str) -> list[str]:
    """Part a vocab.txt into its pieces; a piece may be a character that Unicode counts as the end of a line."""
    return [piece.removesuffix("\r") for piece in content.removesuffix("\n").split("\n")]


def from_vocabulary(pieces: Sequence[str], lowercase: bool, where: str) -> str:
    """Write the `tokenizer.json` of a BERT vocabulary, one piece an id.

    Raises:
        UserError: [PAD] is not the first piece, another special piece is missing, or one stands twice.
    """
    missing = [piece for piece in SPECIAL[:4] if piece not in pieces]
    if missing or pieces[0] != PAD:
        problem = f"has no {missing[0]}" if missing else f"begins with {quoted(pieces[0])}, not {PAD}"
        raise UserError(where, problem, "give the vocab.txt of a BERT checkpoint: a piece a line, [PAD] first")
    doubled = len(pieces) - len(set(pieces))
    if doubled:
        raise UserError(where, f"has {doubled} duplicate pieces", "give the vocab.txt as the checkpoint has it")
    ids = {piece: index for index, piece in enumerate(pieces)}
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [added(piece, ids[piece]) for piece in SPECIAL if piece in ids],
            "normalizer": {
                "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                "strip_accents": None, "lowercase": lowercase,
            },
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "BertProcessing", "sep": [LAST, ids[LAST]], "cls": [FIRST, ids[FIRST]]},
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {
                "type": "WordPiece", "unk_token": UNKNOWN, "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": ids,
            },
        }
    )  # fmt: skip


def added(piece: str, index: int) -> dict[str, Any]:
    """Describe a special piece: never split, not normalized."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": index, "content": piece, **flags}


def check_definition(definition: str, where: str) -> str:
    """Give a definition back, or refuse it.

    Raises:
        UserError: it is not a WordPiece tokenizer with [PAD] at id 0, or has parts that BERT's tokenizers do not have.
        MachineError: the `tokenizers` library is missing.
    """
    judge(definition, where)
    try:
        compiled(definition, 8)
        pieces = vocabulary(definition)
    except MachineError:
        raise
    except BaseException as error:  # the library raises bare Exceptions, and Rust's panics, which are none
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise UserError(where, f"is not a tokenizer: {error}", "give a tokenizer.json, or a vocab.txt") from error
    if pieces[0] != PAD:
        raise UserError(
            where, f"has {quoted(pieces[0])} at id 0", f"give a checkpoint whose padding is {PAD} with id 0"
        )
    check_ids(definition, pieces, where)
    return definition


def judge(definition: str, where: str) -> None:
    """Refuse what is not WordPiece, or could make a short sentence endless, before the library is given it.

    Raises:
        UserError: says which part.
    """
    try:
        table = json.loads(definition, object_pairs_hook=once)
        kind, longest = table["model"]["type"], table["model"].get("max_input_chars_per_word", 0)
        parts = {name: list(kinds_of(table.get(name))) for name in PARTS}
        single = (table.get("post_processor") or {}).get("single")
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        lacking = f"it lacks {error}" if isinstance(error, KeyError) else "its parts are not tables"
        found = str(error) if isinstance(error, ValueError | RecursionError) else lacking
        raise UserError(where, f"is not a tokenizer: {found}", "give a tokenizer.json, or a vocab.txt") from error
    if kind != "WordPiece":
        raise UserError(where, f"is a {clipped(str(kind), 80)} tokenizer", REMEDY)
    for name, kinds in parts.items():
        strange = next((each for each in kinds if each not in PARTS[name]), None)
        if strange is not None:
            raise UserError(
                where, f"has the {name} {clipped(str(strange), 80)}, which BERT's tokenizers do not have", REMEDY
            )
    if not isinstance(longest, int) or longest > MOST_LETTERS:
        problem = f"has max_input_chars_per_word = {clipped(str(longest), 80)}; at most {MOST_LETTERS} are read"
        raise UserError(where, problem, REMEDY)
    if single is not None and (not isinstance(single, list) or len(single) != len((FIRST, "", LAST))):
        raise UserError(where, f"has a template that is not {FIRST}, the sentence and {LAST}", REMEDY)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a table of JSON; of a key that stands twice, the library may take the other value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one table")
    return found


def kinds_of(part: Any) -> Iterator[Any]:
    """Give the types of a part and of all that a Sequence puts together."""
    if part is None:
        return
    yield part["type"]
    for each in next((part[key] for key in SEQUENCES if part["type"] == "Sequence" and key in part), ()):
        yield from kinds_of(each)


def check_ids(definition: str, pieces: Sequence[str], where: str) -> None:
    """Refuse a tokenizer that could give an id without a row in a table, or a sentence without a token.

    Raises:
        UserError: the ids are not 0 to the number of pieces, unknown words have none, or no [CLS] and [SEP] are added.
    """
    tool, remedy = compiled(definition, None), "give the tokenizer.json of a BERT checkpoint as it is"
    if any(tool.token_to_id(piece) != index for index, piece in enumerate(pieces)):
        raise UserError(where, f"its ids are not 0 to {len(pieces) - 1}, each of one piece", remedy)
    unknown = json.loads(definition)["model"].get("unk_token", UNKNOWN)
    if unknown not in pieces:
        raise UserError(where, f"has no piece {quoted(unknown)} for unknown words", remedy)
    around = tool.encode("").ids
    if len(around) != 2 or tool.num_special_tokens_to_add(False) != 2:
        raise UserError(where, f"puts {len(around)} tokens around a sentence, not {FIRST} and {LAST}", remedy)
    if max(around) >= len(pieces):
        problem = f"puts the ids {around[0]} and {around[1]} around a sentence, and the last is {len(pieces) - 1}"
        raise UserError(where, problem, remedy)


@functools.lru_cache(maxsize=8)
def vocabulary(definition: str) -> tuple[str, ...]:
    """Return every piece of a definition in the order of its id."""
    held = compiled(definition, None).get_vocab(with_added_tokens=True)
    return tuple(sorted(held, key=held.__getitem__))


@functools.lru_cache(maxsize=8)
def compiled(definition: str, length: int | None) -> Any:
    """Open a definition in the library; with a length, sentences are cut and padded to it."""
    try:
        import tokenizers  # of the extra text
    except ImportError as error:
        remedy = 'install it: pip install "tinyc[text]"'
        raise MachineError("text", "needs the package tokenizers, which is not installed", remedy) from error
    tool = tokenizers.Tokenizer.from_str(definition)
    tool.no_truncation()
    tool.no_padding()
    if length is not None:
        tool.enable_truncation(length)
        tool.enable_padding(length=length, pad_id=0, pad_token=PAD)
    return tool
