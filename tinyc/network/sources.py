"""Networks: built by a user's function or read from a file, and made flat, with logits out."""

from tinyc.network.build import network
from tinyc.network.checkpoint import language
from tinyc.network.checks import fit_to_task
from tinyc.network.flatten import at_size
from tinyc.network.gate.examine import examine
from tinyc.network.opening import read_network, read_own
from tinyc.network.rewriting.functions import in_layers
from tinyc.network.weights import load_weights

__all__ = [
    "at_size", "examine", "fit_to_task", "in_layers", "language", "load_weights", "network",
    "read_network", "read_own",
]  # fmt: skip
