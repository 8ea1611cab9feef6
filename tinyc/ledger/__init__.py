"""What a state weighs and how accurate it is: the one place where test data is read."""

from tinyc.ledger.comparison import compare, compare_runtimes
from tinyc.ledger.figures import Ledger, Measurement, Runtime
from tinyc.ledger.judging import measured, uncounted, unmeasured
from tinyc.ledger.measuring import measure_flat, measure_net
from tinyc.ledger.weighing import weigh_net

__all__ = [
    "Ledger",
    "Measurement",
    "Runtime",
    "compare",
    "compare_runtimes",
    "measure_flat",
    "measure_net",
    "measured",
    "uncounted",
    "unmeasured",
    "weigh_net",
]
