"""Which training examples belong to which client, and what a client's share looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.core.spelling import nearest
from tinyc.data.cutting import take
from tinyc.data.dataset import Split, TrainingData
from tinyc.spec.federation import FederationOptions

LEAST = 2
"""Examples that a client has at least, however unlike the clients are."""
DRAWS = 100


def deal(split: Split, options: FederationOptions, seed: int) -> dict[str, NDArray[np.int64]]:
    """Deal the examples of a split to clients: each to one, the same for the same seed.

    Returns:
        The rows of each client, ascending; by the column's values in their order, or "client-0001" and so on.

    Raises:
        UserError: there is no such column, or there are too few examples for so many clients.
    """
    if options.partition == "column":
        return by_column(split, options.column or "")
    count = options.clients or 0
    if len(split) < LEAST * count:
        problem = f"{len(split)} training examples are too few for {count} clients of at least {LEAST}"
        raise UserError("federate.clients", problem, f"give at most {len(split) // LEAST} clients")
    rng = np.random.default_rng(seed)
    if options.partition == "iid":
        shares = np.array_split(rng.permutation(len(split)), count)
    else:
        shares = by_dirichlet(split.y, count, options.alpha, rng)
    return {f"client-{number:04d}": np.sort(rows) for number, rows in enumerate(shares, 1)}


def by_column(split: Split, column: str) -> dict[str, NDArray[np.int64]]:
    """Make each value of a column a client."""
    if column not in split.groups:
        known = list(split.groups)
        close = nearest(column, known)
        remedy = 'write partition = "iid", or give data whose examples know where they come from'
        if known:
            remedy = f"did you mean {close[0]!r}?" if close else f"the data has {', '.join(map(repr, known))}"
        raise UserError("federate.column", f"the training examples have no column {column!r}", remedy)
    values, members = np.unique(np.asarray(split.groups[column]), return_inverse=True)
    if len(values) < 2:
        problem = f"all training examples have {column} {str(values[0])!r}" if len(values) else "there are no examples"
        raise UserError("federate.column", f"{problem}, and one client alone is no federation", "give another column")
    return {str(value): np.flatnonzero(members == index) for index, value in enumerate(values)}


def by_dirichlet(labels: NDArray[np.int64], count: int, alpha: float, rng: Any) -> list[NDArray[np.int64]]:
    """Part each class among the clients in proportions drawn from Dirichlet(alpha) (Hsu et al. 2019, section 4.1).

    Drawn again until every client has `LEAST` examples; where that does not come about, the largest give some away.
    """
    for _ in range(DRAWS):
        shares = draw(labels, count, alpha, rng)
        if min(map(len, shares)) >= LEAST:
            return shares
    return topped_up(shares)


def draw(labels: NDArray[np.int64], count: int, alpha: float, rng: Any) -> list[NDArray[np.int64]]:
    """Cut each class once, in proportions drawn from Dirichlet(alpha)."""
    parts: list[list[NDArray[np.int64]]] = [[] for _ in range(count)]
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        cuts = (np.cumsum(rng.dirichlet(np.full(count, alpha)))[:-1] * len(rows)).astype(int)
        for part, share in zip(parts, np.split(rows, cuts), strict=True):
            part.append(share)
    return [np.concatenate(part) for part in parts]


def topped_up(shares: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Give each client that has too few an example of the one that has most, until all have enough."""
    shares = list(shares)
    for index in range(len(shares)):
        while len(shares[index]) < LEAST:
            most = max(range(len(shares)), key=lambda each: len(shares[each]))
            shares[index] = np.append(shares[index], shares[most][-1])
            shares[most] = shares[most][:-1]
    return shares


def share(data: TrainingData, rows: NDArray[np.int64]) -> TrainingData:
    """Give the training data of one client: its rows of the training split, and no others."""
    train = take(data.train, rows)
    nothing = take(train, np.arange(0))
    return replace(data, train=train, validation=nothing, calibration=nothing)


def facts(split: Split, dealt: Mapping[str, NDArray[np.int64]], classes: tuple[str, ...]) -> dict[str, Any]:
    """Count each client's examples, and those of each class."""
    counts = {name: np.bincount(split.y[rows], minlength=len(classes)).tolist() for name, rows in dealt.items()}
    named = {name: dict(zip(classes, count, strict=True)) for name, count in counts.items()}
    return {
        "clients": len(dealt),
        "client_examples": {name: len(rows) for name, rows in dealt.items()},
        "client_classes": named,
    }
