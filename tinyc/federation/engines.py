"""The engines under the rounds: in this process, or Flower's simulation on Ray."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tinyc.federation import rounds, simulation, strategies
from tinyc.federation.apps import Workplace, client_app
from tinyc.federation.grid import InProcess
from tinyc.federation.server import Finished, Server

if TYPE_CHECKING:
    from tinyc.data.dataset import TrainingData
    from tinyc.federation.job import Job
    from tinyc.federation.protection import Outgoing


def train(
    server: Server,
    parts: Mapping[str, TrainingData],
    protections: Callable[[Job], tuple[Outgoing, ...]] = simulation.unprotected,
) -> Finished:
    """Train all rounds with clients of this machine's own making, by `options.engine`: "process" or "simulation".

    What clients keep to themselves lies beside the checkpoints, where all clients share the disk.

    Raises:
        MachineError: as `rounds.run` and `simulation.simulate` say.
    """
    options = server.options
    memory = server.folder / "clients" if server.folder is not None and options.address is None else None
    mods, through = masks(server, parts)
    if options.engine == "simulation":
        return simulation.simulate(server, parts, protections, memory, mods, through)
    names, examples = list(parts), list(parts.values())
    place = Workplace(
        simulation.name_by(names),
        lambda job, context: examples[int(context.node_config["partition-id"])],
        protections,
        memory,
    )
    return rounds.run(server, through(InProcess(client_app(place, mods), names)))


def masks(server: Server, parts: Mapping[str, TrainingData]) -> tuple[tuple[Any, ...], Callable[[Any], Any]]:
    """Give what aggregation = "secagg" puts around the clients' training and over the grid; nothing for others."""
    if server.options.aggregation != "secagg":
        return (), lambda grid: grid
    from tinyc.federation import secagg, secagg_client

    largest = max(strategies.weight(server.options, len(part.train)) for part in parts.values())
    return (secagg_client.mod,), lambda grid: secagg.Masked(grid, server.job, largest)
