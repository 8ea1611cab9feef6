"""What optimized kernels ask of the arena for an operator, beyond what TFLM's reference kernels ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tinyc.devices.board import Board
from tinyc.devices.work import Work

FORMULAS: Mapping[str, Callable[[Work, Board | None], int]] = {}
