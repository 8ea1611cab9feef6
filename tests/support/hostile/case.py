"""What a hostile network is: a name, why it is dangerous, and who writes it in which format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.hostile.ground import Ground

FORMS = ("h5", "keras", "saved")
Write = Callable[[Ground, str], None]


@dataclass(frozen=True)
class Case:
    """One hostile network.

    Attributes:
        name: names it in tests.
        reason: what it would do, or which reader it would fool.
        write: writes it for a ground in a format.
        says: a regular expression that the refusal matches: the function, class or part that it must name; "" for a
            harmless one.
        forms: the formats that it exists in.
        fires: the formats in which Keras itself, asked directly, does the harm where it can be seen.
        harmless: it is read, and nothing happens: what is hostile in it is left unread.
        tensorflow: TensorFlow is needed to write it.
    """

    name: str
    reason: str
    write: Write
    says: str
    forms: tuple[str, ...] = FORMS
    fires: tuple[str, ...] = ()
    harmless: bool = False
    tensorflow: bool = False


def edited(write: Write, edit: Callable[[Path, Ground], None]) -> Write:
    """Write a network, then change the file."""

    def both(ground: Ground, form: str) -> None:
        write(ground, form)
        edit(ground.network(form), ground)

    return both
