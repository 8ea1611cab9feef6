"""What may win back accuracy that a pass lost: each row a condition that was measured, and the change to write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinyc.analysis.advice.missed import (
    CUTS,
    SIZES,
    Miss,
    Ran,
    advice,
    budget_share,
    pass_name,
    percent,
    whole_percent,
)
from tinyc.analysis.advice.remarks import Advice
from tinyc.analysis.beside import Beside, Diagnosed
from tinyc.core import units
from tinyc.spec.facts import part
from tinyc.spec.metrics import METRICS

SHARE = 0.2
"""A pass is named where it lost at least this share of all accuracy that was lost."""
LATE = 0.75
"""A best epoch in this last part of a training says that it was still learning."""
DEEP = 0.25
"""A cut of this share of the parameters is deep enough to be made in rounds."""
ROUNDS = 3
TEACH = {"alpha": 0.5, "temperature": 1.0, "views": 2}
"""Half labels, half teacher, neither softened: of what was tried, the one that cost small networks least."""
Found = Iterator[Advice]


def source_below(miss: Miss) -> Found:
    """Find a bound on the accuracy itself that the source does not reach either."""
    accuracy = miss.first.accuracy
    if miss.check.metric != "accuracy" or miss.is_expect or accuracy is None or accuracy >= miss.bound.limit:
        return
    because = f"the source itself has {units.show(accuracy, 'fraction')}"
    if not miss.train or not miss.train.get("epochs"):
        yield Advice(f"{because}, and no pass of this recipe was asked to improve that")
        return
    epochs = 2 * miss.train["epochs"]
    cost = training_time(miss.train_seconds)
    yield advice(miss, f"{because} after {miss.train['epochs']} epochs", [("source.train.epochs", epochs)], cost)


def diagnosed(miss: Miss) -> Found:
    """Find what the diagnosis of an int8 artifact found."""
    for ran in worst(miss):
        found = part(Diagnosed, ran.facts, Beside)
        for cause in found["causes"] if found and not isinstance(found["causes"], str) else ():
            yield Advice(f"{lost(ran)}: {cause['cause']} in {cause['layer']}: {cause['evidence']}", cause["add"])


def trained_rounding(miss: Miss) -> Found:
    """Find rounding to int8 that cost accuracy and was not trained for."""
    for ran in worst(miss):
        if ran.use == "quantize" and ran.options.get("how") == "ptq":
            cost = f"training for {ran.options.get('epochs', 0)} epochs"
            yield advice(miss, lost(ran), [(f"pass.{ran.place}.how", "qat")], cost)


def taught(miss: Miss) -> Found:
    """Find a network that was tuned on labels alone, though its source knows more."""
    for ran in worst(miss):
        alone = "teach" in ran.options and ran.tuning is not None and ran.tuning["objective"] == "labels"
        if alone and miss.source.accuracy is not None and not is_late(ran):
            known = f"{lost(ran)}, tuned on labels alone; the source has {units.show(miss.source.accuracy, 'fraction')}"
            cost = "the source's answers to the training examples, computed once"
            yield advice(miss, known, [(f"pass.{ran.place}.teach", TEACH)], cost)


def in_rounds(miss: Miss) -> Found:
    """Find a deep cut that was made at once."""
    for ran in worst(miss):
        gone = ran.share_gone
        at_once = ran.use == "prune" and ran.options.get("how") in CUTS and ran.options.get("rounds") == 1
        if at_once and gone >= DEEP:
            because = f"{lost(ran)}, and took {whole_percent(gone)} of the parameters at once"
            epochs = max(ROUNDS, int(ran.options.get("epochs", 0)))
            made = [(f"pass.{ran.place}.rounds", ROUNDS)]
            if epochs != ran.options.get("epochs"):
                made.append((f"pass.{ran.place}.epochs", epochs))
            yield advice(miss, because, made, "a ranking of the channels for each round")


def more_epochs(miss: Miss) -> Found:
    """Find a tuning that still learnt when it ended."""
    for ran in worst(miss):
        epochs, tuning = ran.options.get("epochs"), ran.tuning
        if not isinstance(epochs, int) or tuning is None or not (is_late(ran) or still_falls(tuning["loss"])):
            continue
        known = f"its loss still fell, to {tuning['loss'][-1]:.3g}"
        if is_late(ran):
            known = f"its best epoch was {tuning.get('best_epoch')} of {epochs}"
        made = [(f"pass.{ran.place}.epochs", 2 * epochs)]
        yield advice(miss, f"{lost(ran)}, and {known}", made, training_time(ran.seconds))


def is_late(ran: Ran) -> bool:
    """Say whether the best epoch was one of the last: more of them come before another teacher."""
    best, epochs = ran.tuning and ran.tuning.get("best_epoch"), ran.options.get("epochs")
    return isinstance(best, int) and isinstance(epochs, int) and best >= LATE * epochs


def still_falls(losses: list[float]) -> bool:
    """Say whether a loss fell by more than a twentieth over the last quarter of a training."""
    if len(losses) < 2:
        return False
    start = losses[-1 - max(1, len(losses) // 4)]
    return bool(losses[-1] < 0.95 * start)


def smaller_cut(miss: Miss) -> Found:
    """Find a cut that cost accuracy, where half of it leaves the bounds on sizes met."""
    for ran in worst(miss):
        made = halved(ran)
        kept = ran.gone / 2
        if not made or kept < 1 or not leaves_room(miss, kept):
            continue
        layers = ", ".join(f"{name} {count:,}" for name, count in ran.cut[:3])
        most = f", most in {layers}" if layers else ""
        because = f"{lost(ran)}, and took {ran.gone:,} parameters{most}"
        yield advice(miss, because, made, f"about {kept:,.0f} parameters more")


def halved(ran: Ran) -> list[tuple[str, Any]]:
    """Return the keys that make a cut half as deep; empty where the pass has none that is known to."""
    options, place = ran.options, f"pass.{ran.place}"
    for key in ("fraction", "sparsity"):
        if ran.use == "prune" and isinstance(options.get(key), float):
            return [(f"{place}.{key}", three_digits(options[key] / 2))]
    share = budget_share(options)
    if ran.use == "prune" and share is not None:
        return [(f"{place}.budget.params", percent(1 - (1 - share) / 2))]
    return []


def leaves_room(miss: Miss, more: float) -> bool:
    """Say whether so many parameters more, a byte each in the artifact, break no bound on a size that is met now."""
    for bound in miss.others:
        figure = SIZES.get(bound.metric)
        now = None if figure is None else getattr(miss.final, figure)
        if now is None or figure is None:
            continue
        if figure == "macs":
            now *= 1 + more / max(1, miss.final.params or 1)
        else:
            now += more
        whole = getattr(miss.source, figure)
        value = 1 - now / whole if METRICS[bound.metric].how == "reduction" and whole else now
        if not (value <= bound.limit if bound.sign == "<=" else value >= bound.limit):
            return False
    return True


def worst(miss: Miss) -> list[Ran]:
    """Return the passes that lost a good part of the accuracy, the one that lost most first."""
    every = sorted((ran for ran in miss.passes if ran.lost > 0), key=lambda ran: -ran.lost)
    total = sum(ran.lost for ran in every)
    return [ran for ran in every if ran.lost >= SHARE * total]


def lost(ran: Ran) -> str:
    return f"{pass_name(ran)} lost {units.show(ran.lost, 'pp')}"


def three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def training_time(seconds: float | None) -> str:
    """Say what twice the epochs take."""
    return "training time" if seconds is None else f"about {units.show_seconds(2 * seconds)}, twice what it took"
