"""What the schema of every pass has: what it takes, what it gives, and its name."""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol

Kind = Literal["net", "flat"]
"""A Keras network, or a .tflite."""


class Pass(Protocol):
    """A frozen pydantic model with these class attributes, registered as one row of `passes.ROWS`."""

    takes: ClassVar[Kind]
    gives: ClassVar[Kind]

    @property
    def use(self) -> str: ...
