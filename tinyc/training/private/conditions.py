"""What an epsilon rests on, and what it does not cover: plain sentences for the facts and the report."""

from __future__ import annotations

from typing import Literal

from tinyc.spec.privacy import Privacy
from tinyc.training.private.accounting import Schedule

Watcher = Literal["server", "nobody"]
"""Who sees a client's update without noise."""

SAMPLING = {
    "all": "All of the {units} {what} take part each time, so nothing rests on who was drawn.",
    "without_replacement": (
        "Each time {drawn} of the {units} {what} are drawn at random without replacement, and nobody learns which; "
        "a round that drew among fewer is not what was counted."
    ),
    "poisson": (
        "Each step draws each of the {units} {what} by itself with probability {share}, {drawn} on average; nobody "
        "learns which."
    ),
}
FLOATING = "The arithmetic is floating point, whose rounding of the noise the theory does not know of."
SEEDED = (
    "The noise and the draws come from a seeded generator that is not cryptographic: the run can be repeated, and "
    "whoever knows the seed can take the noise off. The promise holds towards those who do not know it."
)
DRAWN_BY_SYSTEM = (
    "The noise begins from random bits of the operating system, through a generator that is not cryptographic; it "
    "cannot be repeated."
)
METRICS = (
    "Losses, accuracies and numbers of examples are reported as they are; whoever sees them learns more than epsilon "
    "says."
)
START = "The weights that the training began with are not covered, whatever they were trained on."
CHOICES = "Options that were chosen by looking at results on the same data are not covered."


def conditions(privacy: Privacy, schedule: Schedule, *, secret: bool = False, watcher: Watcher = "server") -> list[str]:
    """Say under which conditions epsilon holds.

    Args:
        secret: the noise begins from bits of the operating system, not from the seed.
        watcher: for client level, who sees an update before there is noise in it.
    """
    what = "clients" if privacy.level == "client" else "examples"
    figures = {"units": schedule.units, "what": what, "drawn": f"{schedule.drawn:g}"}
    share = f"{schedule.drawn / schedule.units:.6g}"
    return [
        adjacency(privacy),
        SAMPLING[schedule.sampling].format(**figures, share=share),
        *(watched(privacy, watcher) if privacy.level == "client" else ()),
        *large_delta(schedule, what),
        METRICS, START, CHOICES, DRAWN_BY_SYSTEM if secret else SEEDED, FLOATING,
    ]  # fmt: skip


def adjacency(privacy: Privacy) -> str:
    """Say between which two worlds the promise does not let anybody tell."""
    client = privacy.level == "client"
    one, many = ("all that one client ever sends", "clients") if client else ("one training example", "examples")
    ending = "after all rounds" if client else "after all steps; someone with several examples is protected less"
    return (
        f"Add or remove one: with {one}, or with nothing in its place, the outcome is as likely but for a factor of "
        f"e^epsilon and a chance of delta = {privacy.delta:g}; how many {many} there are is public. Epsilon is for the "
        f"weights {ending}."
    )


def watched(privacy: Privacy, watcher: Watcher) -> list[str]:
    """Say who must be trusted, because updates pass there without noise."""
    if watcher == "nobody":
        return [
            "Each client clips its update and adds its share of the noise before it encrypts or masks it; the shares "
            "make up the whole only if all that were planned answer and none of them gives its share away."
        ]
    if privacy.where == "client":
        return [
            "Clients clip, and the server adds the noise: it sees every clipped update without noise and must be "
            "trusted."
        ]
    return ["The server clips and adds the noise: it sees every update as the client made it, and must be trusted."]


def large_delta(schedule: Schedule, what: str) -> list[str]:
    """Say where delta allows giving one away altogether."""
    if schedule.delta * schedule.units < 1:
        return []
    return [
        f"delta = {schedule.delta:g} is not below 1 / {schedule.units} {what}: it would allow publishing one of them "
        "outright. Take a smaller delta for a promise that means something."
    ]


def of_distillation(augmented: bool = False) -> list[str]:
    """Say what the epsilon of a student's training leaves out."""
    said = [
        "Epsilon covers this training alone: not the teacher, which was trained on the same examples without noise and "
        "whose answers count as given, and no other pass that trains on these examples or chooses by them.",
        "What was fitted to the training examples before (normalization, PCA, a tokenizer) counts as given.",
    ]
    if augmented:
        said.append("Augmented views of an example count as that example: its views are clipped one by one.")
    return said


def of_client_examples() -> list[str]:
    """Say what epsilon means where each client protects its own examples."""
    return [
        "Each client adds noise for its own examples, so that the server and the others see only weights with noise; "
        "epsilon is for a client that trains in every round, the largest over the clients.",
        "Whether a client takes part, and how many examples it has, is not covered.",
    ]
