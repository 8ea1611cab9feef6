"""The rounds of a federated training: draw, ask, put together, measure, keep."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tinyc.core.errors import MachineError, UserError
from tinyc.core.progress import task
from tinyc.federation import tensors
from tinyc.federation.flower.log import warnings_shown
from tinyc.federation.flower.messages import Transport
from tinyc.federation.rounds import checkpoints, requests
from tinyc.federation.rounds.checkpoints import Progressed
from tinyc.federation.rounds.requests import Meter
from tinyc.federation.rounds.server import Finished, Server
from tinyc.federation.server.checks import KEPT, unlike, wrong_names
from tinyc.federation.updates import Updates, is_sealed
from tinyc.spec.answers import drawn_clients, needed

REMEDY = "deal the data to more clients, lower min_clients or malicious, or raise trim"


def run(server: Server, transport: Transport) -> Finished:
    """Train all rounds; goes on after the last finished round of a killed run.

    The checkpoints stay until whoever has the network calls `checkpoints.forget`: an encrypted end may still have to be
    opened.

    Raises:
        UserError: there are fewer clients than the options need.
        MachineError: too few clients came or gave usable answers, or these could not be put together; it says which
            and why. The rounds before are kept in `server.folder`.
    """
    refuse_impossible(server)
    done, have_job, stopped = checkpoints.restore(server), set[int](), None
    with warnings_shown(server.progress), task(server.progress, "federate", server.options.rounds):
        if done.round:
            server.progress.say(f"federate: goes on after round {done.round}")
            server.progress.advance(done.round)
        while done.round < server.options.rounds:
            stopped = server.budget.before_round(done.round + 1) if server.budget else None
            if stopped:
                server.progress.say(f"federate: stops before round {done.round + 1}: {stopped}")
                break
            done = one_round(server, Meter(transport), have_job, done)
            checkpoints.save(server, done)
            server.progress.advance(1, note(done.facts[-1]))
    in_the_clear = server.clear(done.weights, done.round)
    return Finished(done.weights if in_the_clear is None else in_the_clear, facts(server, done, stopped))


def refuse_impossible(server: Server) -> None:
    """Refuse a federation whose clients, all there from the start, are too few for any round.

    Raises:
        UserError: they are.
    """
    fewest = needed(server.options)
    if server.options.engine != "deployment" and server.clients < fewest:
        what = f"aggregation = {server.options.aggregation!r} with min_clients = {server.options.min_clients}"
        raise UserError("federate", f"{what} needs {fewest} clients in a round, and there are {server.clients}", REMEDY)


def one_round(server: Server, meter: Meter, have_job: set[int], done: Progressed) -> Progressed:
    """Do one round and give where the training is after it."""
    round, options = done.round + 1, server.options
    least = needed(options) if have_job else max(needed(options), server.clients)
    there = requests.present(meter, least, options.timeout)
    names = requests.drawn(there, drawn_clients(options, len(there)), server.seed, round)
    chosen = {name: there[name] for name in names}
    asked = requests.train(server, meter, chosen, round, done.weights, have_job)
    updates = put_together(server, replace(asked, memory=done.memory))
    have_job.update(chosen[each.client] for each in updates.usable)
    in_the_clear = server.clear(updates.together, round)
    accuracy = server.validate(in_the_clear) if server.validate and in_the_clear is not None else None
    facts = (*done.facts, round_facts(server, updates, meter, accuracy))
    return Progressed(round, updates.together, facts, updates.memory)


def put_together(server: Server, updates: Updates) -> Updates:
    """Take the updates of a round through the server's steps; what they come to is float32 where it is not encrypted.

    Raises:
        MachineError: there are too few, they could not be put together, or this is not like what was sent.
    """
    where = f"federate, round {updates.round}"
    try:
        for step in server.steps:
            updates = step(updates)
    except (ValueError, TypeError, KeyError) as error:
        raise MachineError(where, f"the answers could not be put together: {error}", KEPT) from error
    together = updates.together
    if not together:
        raise MachineError(where, "no answers were put together", KEPT)
    if is_sealed(together):
        problem = wrong_names(together, updates.sent)
    else:
        together = {name: each.astype(np.float32) for name, each in together.items()}
        problem = unlike(together, updates.before)
    if problem:
        raise MachineError(where, f"the answers put together make no network: {problem}", KEPT)
    return replace(updates, together=together)


def round_facts(server: Server, updates: Updates, meter: Meter, accuracy: float | None) -> dict[str, Any]:
    """Say what one round was."""
    answers = updates.usable
    epsilon = server.budget.epsilon_after(updates.round) if server.budget else None
    reported = [float(each.metrics["epsilon"]) for each in answers if "epsilon" in each.metrics]
    told = {each.client: dict(each.metrics) for each in answers if each.metrics}
    return {
        "round": updates.round,
        "answered": [each.client for each in answers],
        "rejected": [{"client": each.client, "why": each.why} for each in updates.rejected],
        "loss": updates.loss,
        "validation_accuracy": accuracy,
        "bytes_up": meter.up,
        "bytes_down": meter.down,
        "epsilon": max(reported) if epsilon is None and reported else epsilon,
        "examples": {each.client: each.examples for each in answers},
        **({"client_metrics": told} if told else {}),
    }


def note(facts: dict[str, Any]) -> str:
    """Say a round's figures in a few words."""
    shown = {"loss": facts["loss"], "val": facts["validation_accuracy"], "epsilon": facts["epsilon"]}
    return ", ".join(f"{name} {value:.3f}" for name, value in shown.items() if value is not None)


def facts(server: Server, done: Progressed, stopped: str | None) -> dict[str, Any]:
    """Say what the training was."""
    examples: dict[str, int] = {}
    for each in done.facts:
        examples |= each["examples"]
    options = server.options
    return {
        "engine": options.engine,
        "clients": len(examples),
        "client_examples": dict(sorted(examples.items())),
        "rounds": [{name: value for name, value in each.items() if name != "examples"} for each in done.facts],
        "stopped": stopped,
        "travels": {"variables": len(server.arrays), "params": tensors.length(server.arrays)},
        "aggregation": options.aggregation,
        "privacy": options.privacy.model_dump(mode="json") if options.privacy else None,
    }
