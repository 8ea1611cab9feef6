"""The work of the pass `factorize`: layers are replaced by two thin ones each, and the network is fine-tuned."""

from __future__ import annotations

from tinyc.compression.clustering.keep import keep_structure
from tinyc.compression.factoring.factorize import Thin, replace_layers
from tinyc.compression.factoring.ranks import Amount
from tinyc.compression.pruning.layer_amounts import LayerAmount, resolve_amounts
from tinyc.network.checks import require_functional
from tinyc.network.contract import Context, Outcome
from tinyc.network.state import Net
from tinyc.spec.passes.factorize import Factorize, FactorizeFacts, Split
from tinyc.spec.training import fit_options
from tinyc.training.fine_tuning import fine_tune


def factorize(options: Factorize, state: Net, context: Context) -> Outcome:
    """Factorize a copy of the network and fine-tune it.

    Raises:
        UserError: the network is subclassed, a selector matches nothing, nothing can be factorized, or `params`
            is too little for rank 1.
    """
    require_functional(state.model)
    only = [LayerAmount(selector) for selector in options.only]
    selected = resolve_amounts(state.model, 1.0, only, options.skip, options.use)
    amount = Amount(options.rank, options.energy, options.params, context.rehearse)
    found = replace_layers(state.model, amount, selected, options.use)
    tuned = fine_tune(found.model, fit_options(options), context, options.use, keep_structure(found.model))
    facts: FactorizeFacts = {
        "params_before": state.model.count_params(),
        "params_after": found.model.count_params(),
        "layers": [row(thin) for thin in found.layers],
        "fine_tune": tuned,
    }
    return Outcome(state.with_model(found.model), facts, skipped=found.skipped)


def row(thin: Thin) -> Split:
    """Return one factorized layer for the report."""
    rows, columns = thin.factors.shape
    return {
        "layer": thin.factors.layer,
        "shape": f"{rows}x{columns}",
        "rank": thin.rank,
        "energy": round(thin.energy, 6),
        "params_before": thin.factors.size,
        "params_after": thin.rank * thin.factors.price,
        "relative_error": round(thin.error, 6),
    }
