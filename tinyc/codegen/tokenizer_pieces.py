"""The pieces of a vocabulary as tables for C: sorted by length, so that no piece needs an offset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tinyc.codegen.tokenizer_characters import Becomes, inside, lone, mapped, varint

CONTINUED = "##"


@dataclass(frozen=True)
class Pieces:
    """Pieces that begin a word, then pieces that continue one; each in order of length in bytes, then of bytes.

    Attributes:
        text: all pieces as UTF-8 without their "##", one behind the other.
        ids: the id of each.
        counts: how many there are of each length, from 0 on, of both kinds.
    """

    text: bytes
    ids: tuple[int, ...]
    counts: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def id_bits(self) -> int:
        return 16 if max(self.ids) < 1 << 16 else 32

    @property
    def count_bits(self) -> int:
        return 16 if max(map(max, self.counts)) < 1 << 16 else 32

    @property
    def bytes(self) -> int:
        """Flash that the tables take."""
        return len(self.text) + len(self.ids) * self.id_bits // 8 + 2 * len(self.counts[0]) * self.count_bits // 8

    @property
    def alphabet(self) -> frozenset[str]:
        return frozenset(self.text.decode())


def reachable(vocabulary: Mapping[str, int], changed: Becomes, longest: int) -> dict[str, int]:
    """Leave out pieces that no text leads to, such as "[unused1]" or one with a capital where all is lower-cased."""
    alone, others = lone(changed), mapped(changed)

    def fits(piece: str) -> bool:
        text = piece.removeprefix(CONTINUED)
        whole = 0 < len(text) <= longest and all(inside(char, changed, others) for char in text)
        return whole or piece in alone

    return {piece: index for piece, index in vocabulary.items() if fits(piece)}


def arranged(pieces: Mapping[str, int]) -> Pieces:
    """Put pieces in the order of the tables."""
    kinds: list[list[tuple[bytes, int]]] = [[], []]
    for piece, index in pieces.items():
        kinds[piece.startswith(CONTINUED)].append((piece.removeprefix(CONTINUED).encode(), index))
    for kind in kinds:
        kind.sort(key=lambda entry: (len(entry[0]), entry[0]))
    entries = [entry for kind in kinds for entry in kind]
    longest = max(len(text) for text, _ in entries)
    first, second = (tuple(sum(len(text) == n for text, _ in kind) for n in range(longest + 1)) for kind in kinds)
    return Pieces(b"".join(text for text, _ in entries), tuple(index for _, index in entries), (first, second))


def specials(added: Iterable[Mapping[str, Any]]) -> bytes:
    """Write added tokens, the longest first: length, id, UTF-8; a length of 0 ends the table."""
    found = sorted(((token["content"].encode(), token["id"]) for token in added), key=lambda each: -len(each[0]))
    return b"".join(varint(len(text)) + varint(index) + text for text, index in found) + b"\0"
