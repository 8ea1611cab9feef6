"""The rounds of a federated training: draw, send, wait, check, put together, measure, keep."""

from __future__ import annotations

from typing import Any

from tinyc.core.errors import MachineError, UserError
from tinyc.core.progress import task
from tinyc.federation import aggregation, flower, meeting, posting, resume
from tinyc.federation.aggregation import KEPT
from tinyc.federation.meeting import Nodes
from tinyc.federation.posting import Answers
from tinyc.federation.resume import Progressed
from tinyc.federation.server import Finished, Server
from tinyc.spec.answers import drawn_clients, needed

REMEDY = "deal the data to more clients, lower min_clients or malicious, or raise trim"


def run(server: Server, grid: Any) -> Finished:
    """Train all rounds over any of Flower's grids; goes on after the last finished round of a killed run.

    The checkpoints stay until whoever has the network calls `resume.forget`: a sealed end may still have to be opened.

    A grid that knows its clients' names has a method `client_names() -> Mapping[node id, name]`; the nodes of others
    are asked.

    Raises:
        UserError: there are fewer clients than the options need.
        MachineError: too few clients came or gave usable answers, or these could not be put together; it says which
            and why. The rounds before are kept in `server.folder`.
    """
    flower.settle()
    refuse_impossible(server)
    done, nodes, stopped = resume.restore(server), Nodes(), None
    with flower.heard(server.progress), task(server.progress, "federate", server.options.rounds):
        if done.round:
            server.progress.say(f"federate: goes on after round {done.round}")
            server.progress.advance(done.round)
        while done.round < server.options.rounds:
            stopped = server.before_round(done.round + 1)
            if stopped:
                server.progress.say(f"federate: stops before round {done.round + 1}: {stopped}")
                break
            done = one_round(server, grid, nodes, done)
            resume.save(server, done)
            server.progress.advance(1, note(done.facts[-1]))
    return Finished(dict(resume.clear(server, done.weights, done.round) or done.weights), facts(server, done, stopped))


def refuse_impossible(server: Server) -> None:
    """Refuse a federation whose clients, all there from the begin, are too few for any round.

    Raises:
        UserError: they are.
    """
    fewest = needed(server.options)
    if server.options.engine != "deployment" and server.clients < fewest:
        what = f"aggregation = {server.options.aggregation!r} with min_clients = {server.options.min_clients}"
        raise UserError("federate", f"{what} needs {fewest} clients in a round, and there are {server.clients}", REMEDY)


def one_round(server: Server, grid: Any, nodes: Nodes, done: Progressed) -> Progressed:
    """Do one round and give where the training is after it."""
    round, least = done.round + 1, needed(server.options)
    there = meeting.present(server, grid, nodes, least if nodes.names else max(least, server.clients))
    count = drawn_clients(server.options, len(there))
    chosen = {name: there[name] for name in meeting.drawn(there, count, server.seed, round)}
    answers = posting.exchange(server, grid, nodes, chosen, round, done.weights)
    for each in answers.rejected:
        server.progress.say(f"round {round}: {each.client} is left out: {each.why}")
    refuse_too_few(answers, round, least)
    weights, loss = aggregation.together(server, answers, round, done.weights)
    clear = resume.clear(server, weights, round)
    accuracy = None if clear is None else server.validate(clear)
    return Progressed(round, weights, (*done.facts, round_facts(server, answers, round, loss, accuracy)))


def refuse_too_few(answers: Answers, round: int, least: int) -> None:
    if len(answers.usable) >= least:
        return
    why = "; ".join(f"{each.client}: {each.why}" for each in answers.rejected)
    raise MachineError(
        f"federate, round {round}",
        f"{len(answers.usable)} usable answers, and {least} are needed" + (f" ({why})" if why else ""),
        f"mend these clients, or raise timeout; {KEPT} (other min_clients or max_update begin anew)",
    )


def round_facts(
    server: Server, answers: Answers, round: int, loss: float | None, accuracy: float | None
) -> dict[str, Any]:
    epsilon = server.epsilon(round)
    reported = [float(each.metrics["epsilon"]) for each in answers.usable if "epsilon" in each.metrics]
    told = {each.client: dict(each.metrics) for each in answers.usable if each.metrics}
    return {
        "round": round,
        "answered": [each.client for each in answers.usable],
        "rejected": [{"client": each.client, "why": each.why} for each in answers.rejected],
        "loss": loss,
        "validation_accuracy": accuracy,
        "bytes_up": answers.bytes_up,
        "bytes_down": answers.bytes_down,
        "epsilon": max(reported) if epsilon is None and reported else epsilon,
        "examples": {each.client: each.examples for each in answers.usable},
        **({"client_metrics": told} if told else {}),
    }


def note(facts: dict[str, Any]) -> str:
    """Say a round's figures in a few words."""
    shown = {"loss": facts["loss"], "val": facts["validation_accuracy"], "epsilon": facts["epsilon"]}
    return ", ".join(f"{name} {value:.3f}" for name, value in shown.items() if value is not None)


def facts(server: Server, done: Progressed, stopped: str | None) -> dict[str, Any]:
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
        "travels": {"variables": len(server.arrays), "params": sum(int(each.size) for each in server.arrays.values())},
        "aggregation": options.aggregation,
        "privacy": options.privacy.model_dump(mode="json") if options.privacy else None,
    }
