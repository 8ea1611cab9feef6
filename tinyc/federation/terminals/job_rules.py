"""What a terminal refuses, whatever the server's job asks for, and what it says of a job that it takes."""

from __future__ import annotations

from tinyc.core import limits
from tinyc.core.errors import UserError
from tinyc.federation.job import WHERE, Job


def accept(job: Job) -> None:
    """Refuse a job that terminals do not do.

    A job that calls itself a simulation would draw its noise from a seed that the server knows.

    Raises:
        UserError: it is one.
    """
    options = job.options
    if options.engine != "deployment":
        remedy = "run the server with `tinyc federate serve`"
        raise UserError(WHERE, f"is of the engine {options.engine!r}, and this is a terminal", remedy)
    if options.aggregation == "secagg":
        remedy = 'ask whoever runs the server for aggregation = "homomorphic", or for a simulation'
        raise UserError(WHERE, "asks for masks (secagg), which terminals do not make", remedy)
    size = len(job.network.weights)
    if size > limits.JOB_NETWORK_BYTES:
        problem = f"has a network of {size} bytes, and a terminal reads {limits.JOB_NETWORK_BYTES} at most"
        raise UserError(WHERE, problem, "ask whoever runs the server for a smaller network")


def told(job: Job) -> str:
    """Say in a line what the server is going to have trained, and what protects the examples."""
    options, privacy = job.options, job.options.privacy
    said = "no privacy"
    if privacy is not None:
        amount = f"epsilon = {privacy.epsilon:g}" if privacy.epsilon is not None else f"noise = {privacy.noise:g}"
        said = f"{privacy.level}-level privacy, {amount}, delta = {privacy.delta:g}"
    return f"the server asks for {options.rounds} rounds, aggregation = {options.aggregation!r}, {said}"
