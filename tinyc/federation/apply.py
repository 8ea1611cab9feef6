"""The work of the pass `federate`: a copy of the network is trained across clients, and what came of it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tinyc.federation import training, travelling_weights
from tinyc.federation.flower import masks
from tinyc.federation.privacy import encryption
from tinyc.network.checks import require_functional
from tinyc.network.contract import Context, Outcome
from tinyc.network.state import Net
from tinyc.spec.answers import SEALED
from tinyc.spec.federation import FederationOptions
from tinyc.spec.passes.federate import Federate, FederateFacts


def federate(options: Federate, state: Net, context: Context) -> Outcome:
    """Train a copy of the network across the clients.

    Raises:
        UserError: the examples cannot be dealt so, a selector matches nothing, or the network cannot be trained so.
        MachineError: a library is missing, or too few clients gave usable answers; the rounds before are kept.
    """
    require_functional(state.model)
    made = state.clone()
    shared = FederationOptions.model_validate(options.model_dump(exclude={"use"}))
    variables = travelling_weights.travelling(made.model, options.trainable, options.batchnorm)
    job, skipped = training.job_of(state, shared, context)
    made = replace(made, ranges=job.ranges)
    if context.rehearse is not None:
        clients = None if options.engine == "deployment" else training.clients_of(shared, context)
        return Outcome(made, dict(clients.facts) if clients else {}, skipped=skipped)
    clients = training.clients_of(shared, context)
    finished = training.train(job, clients, context)
    travelling_weights.assign(variables, finished.weights)
    return Outcome(made, {**clients.facts, **finished.facts, **facts(options, finished.facts)}, skipped=skipped)


def facts(options: Federate, found: dict[str, Any]) -> FederateFacts:
    """Say how it was trained, and how accurate each client's own network is where they differ."""
    said: FederateFacts = {
        "strategy": options.strategy,
        "partition": None if options.engine == "deployment" else options.partition,
        "batchnorm": options.batchnorm,
        "fake_quantize": options.fake_quantize,
    }
    if options.aggregation in SEALED:
        said["aggregation_conditions"] = conditions(options, found)
    if options.batchnorm == "local":
        told: dict[str, Any] = {}
        for each in found["rounds"]:
            told |= each.get("client_metrics", {})
        said["client_accuracy"] = {name: metrics.get("accuracy") for name, metrics in told.items()}
        said["evaluated_on"] = "a tenth of each client's own examples, not trained on; all where it has under ten"
    return said


def conditions(options: Federate, found: dict[str, Any]) -> list[str]:
    """Say who could still see what, where the server does not see updates."""
    if options.aggregation == "homomorphic":
        return encryption.conditions(simulated=options.engine != "deployment")
    return masks.conditions(min((len(each["answered"]) for each in found["rounds"]), default=found["clients"]))
