"""Flower's ways to put updates together, as functions of arrays, and the server's optimizer as a step.

Sources: McMahan 2017 (FedAvg), Yin 2018 (trimmed mean), Blanchard 2017 (Krum), Reddi 2021 (FedAdam).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from flwr.app import Array as Stored
from flwr.app import ArrayRecord, MetricRecord, RecordDict
from flwr.app.message import make_message
from flwr.app.metadata import Metadata
from flwr.serverapp.strategy import FedAdam
from flwr.serverapp.strategy.fedtrimmedavg import trim_mean
from flwr.serverapp.strategy.multikrum import select_multikrum
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

from tinyc.federation.updates import Array, Arrays, Updates

WEIGHT = "weight"


def record(arrays: Arrays, weight: float = 1.0) -> RecordDict:
    """Make the records from which Flower averages."""
    stored = ArrayRecord({name: Stored(np.asarray(array)) for name, array in arrays.items()})
    return RecordDict({"arrays": stored, "metrics": MetricRecord({WEIGHT: weight})})


def arrays_of(given: ArrayRecord) -> dict[str, Array]:
    """Read arrays that this process made."""
    return {name: array.numpy() for name, array in given.items()}


def weighted_mean(updates: Sequence[Arrays], weights: Sequence[float]) -> dict[str, Array]:
    """Average arrays by weights, float32, in the order that they are given in."""
    return arrays_of(aggregate_arrayrecords([record(*each) for each in zip(updates, weights, strict=True)], WEIGHT))


def trimmed_mean(updates: Sequence[Arrays], trim: float) -> dict[str, Array]:
    """Average each number without the share `trim` of the clients at either end."""
    return {name: np.asarray(trim_mean(np.stack([each[name] for each in updates]), trim)) for name in updates[0]}


def krum(updates: Sequence[Arrays], malicious: int) -> int:
    """Choose the update that is closest to its neighbours, of which so many may be malicious; give its index."""
    records = [record(each) for each in updates]
    (chosen,) = select_multikrum(records, malicious, 1)
    return next(index for index, each in enumerate(records) if each is chosen)


def fedadam(updates: Updates, rate: float) -> Updates:
    """Take the server's step by FedAdam towards what was put together (Reddi et al. 2021, algorithm 2).

    Both moments are remembered by Flower's names for them, by variable; a resumed training gives them back.

    Args:
        rate: the server's learning rate.
    """
    flowers = FedAdam(weighted_by_key=WEIGHT, eta=rate)
    flowers.m_t, flowers.v_t = (dict(updates.memory.get(name, {})) or None for name in ("m_t", "v_t"))
    flowers.current_arrays = dict(updates.before)
    shown = make_message(metadata=Metadata(0, "", 0, 0, "", "", 0.0, 0.0, "train"), content=record(updates.together))
    found, _ = flowers.aggregate_train(updates.round, [shown])
    if found is None or flowers.m_t is None or flowers.v_t is None:
        raise ValueError("the server's step gave no weights")
    return replace(updates, together=arrays_of(found), memory={"m_t": flowers.m_t, "v_t": flowers.v_t})
