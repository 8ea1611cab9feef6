"""The network of a job: written down for clients, and built of what came."""

from __future__ import annotations

from typing import Any

from tinyc.core.errors import UserError
from tinyc.federation.job import WHERE, Job, Network
from tinyc.network import architecture, checks
from tinyc.network.state import Net


def network_of(model: Any) -> Network:
    """Write a network down for a job.

    Raises:
        UserError: a layer of the recipe's own files is in it, which clients could only read by running code, or it
            cannot be described.
    """
    own = next((layer for layer in model.layers if not checks.of_a_library(type(layer).__module__)), None)
    if own is not None:
        problem = f"layer {own.name!r} is a {type(own).__name__} of your own code, which clients do not get"
        raise UserError("federate", problem, "build the network from Keras' layers and from tinyc.network.blocks")
    try:
        return Network(*architecture.described(model))
    except (NotImplementedError, TypeError, ValueError) as error:
        raise UserError("federate", f"the network cannot be sent: {error}", "use layers that Keras stores") from error


def read_network(job: Job) -> Net:
    """Build the network of a job.

    Raises:
        UserError: it is none, it carries code, or it is one for another task.
    """
    model = architecture.built(job.network.architecture, job.network.weights, WHERE)
    return Net(checks.fit_to_task(model, job.task, WHERE), job.task, ranges=dict(job.ranges))
