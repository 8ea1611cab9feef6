"""The work of the pass `cluster`: weights get few values, by a number of them or by a search, and are fine-tuned."""

from __future__ import annotations

from typing import Any

from tinyc.compression.clustering import latent
from tinyc.compression.clustering.cluster import Means, give_values, require_few_values, worthwhile
from tinyc.compression.clustering.keep import keep_structure
from tinyc.compression.clustering.kernels import Kernel, kernels
from tinyc.compression.clustering.search import rehearsed, search
from tinyc.core import units
from tinyc.core.errors import UserError
from tinyc.network import selectors
from tinyc.network.checks import require_functional
from tinyc.network.contract import Context, Outcome, Skipped
from tinyc.network.signal_layers import WHY_FIXED, is_fixed
from tinyc.network.state import Net
from tinyc.spec.passes.cluster import Cluster, ClusterFacts, Row
from tinyc.spec.training import Trained, fit_options
from tinyc.training.fine_tuning import fine_tune
from tinyc.training.probe import Probe

NOTE = "no byte is saved without a later `compact`: the values are fewer, but each still takes its full width"
WHY_DENSE = "a table would lose more than its bytes are worth here"


def cluster(options: Cluster, state: Net, context: Context) -> Outcome:
    """Cluster a copy of the network and fine-tune it.

    Raises:
        UserError: the network is subclassed, a selector matches nothing, nothing can be clustered, or the budget
            is too small.
    """
    require_functional(state.model)
    made = state.clone()
    means = Means(options.per, options.start, context.seed)
    wanted, skipped, found = choose(options, made, means, context)
    others = keep_structure(made.model)  # zeros everywhere, and tables of an earlier pass
    before = {kernel: kernel.read(made.model) for kernel in wanted}
    rows = give_values(made.model, wanted, means)
    callbacks = [*others, latent.follow(made.model, before, options.per)]
    tuned = fine_tune(made.model, fit_options(options), context, options.use, callbacks)
    require_few_values(made.model, wanted)
    return Outcome(made, facts(options, rows, found, tuned), skipped=tuple(skipped))


def choose(
    options: Cluster, made: Net, means: Means, context: Context
) -> tuple[dict[Kernel, int], list[Skipped], ClusterFacts]:
    """Give each weight its number of values, and what the search found out."""
    able, skipped = selected(options, made.model)
    if options.bits == "auto":
        bits, found = searched(options, made, means, list(able), context)
        skipped += [Skipped(each.layer, f"{each.weight}: {WHY_DENSE}") for each, width in bits.items() if width == 8]
        skipped += worthwhile(made.model, {each: 4 for each in able if each not in bits})[1]
        return {each: 2**width for each, width in bits.items() if width < 8}, skipped, found
    wanted, small = worthwhile(made.model, able)
    if not wanted:
        where, why = "cluster", "no selected layer would be smaller as a table"
        raise UserError(where, f"{why}; {small[0].layer}: {small[0].why}", "give fewer `clusters`, or other layers")
    return wanted, skipped + small, {}


def selected(options: Cluster, model: Any) -> tuple[dict[Kernel, int], list[Skipped]]:
    """Give the selected weights with their number of values; say which selected layers have none that fit.

    Raises:
        UserError: a selector matches no layer, or none that can be clustered.
    """
    amount = options.clusters or 0
    chosen = {} if options.only else {layer.name: amount for layer in model.layers}
    for entry in options.only:
        match, own = (entry, None) if isinstance(entry, str) else (entry.match, entry.clusters)
        named = selectors.select(model, [match], "cluster.only")
        chosen.update({layer.name: own or amount for layer in named})
    for layer in selectors.select(model, options.skip, "cluster.skip"):
        chosen.pop(layer.name, None)
    able = {each: chosen[each.layer] for each in kernels(model) if each.layer in chosen}
    if not able:
        raise UserError("cluster", "no selected layer has weights for a table", "name other layers in `only`")
    rest = [layer for layer in model.layers if layer.name in chosen and layer.name not in {k.layer for k in able}]
    left = [layer for layer in rest if any("kernel" in weight.name for weight in layer.weights)]
    return able, [Skipped(layer.name, without_table(layer)) for layer in left]


def searched(
    options: Cluster, made: Net, means: Means, able: list[Kernel], context: Context
) -> tuple[dict[Kernel, int], ClusterFacts]:
    """Search bits by layer; a rehearsal guesses them from the weights."""
    goal: Any = ("drop", options.drop)
    if options.budget is not None:
        goal = ("budget", units.parse(options.budget, "bytes"))
    if context.rehearse is not None:
        return dict(rehearsed(made.model, able, means, goal, context.rehearse).bits), {}
    probe = Probe(made.clone().model, context.data, made.task, context.seed)
    found = search(probe, able, means, goal)
    return dict(found.bits), {"search": found.facts} if found.facts else {}


def facts(options: Cluster, rows: list[Row], found: ClusterFacts, tuned: Trained) -> ClusterFacts:
    return {
        "per": options.per,
        "start": options.start,
        "table_bytes": sum(row["table_bytes"] for row in rows),
        "dense_bytes": sum(row["dense_bytes"] for row in rows),
        "layers": rows,
        **found,
        "notes": [NOTE],
        "fine_tune": tuned,
    }


def without_table(layer: Any) -> str:
    """Say why a layer with a kernel gets no table."""
    return WHY_FIXED if is_fixed(layer.name) else f"{type(layer).__name__} has no table here"
