"""What runs on the device before the network: the operations up to the last that no network can hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.core.errors import UserError
from tinyc.data.signals.operations import Operation, operation_of_table, table_of_operation

CHUNK = 1024
"""Windows at a time, so that float64 copies stay small."""
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Front:
    """Operations on windows of `input_shape` (time, 1, channels), in order."""

    input_shape: tuple[int, ...]
    operations: tuple[Operation, ...]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """One window's shape as the network sees it."""
        channels = self.input_shape[-1]
        for operation in self.operations:
            channels = operation.channels(channels)
        return (*self.input_shape[:-1], channels)

    def apply(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Run the operations in float64 over (examples, *input_shape); gives float32 (examples, *output_shape)."""
        made = np.empty((len(x), *self.output_shape), np.float32)
        for start in range(0, len(x), CHUNK):
            part = x[start : start + CHUNK].astype(np.float64)
            for operation in self.operations:
                part = operation.apply(part)
            made[start : start + CHUNK] = part
        return made

    def to_json(self) -> str:
        """Write a front as JSON; equal fronts give the same bytes."""
        table = {
            "input_shape": list(self.input_shape),
            "operations": [table_of_operation(each) for each in self.operations],
        }
        return json.dumps(table, indent=1)

    @classmethod
    def from_json(cls, text: str, where: str = "front") -> Front:
        """Read what `to_json` wrote.

        Raises:
            UserError: it is damaged.
        """
        try:
            table = json.loads(text)
            return cls(
                tuple(map(int, table["input_shape"])), tuple(operation_of_table(each) for each in table["operations"])
            )
        except DAMAGED as error:
            raise UserError(where, f"describes no preprocessing: {error!r}", "export it again") from error
