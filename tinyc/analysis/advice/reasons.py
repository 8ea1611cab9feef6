"""Why a network only guesses: rows of a reason that was measured and the change to write, the surest first.

Where a row that was seen on the network itself holds, those that are read off the losses are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tinyc.analysis.advice import recover
from tinyc.analysis.advice.guess import Guess
from tinyc.analysis.advice.guessing import beats_guessing, order
from tinyc.analysis.advice.inputs import Scaled, better, changes, sees, unscaled
from tinyc.analysis.advice.missed import whole_percent
from tinyc.analysis.advice.remarks import Advice, Change, Remark, literal, spelled
from tinyc.analysis.advice.symptoms import Share
from tinyc.core import units
from tinyc.measure.intervals import wilson

FORGOTTEN = 0.02
"""The share of its first values that a moving statistic may still hold."""
USUAL_MOMENTUM = 0.9
STUCK, LEARNT = 0.97, 0.5
"""Shares of the loss of guessing: nothing is learnt above the first, and much below the second."""
USUAL_RATES = {"adam": (1e-4, 1e-2, 1e-3), "adamw": (1e-4, 1e-2, 1e-3), "sgd": (5e-3, 0.3, 0.05)}
"""By optimizer: rates below and above which few networks train, and one under which most do."""
MORE = 4
Found = Iterator[Advice]
Legal = Callable[[tuple[Change, ...]], bool]


def scale_of_weights(guess: Guess) -> Found:
    """Weights that came with the network, and are right under another scale of the examples."""
    symptoms = guess.symptoms
    known = [each for each in symptoms.scalings if each.right is not None] if symptoms else []
    if not symptoms or not symptoms.seen or not known or knows(guess, symptoms.train):
        return
    best = max(known, key=lambda each: each.right or 0)
    if beats_guessing(best.right or 0, symptoms.train.examples, guess.share):
        tried = f"{best.right:,} of {symptoms.train.examples:,} training examples are classified correctly"
        yield rescale(
            guess, best, f"{sees(symptoms.seen)}, and {symptoms.train.right:,} are classified correctly", tried
        )


def scale_of_training(guess: Guess) -> Found:
    """Examples on whose scale a training hardly moves, where another scale would help."""
    symptoms = guess.symptoms
    seen = symptoms.seen if symptoms else None
    other = better(seen, symptoms.scalings) if symptoms and seen else None
    if not symptoms or not seen or not other or knows(guess, symptoms.train):
        return
    because = unscaled(seen)
    if guess.use == "source":
        yield rescale(guess, other, because)
    elif layer := rescaling(guess, other):
        # The source was made for the examples as they are: its scale is not the student's to change.
        yield Advice(because, f"{layer} as the first layer of the student's network", retrained(guess))


def rescaling(guess: Guess, other: Scaled) -> str | None:
    """Write the layer that brings examples under the scale of now to another; None where either is one by column."""
    numbers = (other.scale, other.offset, guess.scale, guess.offset)
    if any(isinstance(each, str | tuple) for each in numbers):
        return None
    scale, offset, now, constant = (float(each) for each in numbers if not isinstance(each, str | tuple))
    return f"Rescaling({literal(scale / now)}, {literal(offset - constant * scale / now)})"


def rescale(guess: Guess, other: Scaled, because: str, tried: str = "") -> Advice:
    """Advise another scale in [data]."""
    made = changes(other, guess.scale, guess.offset)
    return advice(guess, because, made, "" if tried else retrained(guess), tried)


def class_order(guess: Guess) -> Found:
    """Find outputs that stand in another order than the data's classes."""
    found = order(guess.labels, guess.predicted, len(guess.classes))
    if found is None:
        return
    right = int((found[guess.labels] == guess.predicted).sum())
    names = ", ".join(f"{place} {guess.classes[int(label)]!r}" for place, label in enumerate(np.argsort(found)))
    yield Advice(
        "the network tells the classes apart, but its outputs stand in another order than the data's classes",
        f"number the classes of the data in the order of the network's outputs: {names}",
        tried=f"in that order {right:,} of {len(guess.labels):,} test examples are classified correctly",
    )


