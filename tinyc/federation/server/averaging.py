"""How the server puts usable answers together, and what it does to the result; each step is one of `Incoming`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Average:
    """Put answers together by `options.aggregation`: a weighted or a trimmed mean, or one of the crowd (Krum)."""

    options: FederationOptions

    def incoming(self, updates: Updates) -> Updates:
        """Give the average, in the order of the clients' names, so that sums of floats come out the same."""
        answers = updates.usable
        arrays = [each.arrays for each in answers]
        weights = [weight(self.options, each.examples) for each in answers]
        if self.options.aggregation == "krum":
            chosen = krum(arrays, self.options.malicious)
            return replace(updates, together=arrays[chosen], loss=answers[chosen].loss)
        if self.options.aggregation == "trimmed_mean":
            together = trimmed_mean(arrays, self.options.trim)
        else:
            together = weighted_mean(arrays, weights)
        return replace(updates, together=together, loss=mean_loss(answers, weights))


@dataclass(frozen=True)
class RestoreStructure:
    """Put the network's zeros and tables back into every aggregate, so that no noise adds up in them."""

    job: Job

    def incoming(self, updates: Updates) -> Updates:
        """Give the aggregate with its structure; of an average without noise nothing changes."""
        return replace(updates, together=compiled_job.with_structure(self.job, updates.mean))
