"""The work of the pass `verify`: the artifact under every runtime, on every test example."""

from __future__ import annotations

from tinyc.network.contract import Context, Outcome
from tinyc.network.state import Flat
from tinyc.spec.passes.verify import Verify


def verify(_options: Verify, state: Flat, context: Context) -> Outcome:
    """Give the artifact back with the comparison as facts.

    Raises:
        UserError: TFLM lacks an operator, or the file is damaged.
        MachineError: a worker process was ended or hung.
    """
    return Outcome(state, facts=context.compare(state))
