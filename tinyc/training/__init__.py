"""Training: one loop, its objectives, the soft-label store. Importing it imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinyc.training import distillation
from tinyc.training.objectives import labels
from tinyc.training.resume import resumable_fit

if TYPE_CHECKING:
    from tinyc.contract import Context
    from tinyc.training.options import FitOptions


def fine_tune(
    model: Any, options: FitOptions, context: Context, title: str, callbacks: Sequence[Any] = ()
) -> dict[str, Any]:
    """Train a changed network on in place, by the recipe's latest distillation, or else by the labels.

    `options.loss = "labels"` takes the labels in any case. A training that was killed goes on from its last epoch.

    Args:
        model: a Keras network, also in TFMOT's wrappers, with logits out.
        callbacks: Keras callbacks such as `UpdatePruningStep`.

    Returns:
        The facts of `training.fit.fit`, and what the teachers are and said.
    """
    if context.rehearse is not None:
        return resumable_fit(model, options, labels(context.seed), context, title)
    teaching: Any = None
    if options.loss == "auto":
        teaching = next((item for item in reversed(context.earlier) if item.use == "distill"), None)
    panel = distillation.panel_of(teaching, context)
    objective, taught = distillation.objective(teaching, panel, options, context)
    details = [teaching.model_dump(mode="json") if teaching else None, context.source_key]
    return taught | resumable_fit(model, options, objective, context, title, callbacks=callbacks, details=details)
