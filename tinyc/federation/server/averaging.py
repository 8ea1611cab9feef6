"""How the server puts usable answers together, and what it does to the result; each step is an `Incoming`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tinyc.federation import compiled_job
from tinyc.federation.flower.averaging import krum, trimmed_mean, weighted_mean
from tinyc.federation.job import Job
from tinyc.federation.updates import Answer, Updates
from tinyc.spec.federation import FederationOptions


def weight(options: FederationOptions, examples: int) -> float:
    """Give what a client's answer weighs in the average: its examples.

    With client-level privacy every client weighs the same; the accounting rests on it.
    """
    equal = options.privacy is not None and options.privacy.level == "client"
    return 1.0 if equal else float(examples)


def mean_loss(answers: Sequence[Answer], weights: Sequence[float]) -> float:
    """Average the losses that clients report."""
    return sum(each.loss * (share / sum(weights)) for each, share in zip(answers, weights, strict=True))


def average(updates: Updates, options: FederationOptions) -> Updates:
    """Put answers together by `options.aggregation`: a weighted or a trimmed mean, or one of the crowd (Krum).

    They are taken in the order of the clients' names, so that sums of floats come out the same.
    """
    answers, arrays = updates.usable, [each.weights for each in updates.usable]
    weights = [weight(options, each.examples) for each in answers]
    if options.aggregation == "krum":
        chosen = krum(arrays, options.malicious)
        return replace(updates, together=arrays[chosen], loss=answers[chosen].loss)
    trimmed = options.aggregation == "trimmed_mean"
    together = trimmed_mean(arrays, options.trim) if trimmed else weighted_mean(arrays, weights)
    return replace(updates, together=together, loss=mean_loss(answers, weights))


def restore_structure(updates: Updates, job: Job) -> Updates:
    """Put the network's zeros and tables back into an aggregate, so that no noise adds up in them.

    Of an average without noise nothing changes.
    """
    return replace(updates, together=compiled_job.with_structure(job, updates.together))
