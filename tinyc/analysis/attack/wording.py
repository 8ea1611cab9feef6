"""What an attack's figures mean, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tinyc.analysis.attack.bounds import Promise
from tinyc.analysis.attack.membership_split import MembershipSplit
from tinyc.analysis.attack.record import Found


def verdict(attacks: tuple[Found, ...], sides: MembershipSplit) -> str:
    """Say what the attacks came to; only an interval above 0.5 that cannot be mere difference is called memory."""
    found = {each.name: each for each in attacks}
    loss, likely, control = found["loss"], found.get("lira"), found.get("control")
    told = likely or loss
    if told.auc.low is None or told.auc.high is None:
        return f"Undecided: of a single {sides.cluster} no interval can be given."
    if above(likely):
        return f"The artifact tells which {things(sides)} it was trained on: the interval of LiRA lies above 0.5."
    if above(loss):
        return of_loss(sides, likely is not None, above(control))
    if told.auc.high < 0.5:
        return "No memorization shows: members look less like members than others do, and the interval lies below 0.5."
    name = "LiRA" if likely else "the loss threshold"
    return f"No memorization shows: the interval of {name} contains 0.5 (guessing). A stronger attack may find more."


def of_loss(sides: MembershipSplit, corrected: bool, differs: bool) -> str:
    """Say what a loss threshold above 0.5 means where LiRA does not confirm it."""
    if corrected:
        return (
            "Undecided: the interval of the loss threshold lies above 0.5, that of LiRA, which compares each example "
            "with itself, does not. Either the test examples are harder, or LiRA is too weak; more shadows decide."
        )
    if sides.unit is not None or differs:
        why = f"they are different values of {sides.unit!r}" if sides.unit else "the control lies above 0.5 too"
        return (
            f"Undecided: members and others can be told apart by their loss (the interval lies above 0.5), but {why}: "
            "it may be memorization, or only that they differ. --shadows 16 decides."
        )
    return "The artifact tells which examples it was trained on: the interval of the loss threshold lies above 0.5."


def above(found: Found | None) -> bool:
    return found is not None and found.auc.low is not None and found.auc.low > 0.5


def things(sides: MembershipSplit) -> str:
    return "examples" if sides.unit is None else f"{sides.unit}s"


def notes(
    sides: MembershipSplit, attacks: tuple[Found, ...], promise: Promise | None, shadows: Mapping[str, Any] | None
) -> Iterator[str]:
    """Say what the figures do not show."""
    if sides.unit is not None:
        yield from of_units(sides, attacks, shadows)
    if shadows is not None:
        yield from of_shadows(shadows, sides)
    if promise is not None:
        yield from of_promise(promise, sides)


def of_units(sides: MembershipSplit, attacks: tuple[Found, ...], shadows: Mapping[str, Any] | None) -> Iterator[str]:
    """Members and others are other people: say what of that is in the figures."""
    yield (
        f"Members and others share no {sides.unit} ({sides.units[0]} and {sides.units[1]}): a loss threshold tells "
        "them apart by what they remember and by how they differ, and cannot say which."
    )
    if any(each.name == "control" for each in attacks):
        yield "The control has no members at all: what it finds is difference alone."
    if shadows is None:
        yield f"--shadows 16 corrects it: each {sides.unit} is compared with itself, in networks with and without it."


def of_shadows(shadows: Mapping[str, Any], sides: MembershipSplit) -> Iterator[str]:
    """Say what shadows are, and how they differ from the artifact."""
    epochs = f"{shadows['epochs']} epoch{'' if shadows['epochs'] == 1 else 's'}"
    whole = f"whole {sides.unit}s, so that LiRA asks whether a {sides.unit} was there; " if sides.unit else ""
    yield (
        f"Shadows: {shadows['count']} of the network before quantization, new weights, {epochs} on "
        f"labels alone, {shadows['examples']:,.0f} examples each; {whole}they are float and dense and trained without "
        "teacher, noise or fake quantization, so LiRA may find less than an attacker who repeats the whole recipe."
    )
    if shadows["method"] == "offline":
        yield "LiRA is offline: below 16 shadows only the confidence without the example is fitted."


def of_promise(promise: Promise, sides: MembershipSplit) -> Iterator[str]:
    """Compare with what epsilon allows, and say where it does not hold."""
    steps = " and ".join(promise.steps)
    yield (
        f"{steps} promises epsilon = {promise.epsilon:.3g} at delta = {promise.delta:.3g} for an example: no attack on "
        f"it can exceed an AUC of {promise.auc:.3f} and an advantage of {promise.advantage:.3f}."
    )
    beside = f"; {', '.join(promise.beside)} learnt from the same examples without noise" if promise.beside else ""
    yield f"That does not cover the whole artifact: quantization measured its scales on training examples{beside}."
    if sides.unit is not None:
        yield (
            f"That is for one example in or out; here whole {sides.unit}s are, of many examples each, so that figures "
            "above it break no promise (Humphries et al. 2020)."
        )
