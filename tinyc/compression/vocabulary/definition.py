"""A tokenizer's definition with fewer pieces: contiguous ids in the old order, wherever an id stands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.data import tokens

Kept = NDArray[np.bool_]


def restricted(definition: str, kept: Kept, where: str) -> str:
    """Write the `tokenizer.json` that knows only the pieces that `kept`, (pieces,), marks.

    The first keeps id 0, so padding must be among them; so must every added piece and the post-processor's.

    Raises:
        UserError: ids are missing between the pieces, or the library does not number the kept ones in their order.
    """
    pieces = require_contiguous(definition, where)
    ids = {int(old): new for new, old in enumerate(np.flatnonzero(kept))}
    table = json.loads(definition)
    held = sorted(table["model"]["vocab"].items(), key=lambda item: int(item[1]))
    table["model"]["vocab"] = {piece: ids[old] for piece, old in held if old in ids}
    table["added_tokens"] = [{**each, "id": ids[each["id"]]} for each in table.get("added_tokens") or ()]
    table["post_processor"] = renumbered(table.get("post_processor"), ids)
    smaller = json.dumps(table)
    if require_contiguous(smaller, where) != tuple(pieces[old] for old in ids):
        raise UserError(where, "the tokenizer numbers its added pieces anew", "give them ids within the vocabulary")
    return smaller


def require_contiguous(definition: str, where: str) -> tuple[str, ...]:
    """Give the pieces in the order of their ids.

    Raises:
        UserError: an id has no piece.
    """
    pieces = tokens.vocabulary(definition)
    last = tokens.compiled(definition, None).token_to_id(pieces[-1])
    if last != len(pieces) - 1:
        problem = f"the tokenizer's ids go to {last}, and it has {len(pieces)} pieces"
        raise UserError(where, problem, "give a vocabulary with a piece for every id")
    return pieces


def renumbered(processor: Any, ids: Mapping[int, int]) -> Any:
    """Put the new ids into a post-processor: BertProcessing, TemplateProcessing, or a Sequence of them."""
    if not isinstance(processor, dict):
        return processor
    changed = dict(processor)
    for end in ("cls", "sep"):
        if end in changed:
            piece, old = changed[end]
            changed[end] = [piece, ids[old]]
    if "special_tokens" in changed:
        given = changed["special_tokens"].items()
        changed["special_tokens"] = {name: {**each, "ids": [ids[old] for old in each["ids"]]} for name, each in given}
    if "processors" in changed:
        changed["processors"] = [renumbered(each, ids) for each in changed["processors"]]
    return changed


def fixed(definition: str) -> set[str]:
    """Name the pieces that a definition mentions: added ones, the unknown, the post-processor's, BERT's special."""
    table = json.loads(definition)
    added = {each["content"] for each in table.get("added_tokens") or ()}
    named = added | {table["model"]["unk_token"], *processed(table.get("post_processor")), *tokens.SPECIAL}
    return named & set(tokens.vocabulary(definition))


def processed(processor: Any) -> Iterator[str]:
    """Give the pieces that a post-processor adds."""
    if isinstance(processor, dict):
        yield from (processor[end][0] for end in ("cls", "sep") if end in processor)
        for each in processor.get("special_tokens", {}).values():
            yield from each["tokens"]
        for inner in processor.get("processors", ()):
            yield from processed(inner)
