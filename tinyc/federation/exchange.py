"""An update's way from a client to the new weights, as one list of steps.

| aggregation | at the client, in this order | at the server, in this order |
|---|---|---|
| plain, trimmed_mean, krum | clip | open and check, count, average, optimizer, structure |
| with client-level privacy | clip | open and check, count, clip and noise and average, optimizer, structure |
| homomorphic | clip and noise, encrypt | check ciphertexts, count, add ciphertexts |
| secagg | clip and noise, mask | unmask, open and check, count, average, optimizer, structure |

A client clips where the privacy says so (`where = "client"`), and adds noise where the server cannot. The optimizer is
FedAdam's. What the sum of ciphertexts lacks of the network's structure is put back when the training is over.
"""

from __future__ import annotations

from functools import partial

from tinyc.core.errors import UserError
from tinyc.federation import compiled_job
from tinyc.federation.flower.averaging import fedadam
from tinyc.federation.flower.masks import as_vector
from tinyc.federation.job import WHERE, Job
from tinyc.federation.privacy.ciphertexts import read_key
from tinyc.federation.privacy.clipping import clipping, noisy_mean
from tinyc.federation.privacy.encryption import Encryption
from tinyc.federation.rounds.server import Server
from tinyc.federation.server.averaging import average, restore_structure
from tinyc.federation.server.checks import check_arrays, check_shares, enough
from tinyc.federation.updates import Arrays, Incoming, Outgoing, is_sealed
from tinyc.spec.answers import needed
from tinyc.training.private import client_budget


def at_client(job: Job, key: bytes | None = None) -> tuple[Outgoing, ...]:
    """List what a client does to its update before it leaves.

    Args:
        key: the clients' key for encryption, where the job asks for it.

    Raises:
        UserError: the job does not say how much noise a client adds, or the key is none or missing.
    """
    clip, aggregation = clipping(job), job.options.aggregation
    steps: tuple[Outgoing, ...] = (clip,) if clip else ()
    if aggregation == "homomorphic":
        if key is None:
            raise UserError(WHERE, "asks for encrypted updates, and this client has no key", "give it the key")
        return (*steps, Encryption(read_key(key), compiled_job.first_weights(job), job.options))
    return (*steps, as_vector) if aggregation == "secagg" else steps


def opened(steps: tuple[Outgoing, ...], weights: Arrays, rounds: int, client: str) -> Arrays:
    """Give the weights that a client is sent, after so many rounds, in the clear.

    Raises:
        UserError: they are encrypted, and the client has no key.
    """
    if not is_sealed(weights):
        return weights
    for each in steps:
        if isinstance(each, Encryption):
            return each.decrypt(weights, rounds, client)
    raise UserError(client, "what the server sends is encrypted, and this client has no key", "give it the key")


def at_server(server: Server) -> tuple[Incoming, ...]:
    """List what a server does to the updates of a round, from the answers as they came to the new weights."""
    options = server.options
    counted: list[Incoming] = [check_shares] if options.engine == "deployment" else []
    counted += [partial(enough, least=needed(options), say=server.progress.say)]
    if server.sealing is not None:
        return (server.sealing.check, *counted, server.sealing.add)
    private = client_budget.applies(options) and not client_budget.by_shares(options)
    steps: list[Incoming] = [server.unmask.incoming] if server.unmask else []
    steps += [partial(check_arrays, max_update=options.max_update), *counted]
    steps += [noisy_mean(options, server.clients, server.seed) if private else partial(average, options=options)]
    steps += [partial(fedadam, rate=options.server_learning_rate)] if options.strategy == "fedadam" else []
    return (*steps, partial(restore_structure, job=server.job))
