"""How many clients a federated round draws, how many must answer, and whether the server sees their updates."""

from __future__ import annotations

from itertools import count

from tinyc.spec.federation import FederationOptions

SEALED = ("homomorphic", "secagg")
"""The aggregations under which the server does not see a client's update."""
FEWEST_MASKED = 3
"""Of a sum of two updates, each of the two clients knows the other's."""


def drawn_clients(options: FederationOptions, clients: int) -> int:
    """Give how many of `clients` train in a round: the fraction, rounded, and no fewer than are needed."""
    return min(clients, max(round(options.fraction * clients), needed(options)))


def needed(options: FederationOptions) -> int:
    """Give the fewest usable answers: `min_clients`, and what a robust aggregation cannot do without.

    A trimmed mean of so few that none is left out, or Krum of fewer than 2 malicious + 3 (Blanchard 2017, theorem 1),
    would be robust in name only.
    """
    if options.aggregation == "trimmed_mean":
        return max(options.min_clients, next(n for n in count(1) if int(options.trim * n) >= 1))
    if options.aggregation == "krum":
        return max(options.min_clients, 2 * options.malicious + 3)
    return options.min_clients