def lagging_statistics(guess: Guess) -> Found:
    """Find moving statistics of batch normalization that lag behind the weights."""
    symptoms = guess.symptoms
    found = symptoms.statistics if symptoms else None
    if not found or knows(guess, found.held) or not knows(guess, found.again):
        return
    because = (
        f"the moving statistics of {found.layers} BatchNormalization layers lag behind: measured again over "
        f"{found.seen:,} training examples, {found.again.right:,} of {found.again.examples:,} other examples are "
        f"classified correctly, against {found.held.right:,}"
    )
    steps = guess.options.get("epochs", 0) * steps_an_epoch(guess)
    if guess.keys and found.momentum > USUAL_MOMENTUM:
        trained = f"; momentum {found.momentum:g} was trained for {steps:,} steps"
        write = f"momentum = {USUAL_MOMENTUM:g} in each BatchNormalization of the network"
        yield Advice(because + trained, write, retrained(guess))
    if guess.keys and steps:
        needed = math.ceil(math.log(FORGOTTEN) / math.log(min(max(found.momentum, 0.5), 0.9999)))
        epochs = max(2 * guess.options["epochs"], math.ceil(needed / steps_an_epoch(guess)))
        more = f"after {steps:,} steps they still hold {found.momentum**steps:.0%} of what they began with"
        yield more_epochs(guess, epochs, more)
    if guess.reestimates:
        yield Advice(f"{because}; reestimate = true in pass {guess.quantize} (quantize) measures them again")
    elif guess.quantize:
        change = Change("set", f"pass.{guess.quantize}.reestimate", True)
        tried = f"these {found.again.right:,} are classified correctly"
        yield advice(guess, because, [change], "no training; the states before it stay as they are", tried)


def other_test_labels(guess: Guess) -> Found:
    """Find a test split that is worse by far than the examples that were cut from the training examples."""
    held = guess.symptoms.validation if guess.symptoms else None
    high = guess.ledger.accuracy_high
    if held is None or high is None or guess.ledger.metric != "accuracy" or not knows(guess, held):
        return
    if wilson(held.right, held.examples)[0] > high:
        yield Advice(
            f"{held.right:,} of {held.examples:,} validation examples, which no training has seen, are classified "
            "correctly: the test examples have labels that are not theirs, or come from elsewhere (other people, "
            "another sensor)",
            "look at some test examples beside their labels",
        )


def shuffled_labels(guess: Guess) -> Found:
    """Training examples learnt by heart, from which nothing follows for others."""
    symptoms = guess.symptoms
    held = symptoms.validation if symptoms else None
    if not symptoms or held is None or not knows(guess, symptoms.train) or knows(guess, held):
        return
    if wilson(symptoms.train.right, symptoms.train.examples)[0] > wilson(held.right, held.examples)[1]:
        yield Advice(
            f"{symptoms.train.right:,} of {symptoms.train.examples:,} training examples are classified correctly, and "
            f"{held.right:,} of {held.examples:,} validation examples: what was learnt does not carry over, since the "
            "labels do not belong to the examples, or the examples are too few",
            "look at some training examples beside their labels",
        )


def learning_rate(guess: Guess) -> Found:
    """Find a loss that never fell, under a learning rate that few networks train with."""
    rate, losses = guess.options.get("learning_rate"), guess.losses
    low, high, usual = USUAL_RATES.get(guess.options.get("optimizer", ""), (0.0, math.inf, 0.0))
    if rate is None or len(losses) < 2 or low <= rate <= high or losses[-1] < STUCK * guessing_loss(guess):
        return
    because = (
        f"the loss is {losses[-1]:.3g} after {len(losses)} epochs, and guessing has {guessing_loss(guess):.3g}; "
        f"the learning rate of {rate:g} is {'high' if rate > high else 'low'} for {guess.options['optimizer']}"
    )
    yield advice(guess, because, [Change("set", f"{guess.keys}.learning_rate", usual)], retrained(guess))


