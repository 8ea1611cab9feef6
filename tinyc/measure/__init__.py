"""What a state weighs and how accurate it is: the one place where test data is read."""

from tinyc.measure.comparison import compare, compare_runtimes
from tinyc.measure.figures import Ledger, Measurement, Runtime
from tinyc.measure.judging import measured, of_latency, uncounted, unmeasured
from tinyc.measure.measuring import measure_flat, measure_net
from tinyc.measure.weighing import weigh_net

__all__ = [
    "Ledger",
    "Measurement",
    "Runtime",
    "compare",
    "compare_runtimes",
    "measure_flat",
    "measure_net",
    "measured",
    "of_latency",
    "uncounted",
    "unmeasured",
    "weigh_net",
]
