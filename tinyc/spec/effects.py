"""What a pass does to what other passes rely on, declared by its schema; `spec.order` computes the rest from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from tinyc.devices.abilities import Ability


class Place(IntEnum):
    """Where a pass stands among the others."""

    NETWORK = 0
    """Before the conversion, in the writer's order."""
    CONVERT = 1
    TABLES = 2
    """After the conversion, before the file is written."""
    WRITE = 3
    CHECK = 4


Trace = Literal["zeros", "tables", "mixed bits", "ranges", "client networks", "undo layers", "student", "stored tables"]
"""What a pass leaves in a network or a file, by a name that rules and messages share.

zeros, tables       weights that later trainings keep: zeros in any place, few values a channel
mixed bits          layers whose bits were chosen, tables among them
ranges              ranges of activations, trained for the very next pass
client networks     a network for every client, and none for all
undo layers         layers that undo what was done to the signal, for a network that came before it
student             a new network
stored tables       tables as the file holds them
"""


@dataclass(frozen=True)
class Made:
    """A trace that a pass leaves; `said` is the key that asks for it, `instead` what to write where it hinders."""

    trace: Trace
    said: str = ""
    instead: str = ""


@dataclass(frozen=True)
class Rule:
    """What becomes of a trace that an earlier pass has left.

    `problem` follows the name of the pass, and `remedy` it; in both, {maker} is the earlier pass, {said} and {instead}
    are its own words (`Made`).
    """

    trace: Trace
    problem: str
    remedy: str = ""


@dataclass(frozen=True)
class Want:
    """Work that is wasted where no other pass leaves one of `traces`, before or after; `otherwise` says so."""

    traces: tuple[Trace, ...]
    stands: Literal["before", "after"]
    otherwise: str


@dataclass(frozen=True)
class Once:
    """Why a pass stands at most once, and what to do with the second."""

    why: str
    remedy: str = "leave one out"


@dataclass(frozen=True)
class Need:
    """What a runtime must be able to do for what a pass ends in: `problem` follows the pass's name, then the lack."""

    ability: Ability
    problem: str
    remedy: str


@dataclass(frozen=True)
class Effects:
    """What one pass, with its keys, does.

    Attributes:
        place: where it stands.
        label: how people call it where its name alone does not tell; "" where it does.
        once: why it may stand once; None where it may stand as often as one likes.
        trains: it trains on the training examples.
        fits: it computes constants from the training examples, without training.
        teaches: it has teachers, by which later passes fine-tune.
        forgets: nothing of the network before reaches the one after.
        outlives: its work is on the task, such as the tokenizer, and a student has it too.
        ranked: trained weights decide the shape of the network, so that a plan has a range.
        protects: it accounts for the privacy of the training examples.
        makes: the traces that it leaves.
        uses: traces that it takes up from the pass right before it.
        breaks: traces that it would break; it is refused after them.
        loses: traces that it loses, which is said.
        wants: what must stand before or after it, so that its work is not wasted.
        for_device: its files say what holds on the device that the recipe names.
        needs: what the runtime on the device must be able to do.
        notes: what people take it for, and it is not.
    """

    place: Place = Place.NETWORK
    label: str = ""
    once: Once | None = None
    trains: bool = False
    fits: bool = False
    teaches: bool = False
    forgets: bool = False
    outlives: bool = False
    ranked: bool = False
    protects: bool = False
    makes: tuple[Made, ...] = ()
    uses: tuple[Trace, ...] = ()
    breaks: tuple[Rule, ...] = ()
    loses: tuple[Rule, ...] = ()
    wants: tuple[Want, ...] = ()
    for_device: bool = False
    needs: tuple[Need, ...] = ()
    notes: tuple[str, ...] = ()

    def leaves(self, trace: Trace) -> bool:
        """Say whether the pass leaves a trace."""
        return any(made.trace == trace for made in self.makes)
