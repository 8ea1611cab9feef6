"""Usable answers become one set of weights, and it is made sure that they did."""

from __future__ import annotations

from typing import Any

from tinyc.core.errors import MachineError
from tinyc.federation import records, replies
from tinyc.federation.posting import Answers
from tinyc.federation.server import Server, Weights

KEPT = "the finished rounds are kept; run it again to go on"


def together(server: Server, answers: Answers, round: int, before: Weights) -> tuple[dict[str, Any], float | None]:
    """Let the strategy put the answers together; gives the new weights, and the mean loss that clients report.

    Answers go in by the order of the clients' names, so that sums of floats come out the same. With one weight for
    every client the loss is the mean over clients, else over examples.

    Raises:
        MachineError: the strategy gave no weights, or such as are not those that were sent.
    """
    from flwr.app.exception import AppExitException

    where = f"federate, round {round}"
    try:
        record, metrics = server.strategy.aggregate_train(round, [each.message for each in answers.usable])
    except (AppExitException, ValueError, TypeError, KeyError) as error:
        raise MachineError(where, f"the answers could not be put together: {error}", KEPT) from error
    if record is None:
        raise MachineError(where, "the strategy put no answers together", KEPT)
    weights = records.either(record)
    problem = unlike(weights, before)
    if problem:
        raise MachineError(where, f"the answers put together make no network: {problem}", KEPT)
    loss = metrics.get("loss") if metrics is not None else None
    return {name: cast(weights[name], before[name]) for name in before}, None if loss is None else float(loss)


def unlike(weights: Weights, before: Weights) -> str | None:
    """Say how the new weights differ in form from those that were sent, or None."""
    problem = replies.wrong_names(weights, before)
    if problem:
        return problem
    import numpy as np

    for name, array in before.items():
        found = weights[name]
        if isinstance(array, bytes) or isinstance(found, bytes):
            if not (isinstance(array, bytes) and isinstance(found, bytes)):
                return f"{name} is sealed on one side alone"
        elif found.shape != array.shape or not np.all(np.isfinite(found)):
            return f"{name} has shape {found.shape} instead of {array.shape}, or values that are NaN or infinite"
    return None


def cast(array: Any, like: Any) -> Any:
    """Give an array the type that travels; some strategies compute in float64."""
    return array if isinstance(like, bytes) else array.astype(like.dtype)
