"""How much accuracy each layer gives for channels cut and bits taken."""

from tinyc.analysis.sensitivity.record import Sensitivity, load

__all__ = ["Sensitivity", "load"]
