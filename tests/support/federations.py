"""A federation of three clients that train a tiny network, for any engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support import clients
from tinyc.federation import exchange
from tinyc.federation.rounds.server import Server


def parts(count: int = 3) -> dict[str, Any]:
    whole = clients.data(40 * count)
    return {f"client-{i + 1}": clients.part(whole, slice(40 * i, 40 * (i + 1))) for i in range(count)}


def server(**keys: Any) -> Server:
    model = clients.network()
    job = clients.job(model, **{"engine": "process", **keys})
    made = Server(job.options, 11, job, clients.start(model, **keys), 3)
    return replace(made, steps=exchange.at_server(made))
