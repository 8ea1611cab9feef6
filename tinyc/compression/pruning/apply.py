"""The work of the pass `prune`: channels, heads or single weights go, and what stays is fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from tinyc.compression.clustering.keep import keep_structure
from tinyc.compression.pruning import choice, structured
from tinyc.compression.pruning.graph import channel_graph
from tinyc.compression.pruning.importance import NEED_EXAMPLES, drawn
from tinyc.compression.pruning.layer_amounts import LayerAmounts, layer_amounts, resolve_amounts
from tinyc.compression.pruning.magnitude import Sparsification, magnitude
from tinyc.compression.pruning.structured import Pruned, Ranking
from tinyc.data.dataset import TrainingData
from tinyc.data.inputs import inputs
from tinyc.network.checks import require_functional
from tinyc.network.contract import Context, Outcome
from tinyc.network.rewriting.forms import in_blocks
from tinyc.network.rewriting.transformers import SAMPLES
from tinyc.network.state import Net
from tinyc.spec import sensitivity_file
from tinyc.spec.facts import Rewritten
from tinyc.spec.passes.prune import Prune, PruneFacts
from tinyc.spec.training import Trained, fit_options
from tinyc.training.fine_tuning import Part, fine_tune
from tinyc.training.resume import outliving

NOTHING = "nothing was cut: the amount rounds down to no channel, or `keep_least`, `round_to` or the budget keeps all"


def prune(options: Prune, state: Net, context: Context) -> Outcome:
    """Prune a copy of the network and fine-tune it.

    Raises:
        UserError: the network is subclassed, a selector matches nothing, or nothing can be pruned.
    """
    require_functional(state.model)
    zeros = options.how == "magnitude"
    only = layer_amounts(options.only, zeros)
    amounts = resolve_amounts(state.model, options.amount, only, options.skip, options.use, options.keep_least)
    return sparsify(options, state, amounts, context) if zeros else cut(options, state, amounts, context)


def cut(options: Prune, state: Net, amounts: LayerAmounts, context: Context) -> Outcome:
    """Remove channels or heads, and fine-tune after each round."""
    heads = options.how == "heads"
    model, rewritten = rewrite_attention(state, context.data, options.use) if heads else (state.model, [])
    rounds = 1 if context.rehearse else options.rounds
    tuned: list[Trained] = []

    def train(smaller: Any, number: int) -> None:
        part = Part.of_round(options.epochs, number, rounds, kept)
        tuned.append(tune(options, smaller, context, keep_structure(smaller), part))

    blind = options.ranked_by not in NEED_EXAMPLES or context.rehearse
    examples = None if blind else drawn(context.data, context.seed)
    with outliving() as kept:
        ranking = ranking_of(options, model, context)
        pruned = structured.channels(model, ranking, amounts, options.use, examples, rounds, train)
    facts: PruneFacts = {
        "how": options.how,
        "importance": options.ranked_by,
        "scope": options.scope,
        "params_before": state.model.count_params(),
        "params_after": pruned.model.count_params(),
        **reached(pruned, tuned, "heads" if heads else "channels"),
    }
    if options.budget:
        facts["budget"] = options.budget.model_dump(exclude_none=True)
    if rewritten:
        facts["rewritten"] = rewritten
    if pruned.model.count_params() == model.count_params():
        facts["notes"] = [NOTHING]
    facts["fine_tune"] = tuned[-1]
    return Outcome(state.with_model(pruned.model), facts, skipped=pruned.skipped)


def ranking_of(options: Prune, model: Any, context: Context) -> Ranking:
    """Say how channels are chosen; amounts by sensitivity are read from their file, which must fit the network."""
    part: Literal["channels", "heads"] = "heads" if options.how == "heads" else "channels"
    return Ranking(
        options.amount, options.ranked_by, options.scope, options.round_to, context.rehearse, part, options.per,
        options.budget, measured_amounts(options, model, context),
    )  # fmt: skip


def measured_amounts(options: Prune, model: Any, context: Context) -> Mapping[tuple[str, ...], float] | None:
    """Read from a file of `tinyc sensitivity` what fraction each group may lose, by its layers.

    Raises:
        UserError: the file cannot be read, or was measured on a network of other sizes.
    """
    if options.sensitivity is None:
        return None
    path = context.find(options.sensitivity)
    found = sensitivity_file.load_sensitivity(path)
    found.require_fit({group.layers: len(group.channels) for group in channel_graph(model).groups}, str(path))
    return found.amounts(options.drop or 0.0)


def sparsify(options: Prune, state: Net, amounts: LayerAmounts, context: Context) -> Outcome:
    """Train under TFMOT's schedule until the weights are zero."""
    tuned: list[Trained] = []

    def train(wrapped: Any, callbacks: list[Any]) -> None:
        tuned.append(tune(options, wrapped, context, [*callbacks, *keep_structure(wrapped)]))

    way = Sparsification(amounts.fractions, options.pattern, options.sparsity_schedule, steps_of(options, context))
    pruned = magnitude(state.model, way, None if context.rehearse else train, "prune")
    facts: PruneFacts = {
        "how": options.how,
        "pattern": options.pattern,
        "sparsity": {name: round(share, 6) for name, share in pruned.reached.items()},
    }
    if tuned:
        facts["fine_tune"] = tuned[-1]
    return Outcome(state.with_model(pruned.model), facts, skipped=pruned.skipped)


def steps_of(options: Prune, context: Context) -> int:
    """Count the training steps: an epoch's last partial batch is left out."""
    examples = len(context.data.train)
    return options.epochs * (examples // max(1, min(options.batch, examples)))


def tune(options: Prune, model: Any, context: Context, callbacks: list[Any], part: Part | None = None) -> Trained:
    """Train the network in place with the recipe's losses, for one round's part of the epochs."""
    title = f"prune: {options.how}" + (part.name if part else "")
    own = replace(context, seed=context.seed + (part.number if part else 0))  # rounds see batches of their own
    return fine_tune(model, fit_options(options), own, title, callbacks, part)


def rewrite_attention(state: Net, data: TrainingData, where: str) -> tuple[Any, list[Rewritten]]:
    """Rewrite MultiHeadAttention, and what stands beside it, into layers that know their heads; give the facts of it.

    A network without any is given as it is.

    Raises:
        UserError: a layer of it has no form in blocks.
    """
    if not any(type(layer).__name__ == "MultiHeadAttention" for layer in state.model.layers):
        return state.model, []
    model, rewritten = in_blocks(state.model, inputs(data.train.x[:SAMPLES], state.task), where)
    return model, list(rewritten)


def reached(pruned: Pruned, tuned: Sequence[Trained], part: choice.Part) -> PruneFacts:
    """Give each group's channels, and the costs, before and after; by round where there were several.

    MACs are those of one inference, None where a layer's are not counted; int8 bytes are estimated as `budget` says.
    """
    before, after = pruned.bills[0], pruned.bills[-1]
    facts: PruneFacts = {
        "macs_before": before["macs"],
        "macs_after": after["macs"],
        "int8_bytes_before": before["file"],
        "int8_bytes_after": after["file"],
        "groups": [
            {"layers": list(group.layers), f"{part}_before": group.before, f"{part}_after": group.after}
            for group in pruned.groups
        ],
    }
    if pruned.uncounted:
        facts["macs_not_counted_of"] = list(pruned.uncounted)
    if len(tuned) > 1:
        facts["rounds"] = [
            {"params": bill["params"], "macs": bill["macs"], "file": bill["file"], "fine_tune": each}
            for bill, each in zip(pruned.bills[1:], tuned, strict=True)
        ]
    return facts
