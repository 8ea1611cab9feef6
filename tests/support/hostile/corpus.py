"""All hostile networks, an innocent one, and those that every run of the tests tries."""

from __future__ import annotations

from support.hostile.blank import Network, identity
from support.hostile.case import Case
from support.hostile.classes import LAYERS
from support.hostile.containers import CONTAINERS
from support.hostile.functions import FUNCTIONS
from support.hostile.graphs import GRAPHS
from support.hostile.newer import NEWER
from support.hostile.parts import PARTS
from support.hostile.reaching import REACHING
from support.hostile.writing import written

INNOCENT = Case("innocent", "nothing", written(lambda _: Network(identity())), "", harmless=True)

CASES: dict[str, Case] = {
    case.name: case for case in (INNOCENT, *FUNCTIONS, *LAYERS, *PARTS, *CONTAINERS, *REACHING, *NEWER, *GRAPHS)
}
ALWAYS = (
    "innocent", "load_library", "write_file", "rmtree", "get_file", "from_json", "class_method", "lambda_escaped",
    "top_module", "pickled", "polyglot", "outside", "initializer",
)  # fmt: skip
