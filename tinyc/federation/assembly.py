"""A federated training put together of its parts: the job, the clients' shares, what protects updates, the server.

network, ranges, task ---> Job ---> clients: local.train, then their protections (noise, then encryption)
                                    server:  Flower's strategy, privacy around it, structure put back
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tinyc.core import files, limits
from tinyc.core.errors import MachineError
from tinyc.federation import partition, prepared
from tinyc.federation.job import Job, network_bytes
from tinyc.federation.server import Finished, Server
from tinyc.network.contract import Skipped
from tinyc.network.state import Net

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinyc.data.dataset import TrainingData
    from tinyc.federation.ciphertexts import Cipher, Keys
    from tinyc.federation.protection import Outgoing
    from tinyc.network.contract import Context
    from tinyc.spec.federation import FederationOptions

Arrays = Mapping[str, "NDArray[Any]"]


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
        from tinyc.data.inputs import inputs
        from tinyc.quantization import fixed_ranges

        ranges, skipped = fixed_ranges.measured(state.model, inputs(context.data.calibration.x, state.task), False)
    return Job(options, context.seed, network_bytes(state.model), state.task, context.spec, ranges), skipped


def clients_of(options: FederationOptions, context: Context) -> Clients:
    """Deal the training examples to clients, or count the terminals that are waited for.

    Raises:
        UserError: the examples cannot be dealt so, or there are too few clients for what is asked.
    """
    if options.engine == "deployment":
        from tinyc.federation import deployment

        return Clients(deployment.site().clients or options.min_clients, {}, {})
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
    from tinyc.federation import client_privacy, engines, resume

    if client_privacy.applies(job.options):
        job = replace(job, noise=client_privacy.noise_for_job(job.options, clients.count))
    keys = sealing_keys(job.options)
    server = server_of(job, clients, context, keys)
    try:
        if job.options.engine == "deployment":
            from tinyc.federation import deployment

            finished = deployment.run(server)
        else:
            finished = engines.train(
                server, clients.parts, functools.partial(chain, key=keys.clients if keys else None)
            )
        if any(isinstance(array, bytes) for array in finished.arrays.values()):
            problem = "the rounds are done, and their result is sealed with a key that is not here"
            raise MachineError("federate", problem, "run the clients in simulation, where this process holds the key")
        rounds, examples = len(finished.facts["rounds"]), finished.facts["client_examples"]
        facts = {**finished.facts, **privacy_facts(job.options, clients, rounds, examples)}
        network = dict(prepared.project(job, finished.arrays))
        resume.forget(server)
        return Finished(network, facts)
    finally:
        prepared.forget()


def server_of(job: Job, clients: Clients, context: Context, keys: Keys | None) -> Server:
    """Make the server's end: the strategy, what it checks, what it may spend, where it keeps its rounds."""
    from tinyc.federation import client_privacy, strategies

    options, start = job.options, prepared.first_weights(job)
    server = Server(
        options=options.model_copy(update={"min_clients": least(options, clients.count)}),
        seed=context.seed,
        job=job,
        arrays=start,
        strategy=None,
        clients=clients.count,
        validate=validation(job, context),
        folder=context.cache / "trainings" / training_key(job, start, context),
        progress=context.progress,
    )
    if client_privacy.applies(options):
        budget = client_privacy.Budget(options, clients.count)
        server = replace(server, before_round=budget.before_round, epsilon=budget.epsilon_after)
    elif options.privacy is not None and clients.parts:
        server = replace(server, before_round=example_budget(options, clients))
    if options.aggregation == "homomorphic":
        return sealed(server, keys)
    strategy = mending(strategies.strategy(options), job)
    if client_privacy.applies(options) and not client_privacy.by_shares(options):
        mend = functools.partial(prepared.project, job)
        strategy = client_privacy.wrap(strategy, options, clients.count, context.seed, mend)
    return replace(server, strategy=strategy)


def least(options: FederationOptions, clients: int) -> int:
    """The fewest usable answers of a round: all that are drawn where each brings a share of the noise."""
    from tinyc.federation import client_privacy

    asked = options.min_clients
    return max(asked, client_privacy.answers_needed(options, clients)) if client_privacy.by_shares(options) else asked


