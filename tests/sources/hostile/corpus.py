"""All hostile networks, an innocent one, and those that every run of the tests tries."""

from __future__ import annotations

from sources.hostile.blank import Network, identity
from sources.hostile.case import Case
from sources.hostile.classes import LAYERS
from sources.hostile.containers import CONTAINERS
from sources.hostile.functions import FUNCTIONS
from sources.hostile.graphs import GRAPHS
from sources.hostile.newer import NEWER
from sources.hostile.parts import PARTS
from sources.hostile.reaching import REACHING
from sources.hostile.writing import written

INNOCENT = Case("innocent", "nothing", written(lambda _: Network(identity())), "", harmless=True)

CASES: dict[str, Case] = {
    case.name: case for case in (INNOCENT, *FUNCTIONS, *LAYERS, *PARTS, *CONTAINERS, *REACHING, *NEWER, *GRAPHS)
}
ALWAYS = (
    "innocent", "load_library", "write_file", "rmtree", "get_file", "from_json", "class_method", "lambda_escaped",
    "top_module", "pickled", "polyglot", "outside", "initializer",
)  # fmt: skip
