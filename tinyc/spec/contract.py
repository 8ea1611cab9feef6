"""What the schema of every pass has."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, Self

from pydantic import BaseModel

from tinyc.devices.runtime import Runtime
from tinyc.spec.data import DataSpec
from tinyc.spec.effects import Effects

Kind = Literal["net", "flat"]
"""A Keras network, or a .tflite."""
Where = Callable[[tuple[str | int, ...]], str]
"""From the key path of a value, below the pass, to its place in the recipe, for messages."""


class Pass(BaseModel, frozen=True, extra="forbid"):
    """The schema of a pass: its fields are its recipe keys, and its work is named by its row in `passes.ROWS`.

    Attributes:
        takes: what the pass before must give.
        gives: what it gives itself.
        facts: the type of what it finds out, with units (`spec.facts`).
    """

    takes: ClassVar[Kind]
    gives: ClassVar[Kind]
    facts: ClassVar[type] = dict

    use: str

    @property
    def effects(self) -> Effects:
        """What it does to what other passes rely on."""
        return Effects()

    @property
    def libraries(self) -> tuple[str, ...]:
        """Modules of optional libraries without which it cannot run; asked for before anything trains."""
        return ()

    def check_data(self, data: DataSpec, where: Where) -> None:
        """Refuse data that the keys of `[data]` alone show to be unfit for this pass.

        Raises:
            UserError: says which key, and what to do.
        """

    def on(self, runtime: Runtime, data: DataSpec) -> Self:
        """Give the pass with the defaults that suit the runtime on the device, and the data; what is written stays."""
        return self
