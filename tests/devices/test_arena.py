"""The arena on a device: what runs at once adds up, and so does what is kept for good."""

from __future__ import annotations

import pytest

from tinyc.devices.arena import HANDLE_BYTES, Need, scratch
from tinyc.devices.board import Bank, Board
from tinyc.devices.runtime import Runtime, Scratch
from tinyc.devices.work import Work

CORTEX = Board(
    name="own", title="Own", core="cortex-m4", ram=(Bank(name="SRAM", bytes=1),), runtime="r", runtimes=("r",)
)


def work(operator: str, value_bytes: int) -> Work:
    """Make an operator that takes and gives so many bytes."""
    return Work(operator, operator, "int8", None, ((1, 8),), None, (1, 8), False, None, 0, value_bytes)


def need(*rules: Scratch, works: tuple[Work, ...], board: Board | None = None) -> Need:
    """Reckon with these rules alone."""
    runtime = Runtime(name="r", title="R", operators={"ADD": ("int8",), "MUL": ("int8",)}, scratch=rules)
    return scratch(works, runtime, board)


def rule(operator: str, share: float, lasting: bool = False, cores: tuple[str, ...] = ()) -> Scratch:
    """Make a rule that asks for a share of an operator's bytes."""
    return Scratch(operators=(operator,), share=share, lasting=lasting, cores=cores, source="x")


SMALL, LARGE = work("ADD", 32), work("MUL", 64)


def test_of_two_operators_the_larger_request_decides() -> None:
    found = need(rule("ADD", 1.0), rule("MUL", 1.0), works=(SMALL, LARGE))
    assert found == Need(64 + 2 * HANDLE_BYTES, ("ADD", "MUL"))


def test_two_requests_of_one_operator_add_up() -> None:
    assert need(rule("ADD", 1.0), rule("ADD", 1.0), works=(SMALL,)).bytes == 64 + 2 * HANDLE_BYTES


def test_what_is_kept_adds_up_and_has_no_handle() -> None:
    found = need(rule("ADD", 1.0, lasting=True), rule("MUL", 1.0), works=(SMALL, SMALL, LARGE))
    assert found.bytes == 32 + 32 + 64 + HANDLE_BYTES


def test_a_request_begins_where_tflm_lets_it() -> None:
    assert need(rule("ADD", 0.1), works=(SMALL,)).bytes == 16 + HANDLE_BYTES


@pytest.mark.parametrize(("core", "size"), [("cortex-m4", 32 + HANDLE_BYTES), ("xtensa-lx7", 0)])
def test_a_rule_holds_on_its_cores(core: str, size: int) -> None:
    assert need(rule("ADD", 1.0, cores=(core,)), works=(SMALL,), board=CORTEX).bytes == size
    assert need(rule("ADD", 1.0, cores=(core,)), works=(SMALL,)).bytes == 32 + HANDLE_BYTES
