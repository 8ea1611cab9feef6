"""A federated training put together of its parts: the job, the clients' shares, the server, the engine.

network, ranges, task ---> Job ---> clients: local training, then the steps of `exchange.at_client`
                                    server:  the rounds, with the steps of `exchange.at_server`
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tinyc.data import partition
from tinyc.data.dataset import TrainingData
from tinyc.data.inputs import inputs
from tinyc.federation import compiled_job, exchange
from tinyc.federation.client.in_process import InProcess
from tinyc.federation.client.round import Client
from tinyc.federation.flower import environment
from tinyc.federation.flower.masks import Unmask
from tinyc.federation.job import Job, network_of
from tinyc.federation.privacy.ciphertexts import Keys, make_keys, read_key
from tinyc.federation.privacy.encryption import Encryption, Sealing
from tinyc.federation.rounds import checkpoints, loop
from tinyc.federation.rounds.server import Budget, Finished, Server
from tinyc.federation.server.averaging import weight
from tinyc.federation.terminals import serving
from tinyc.federation.updates import Arrays
from tinyc.network.contract import Context, Skipped
from tinyc.network.state import Net
from tinyc.quantization import fixed_ranges
from tinyc.spec.federation import FederationOptions
from tinyc.training.private import client_budget, example_budget


@dataclass(frozen=True)
class Clients:
    """Who takes part: how many, and their examples where they are dealt here; terminals bring their own."""

    count: int
    parts: Mapping[str, TrainingData]
    facts: Mapping[str, Any]


def job_of(state: Net, options: FederationOptions, context: Context) -> tuple[Job, tuple[Skipped, ...]]:
    """Write down what clients need to know; measures the ranges where they train under int8 rounding.

    Raises:
        UserError: the network cannot be sent, or not be trained under int8 rounding.
    """
    ranges: Mapping[str, tuple[float, float]] = {}
    skipped: tuple[Skipped, ...] = ()
    if options.fake_quantize:
        ranges, skipped = fixed_ranges.measured(state.model, inputs(context.data.calibration.x, state.task), False)
    return Job(options, context.seed, network_of(state.model), state.task, context.spec, ranges), skipped


def clients_of(options: FederationOptions, context: Context) -> Clients:
    """Deal the training examples to clients, or count the terminals that are waited for.

    Raises:
        UserError: the examples cannot be dealt so, or there are too few clients for what is asked.
    """
    if options.engine == "deployment":
        return Clients(serving.current().clients or options.min_clients, {}, {})
    train = context.data.train
    dealt = partition.deal(train, options, context.seed)
    parts = {name: partition.share(context.data, rows) for name, rows in dealt.items()}
    return Clients(len(dealt), parts, partition.facts(train, dealt, context.data.task.classes))


def train(job: Job, clients: Clients, context: Context) -> Finished:
    """Train all rounds, by the engine that the options name; what it gives has the zeros and tables of the network.

    Raises:
        UserError: a client's examples or the options do not fit.
        MachineError: a library is missing, or too few clients gave usable answers.
    """
    options = job.options
    if client_budget.applies(options):
        job = replace(job, noise=client_budget.noise_for_job(options, clients.count))
    simulated = options.aggregation == "homomorphic" and options.engine != "deployment"
    keys = make_keys() if simulated else None
    try:
        server = server_of(job, clients, context, keys)
        if options.engine == "deployment":
            finished = serving.run(server)
        else:
            finished = run(server, clients.parts, keys.clients if keys else None)
        rounds, examples = len(finished.facts["rounds"]), finished.facts["client_examples"]
        facts = {**finished.facts, **privacy_facts(options, clients, rounds, examples)}
        network = compiled_job.with_structure(job, finished.weights)
        checkpoints.forget(server)
        return Finished(network, facts)
    finally:
        compiled_job.forget()


def server_of(job: Job, clients: Clients, context: Context, keys: Keys | None) -> Server:
    """Make the server's end: what it does to updates, what it may spend, where it keeps its rounds."""
    options, start = job.options, compiled_job.first_weights(job)
    sealing, opening, unmask = None, None, None
    if options.aggregation == "homomorphic":
        sealing = Sealing(read_key(keys.server if keys else serving.encryption_key()), start, options)
        opening = Encryption(read_key(keys.clients), start, options) if keys else None
    if options.aggregation == "secagg":
        largest = max(weight(options, len(part.train)) for part in clients.parts.values())
        unmask = Unmask(largest, client_budget.applies(options))
    server = Server(
        options=options.model_copy(update={"min_clients": client_budget.answers_needed(options, clients.count)}),
        seed=context.seed,
        job=job,
        arrays=start,
        clients=clients.count,
        sealing=sealing,
        opening=opening,
        unmask=unmask,
        budget=budget(options, clients),
        validate=validation(job, context),
        folder=context.cache / "trainings" / training_key(job, start, context),
        progress=context.progress,
    )
    return replace(server, steps=exchange.at_server(server))


def budget(options: FederationOptions, clients: Clients) -> Budget | None:
    """Make what stops a training before it spends more of privacy than it may."""
    if client_budget.applies(options):
        return client_budget.Budget(options, clients.count)
    if options.privacy is None or not clients.parts:
        return None
    counts = {len(part.train) for part in clients.parts.values()}
    return example_budget.Budget(options, min(example_budget.rounds_for(options, count) for count in counts))


def run(server: Server, parts: Mapping[str, TrainingData], key: bytes | None = None) -> Finished:
    """Train all rounds with clients of this machine's own making, by `options.engine`: "process" or "simulation".

    What clients keep to themselves lies beside the checkpoints, where all clients share the disk.

    Raises:
        MachineError: as `loop.run` and `simulation.cluster` say.
    """
    options = server.options
    memory = server.folder / "clients" if server.folder is not None and options.address is None else None
    clients = [Client(name, part, key, memory) for name, part in parts.items()]
    if options.engine == "process":
        return loop.run(server, InProcess(clients))
    environment.require_ray()
    from tinyc.federation.flower import simulation  # Ray, which engine = "process" and terminals do without

    with simulation.cluster(options.address, len(clients)):
        return loop.run(server, simulation.Simulated(clients))


def validation(job: Job, context: Context) -> Callable[[Arrays], float | None] | None:
    """Make what measures an aggregate on validation examples; batchnorm = "local" has no one network to measure."""
    split = context.data.validation
    if job.options.batchnorm == "local" or not len(split):
        return None
    return lambda arrays: compiled_job.accuracy_of(job, arrays, split)


def privacy_facts(options: FederationOptions, clients: Clients, rounds: int, told: Mapping[str, int]) -> dict[str, Any]:
    """Say what was promised to whom, after so many rounds, and under which conditions.

    `told` is how many examples each client says that it has, for clients whose examples are not dealt here.
    """
    if client_budget.applies(options):
        return {"privacy": client_budget.Budget(options, clients.count).facts(rounds)}
    if options.privacy is None:
        return {}
    counts = {name: len(part.train) for name, part in clients.parts.items()}
    return {"privacy": example_budget.facts(options, counts or told, rounds)}


def training_key(job: Job, start: Arrays, context: Context) -> str:
    """Name a training by all that its weights depend on, so that one that was killed is found again."""
    return checkpoints.key(
        job, start, context.data.digest, hashlib.sha256(context.data.train.ids.tobytes()).hexdigest()
    )
