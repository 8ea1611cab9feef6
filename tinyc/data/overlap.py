"""Examples that stand in two splits: they would let a network remember what it is asked."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError

TOLERATED_FRACTION = 0.01


def fingerprints(x: NDArray[Any]) -> NDArray[np.uint64]:
    """Hash each example to 64 bits, (examples,); sentences that differ in case or spaces alone are the same."""
    contents = map(folded, x) if x.dtype == object else (row.tobytes() for row in np.ascontiguousarray(x))
    digests = b"".join(hashlib.blake2b(content, digest_size=8).digest() for content in contents)
    return np.frombuffer(digests, np.uint64)


def folded(sentence: str) -> bytes:
    return " ".join(sentence.casefold().split()).encode()


def check_overlap(
    where: str, names: tuple[str, str], seen: NDArray[np.uint64], asked: NDArray[np.uint64]
) -> tuple[str, ...]:
    """Look for examples of `asked` that are also in `seen`; a few are a warning.

    Args:
        where: the file or folder.
        names: the names of both arrays, such as ("x_train", "x_test").
        seen: fingerprints of what trains.
        asked: fingerprints of what tests or validates.

    Raises:
        UserError: more than 1 % of the asked examples overlap.
    """
    _, first = np.unique(seen, return_index=True)
    copies = np.flatnonzero(np.isin(asked, seen))
    if not len(copies):
        return ()
    where_seen = first[np.searchsorted(seen[first], asked[copies])]
    pairs = [f"{names[1]}[{j}] = {names[0]}[{i}]" for i, j in zip(where_seen[:5], copies[:5], strict=True)]
    text = f"{len(copies)} of {len(asked)} examples of {names[1]} are also in {names[0]}: {', '.join(pairs)}"
    text += ", ..." if len(copies) > 5 else ""
    if len(copies) > TOLERATED_FRACTION * len(asked):
        raise UserError(where, text, f"remove the copies from {names[0]}: at most 1 % may overlap")
    return (f"{where}: {text}",)
