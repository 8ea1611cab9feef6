"""Networks: built by a user's function or read from a file, and made flat, with logits out."""

from tinyc.sources.build import network
from tinyc.sources.checkpoint import language
from tinyc.sources.checks import fit_to_task
from tinyc.sources.files import read, read_own
from tinyc.sources.flatten import at_size
from tinyc.sources.functions import in_layers
from tinyc.sources.gate import examine
from tinyc.sources.places import locate
from tinyc.sources.taken import input_shape
from tinyc.sources.weights import load_weights

__all__ = [
    "at_size", "examine", "fit_to_task", "in_layers", "input_shape", "language", "load_weights", "locate", "network",
    "read", "read_own",
]  # fmt: skip
