"""Example-level privacy of a federation's clients: the noise for so many examples, and how many rounds are allowed.

Each client chooses its noise for its own examples and counts what it spends. So the promise to them rests on nothing
that a server says, but for the job that the client accepts.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyc.core.errors import UserError
from tinyc.spec.federation import FederationOptions, required
from tinyc.training.private import accounting
from tinyc.training.private.accounting import Plan, Schedule, spent
from tinyc.training.private.conditions import conditions, of_client_examples

OF_TERMINALS = (
    "Each terminal counts its own rounds and keeps the count: one that it is asked to train beyond its budget it "
    "refuses. Numbers of examples, from which the figures here follow, are what the terminals say.",
    "Each training has a budget of its own, and those of several trainings on the same examples add up.",
)


def refuse_spent(options: FederationOptions, examples: int, times: int) -> None:
    """Refuse a client's `times`-th round, counted from 1, where its budget does not allow so many.

    Raises:
        UserError: the privacy budget is spent.
    """
    if times * steps_of(options, examples) > planned_for(options, examples).times:
        budget = required(options).epsilon
        problem = f"round {times} would exceed epsilon = {budget} for the {examples} examples of a client"
        raise UserError("federate.privacy", problem, "give more noise, a larger epsilon, or fewer rounds")


def steps_of(options: FederationOptions, examples: int) -> int:
    """Count the steps of a round: as many as a client's epochs have batches, at least one."""
    return options.local_epochs * max(1, examples // min(options.batch, examples))


def sampling(options: FederationOptions, examples: int) -> float:
    """Give the probability with which each example is in a batch."""
    return min(options.batch, examples) / examples


def schedule_of(options: FederationOptions, examples: int) -> Schedule:
    """Say how a client of so many examples adds noise, when it takes part in every round."""
    steps = options.rounds * steps_of(options, examples)
    return accounting.examples(examples, min(options.batch, examples), steps, required(options).delta)


@functools.cache
def planned_for(options: FederationOptions, examples: int) -> Plan:
    """Choose the noise of a client with so many examples, and how many steps its budget allows."""
    return accounting.plan(required(options), schedule_of(options, examples))


def possible(options: FederationOptions, examples: int) -> Plan | None:
    """Give the plan of a client that says that it has so many examples; None where no round is allowed with them."""
    try:
        plan = planned_for(options, examples)
    except UserError:
        return None
    return plan if steps_of(options, examples) <= plan.times else None


def rounds_for(options: FederationOptions, examples: int) -> int:
    """Count the rounds that the budget of a client of so many examples allows."""
    return min(options.rounds, planned_for(options, examples).times // steps_of(options, examples))


@dataclass(frozen=True)
class Budget:
    """What stops a training before the first client would spend more than its examples' budget; clients count it."""

    options: FederationOptions
    rounds: int

    def before_round(self, round: int) -> str | None:
        """Give the reason not to begin a round, counted from 1, or None."""
        target = required(self.options).epsilon
        return f"the privacy budget of epsilon = {target} is spent" if round > self.rounds else None

    def epsilon_after(self, rounds: int) -> float | None:
        """Leave it to the clients, which tell the epsilon of their own examples."""
        return None


def facts(options: FederationOptions, examples: Mapping[str, int], rounds: int) -> dict[str, Any]:
    """Say what each client's examples were promised after so many rounds, and under which conditions.

    The conditions are those of the client with the fewest examples, whose epsilon is the highest. None where a terminal
    says a number of examples with which it could not have trained at all.
    """
    privacy, real = required(options), options.engine == "deployment"
    allowed = possible if real else planned_for
    plans = {count: plan for count in set(examples.values()) if (plan := allowed(options, count)) is not None}
    told = {
        count: spent(planned_for(options, count).noise, schedule_of(options, count), rounds * steps_of(options, count))
        for count in plans
    }
    fewest = min(plans, default=min(examples.values()))
    return {
        **privacy.model_dump(mode="json"),
        "budget": privacy.epsilon,
        "epsilon": max(told.values(), default=None),
        "client_epsilon": {name: told.get(count) for name, count in examples.items()},
        "client_noise": {name: plans[count].noise if count in plans else None for name, count in examples.items()},
        "conditions": [
            *of_client_examples(),
            *(OF_TERMINALS if real else ()),
            *conditions(privacy, schedule_of(options, fewest), secret=real),
        ],
    }
