"""How much noise client-level privacy takes, how many rounds it allows, and what is said of it."""

from __future__ import annotations

import functools
import math
import secrets
from dataclasses import dataclass
from typing import Any

from tinyc.spec import answers
from tinyc.spec.answers import SEALED
from tinyc.spec.federation import FederationOptions, required
from tinyc.training.private import accounting
from tinyc.training.private.accounting import Plan, Schedule
from tinyc.training.private.conditions import Watcher, conditions


def applies(options: FederationOptions) -> bool:
    """Say whether a training has client-level privacy."""
    return options.privacy is not None and options.privacy.level == "client"


def by_shares(options: FederationOptions) -> bool:
    """Say whether each client adds a share of the noise, because the server cannot."""
    return applies(options) and options.aggregation in SEALED


def schedule_of(options: FederationOptions, clients: int) -> Schedule:
    """Say who takes part in how many rounds."""
    drawn = answers.drawn_clients(options, clients)
    return accounting.clients(clients, drawn, options.rounds, required(options).delta)


@functools.lru_cache(16)
def planned(options: FederationOptions, clients: int) -> Plan:
    """Choose the noise, and how many rounds the budget allows.

    Raises:
        UserError: the budget does not allow one round.
        MachineError: dp-accounting is not installed.
    """
    return accounting.plan(required(options), schedule_of(options, clients))


def noise_for_job(options: FederationOptions, clients: int) -> float:
    """Give `Job.noise`: the deviation that whoever adds noise draws with, in units of the clip."""
    noise = planned(options, clients).noise
    return noise / math.sqrt(answers.drawn_clients(options, clients)) if by_shares(options) else noise


def answers_needed(options: FederationOptions, clients: int) -> int:
    """Give the fewest answers of a round: all that are planned where each brings a share of the noise."""
    asked = options.min_clients
    return max(asked, answers.drawn_clients(options, clients)) if by_shares(options) else asked


@dataclass(frozen=True)
class Budget:
    """What a training with client-level privacy may spend."""

    options: FederationOptions
    clients: int

    def before_round(self, round: int) -> str | None:
        """Give the reason not to begin a round, counted from 1, or None."""
        plan, target = planned(self.options, self.clients), required(self.options).epsilon
        if round <= plan.times or target is None:
            return None
        return (
            f"the privacy budget is spent: epsilon would be {self.epsilon_after(round):.3f}, and {target:g} is allowed"
        )

    def epsilon_after(self, rounds: int) -> float:
        """Give epsilon after so many rounds, at the delta of the options."""
        schedule = schedule_of(self.options, self.clients)
        return accounting.spent(planned(self.options, self.clients).noise, schedule, rounds)

    def facts(self, rounds: int) -> dict[str, Any]:
        """Say what was promised after so many rounds, and under which conditions."""
        privacy, schedule = required(self.options), schedule_of(self.options, self.clients)
        plan, watcher = planned(self.options, self.clients), watcher_of(self.options)
        return {
            **privacy.model_dump(mode="json"),
            "noise": plan.noise,
            "budget": privacy.epsilon,
            "epsilon": self.epsilon_after(rounds),
            "sampling": schedule.sampling,
            "clients": self.clients,
            "drawn": int(schedule.drawn),
            "rounds_allowed": plan.times,
            "conditions": conditions(privacy, schedule, secret=from_system(self.options), watcher=watcher),
        }


def watcher_of(options: FederationOptions) -> Watcher:
    """Say who sees updates without noise."""
    return "nobody" if by_shares(options) else "server"


def from_system(options: FederationOptions) -> bool:
    """Say whether noise begins from the operating system's random bits: among real terminals, which know the seed."""
    return options.engine == "deployment"


def root(options: FederationOptions, seed: int) -> int:
    """Give what all noise of a training comes from."""
    return secrets.randbits(128) if from_system(options) else seed