def mending(strategy: Any, job: Job) -> Any:
    """Let a strategy give the network's zeros and tables with every aggregate, so that no noise adds up in them."""
    from tinyc.federation import records

    together = strategy.aggregate_train

    def aggregate_train(server_round: int, replies: Any) -> tuple[Any, Any]:
        arrays, metrics = together(server_round, replies)
        if arrays is not None:
            arrays = records.packed(prepared.project(job, records.unpacked(arrays)))
        return arrays, metrics

    strategy.aggregate_train = aggregate_train
    return strategy


def sealed(server: Server, keys: Keys | None) -> Server:
    """Let the server add ciphertexts; in a simulation this process holds both keys, and says how accurate it is."""
    from tinyc.federation import homomorphic_server, strategies

    public = read(keys.server) if keys else site_key()
    strategy = strategies.strategy(server.options, homomorphic_server.averaging(), cipher=public)
    unseal = homomorphic_server.unsealing(read(keys.clients), server.arrays, "federate") if keys else None
    return replace(
        server,
        strategy=strategy,
        complaint=homomorphic_server.complaint(public),
        seal=homomorphic_server.sealing(public, server.arrays),
        unseal=unseal,
    )


def sealing_keys(options: FederationOptions) -> Keys | None:
    """Make the keys of a simulated encryption; terminals have theirs."""
    if options.aggregation != "homomorphic" or options.engine == "deployment":
        return None
    from tinyc.federation.homomorphic import make_keys

    return make_keys()


def site_key() -> Cipher:
    """Read the key that a server among real terminals has: it opens nothing."""
    from tinyc.federation import deployment
    from tinyc.federation.certificates import SEALING_PUBLIC

    path = deployment.site().keys.folder / SEALING_PUBLIC
    if not path.exists():
        remedy = "make keys with `tinyc federate keys DIR --clients N --encryption`"
        raise MachineError(str(path), "the key for averaging under encryption is not there", remedy)
    return read(files.read(path, limits.SEALING_KEY_BYTES))


@functools.lru_cache(2)
def read(key: bytes) -> Cipher:
    from tinyc.federation.homomorphic import read_key

    return read_key(key, "the key for averaging under encryption")


def chain(job: Job, key: bytes | None = None) -> tuple[Outgoing, ...]:
    """Give what a client does to its update before it leaves: clipping and noise, then encryption with `key`."""
    from tinyc.federation import client_privacy

    first: tuple[Outgoing, ...] = client_privacy.outgoing(job)
    if job.options.aggregation != "homomorphic" or key is None:
        return first
    from tinyc.federation.homomorphic import Encryption

    return (*first, Encryption(read(key), prepared.first_weights(job), job.options))


def validation(job: Job, context: Context) -> Callable[[Arrays], float | None]:
    """Make what measures an aggregate on validation examples; batchnorm = "local" has no one network to measure."""
    split = context.data.validation
    if job.options.batchnorm == "local" or not len(split):
        return lambda arrays: None
    return lambda arrays: prepared.accuracy_of(job, arrays, split)


def example_budget(options: FederationOptions, clients: Clients) -> Callable[[int], str | None]:
    """Make what stops a training before the first client would spend more than its examples' budget."""
    from tinyc.federation import example_privacy

    allowed = min(example_privacy.rounds_for(options, len(part.train)) for part in clients.parts.values())
    target = options.privacy.epsilon if options.privacy else None
    return lambda round: f"the privacy budget of epsilon = {target} is spent" if round > allowed else None


def privacy_facts(options: FederationOptions, clients: Clients, rounds: int, told: Mapping[str, int]) -> dict[str, Any]:
    """Say what was promised to whom, after so many rounds, and under which conditions.

    `told` is how many examples each client says that it has, for clients whose examples are not dealt here.
    """
    from tinyc.federation import client_privacy, example_privacy

    if client_privacy.applies(options):
        return {"privacy": client_privacy.Budget(options, clients.count).facts(rounds)}
    if options.privacy is None:
        return {}
    counts = {name: len(part.train) for name, part in clients.parts.items()}
    return {"privacy": example_privacy.facts(options, counts or told, rounds)}


def training_key(job: Job, start: Arrays, context: Context) -> str:
    """Name a training by all that its weights depend on, so that one that was killed is found again."""
    from tinyc.federation import resume

    return resume.key(job, start, context.data.digest, hashlib.sha256(context.data.train.ids.tobytes()).hexdigest())