def few_epochs(guess: Guess) -> Found:
    """Find a loss that is still high: most schedules end flat, so it need not fall in the last epochs."""
    losses = guess.losses
    if not guess.keys or not losses or losses[-1] < LEARNT * guessing_loss(guess):
        return
    because = f"the loss is {losses[-1]:.3g} after {len(losses)} epochs, and guessing has {guessing_loss(guess):.3g}"
    yield more_epochs(guess, MORE * guess.options["epochs"], because)


def deep_cut(guess: Guess) -> Found:
    """Find a pass that took a good part of the parameters away."""
    ran = guess.ran
    if ran is None or ran.share_gone < recover.DEEP or not (made := recover.halved(ran)):
        return
    because = f"{recover.lost(ran)}, and took {whole_percent(ran.share_gone)} of the parameters"
    cost = f"about {ran.gone / 2:,.0f} parameters more"
    yield advice(guess, because, [Change("set", key, value) for key, value in made], cost)


def few_test_examples(guess: Guess) -> Found:
    """Find a figure above chance that so few examples cannot tell from it."""
    accuracy, examples = guess.ledger.accuracy, guess.ledger.examples
    if accuracy is None or guess.ledger.metric != "accuracy" or guess.ledger.recordings is not None:
        return
    if accuracy > guess.chance and beats_guessing(round(accuracy * MORE * examples), MORE * examples, guess.chance):
        because = f"{examples:,} test examples are few: of {MORE * examples:,} the same accuracy would say more"
        yield Advice(because, "give more test examples")


def knows(guess: Guess, share: Share) -> bool:
    """Say whether so many right answers are better than always saying the most frequent label."""
    return beats_guessing(share.right, share.examples, guess.share)


def steps_an_epoch(guess: Guess) -> int:
    """Training steps; an epoch's last partial batch is left out."""
    batch = int(guess.options.get("batch", 1))
    return max(1, guess.examples // max(1, min(batch, guess.examples)))


def guessing_loss(guess: Guess) -> float:
    """Return the least loss without a look at any example, in nats; of other losses than the labels', the first."""
    if not guess.training or guess.training["objective"] != "labels":
        return guess.losses[0]
    shares = np.bincount(guess.labels) / len(guess.labels)
    return float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())


def more_epochs(guess: Guess, epochs: int, because: str) -> Advice:
    """Advise a longer training, with its time as measured."""
    now = guess.options["epochs"]
    cost = "" if guess.seconds is None else f"about {units.show_seconds(guess.seconds * epochs / now)} of training"
    return advice(guess, because, [Change("set", f"{guess.keys}.epochs", epochs)], cost or "training time")


def retrained(guess: Guess) -> str:
    """Say what training once more costs."""
    if not guess.keys:
        return ""
    took = "" if guess.seconds is None else f", {units.show_seconds(guess.seconds)} the last time"
    return f"training it again{took}"


def advice(guess: Guess, because: str, made: Sequence[Change], cost: str, tried: str = "") -> Advice:
    write = ", ".join(spelled(change, guess.uses) for change in made)
    return Advice(because, write, cost, tried, tuple(made))


@dataclass(frozen=True)
class Reason:
    """One row: its name, whether it is seen on the network itself, and what it finds."""

    name: str
    is_sure: bool
    found: Callable[[Guess], Found]


REASONS = (
    Reason("scale of weights", True, scale_of_weights),
    Reason("scale of training", True, scale_of_training),
    Reason("class order", True, class_order),
    Reason("lagging statistics", True, lagging_statistics),
    Reason("other test labels", True, other_test_labels),
    Reason("shuffled labels", True, shuffled_labels),
    Reason("learning rate", False, learning_rate),
    Reason("few epochs", False, few_epochs),
    Reason("deep cut", False, deep_cut),
    Reason("few test examples", False, few_test_examples),
)


def explain_guess(guess: Guess, legal: Legal) -> Remark:
    """Say that a state only guesses, with the reasons that were found; changes that a recipe refuses are left out."""
    found: list[Advice] = []
    for reason in REASONS:
        if reason.is_sure or not found:
            found += [each for each in reason.found(guess) if legal(each.changes)]
    return Remark(guess.state, guess.says(), tuple(found))
