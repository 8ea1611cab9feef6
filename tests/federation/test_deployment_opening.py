"""The end of a training under encryption: what terminals say that the network is, and whom the server believes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.joined import Terminal, wait

from tinyc.core.errors import MachineError
from tinyc.federation import deployment_opening
from tinyc.federation.deployment_grid import LinkGrid
from tinyc.federation.deployment_link import Link


def sealed_result(rounds: int = 3) -> Any:
    from tinyc.federation.server import Finished

    return Finished({"chunk": b"sealed"}, {"rounds": [{}] * rounds})


def opening(link: Link, arrays: dict[str, Any]) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(job=SimpleNamespace(sha256="job"), arrays=arrays)


def says(weights: Any) -> Callable[[Any], Any]:
    """A terminal that opens everything as `weights`; with None it refuses."""
    from flwr.app import Error, Message, RecordDict

    from tinyc.federation import records

    def answer(message: Any) -> Any:
        if weights is None:
            return Message(Error(code=2, reason="no key"), reply_to=message)
        assert records.sealed(message.content["arrays"]) == {"chunk": b"sealed"}
        assert message.content["config"]["rounds"] == 3
        return Message(RecordDict({"arrays": records.packed({"w": np.float32(weights)})}), reply_to=message)

    return answer


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"client-1": [1, 2], "client-2": [1, 2], "client-3": [1e6, -5]}, [1, 2]),
        ({"client-1": None, "client-2": [3, 4]}, [3, 4]),
        ({"client-1": [np.nan, 1], "client-2": [3, 4], "client-3": [1, 2, 3]}, [3, 4]),
        ({"client-1": None, "client-2": None}, None),
    ],
    ids=["one lies", "one has no key", "two send nonsense", "nobody can"],
)
def test_terminals_open_the_result_that_the_server_cannot(
    link: Link, keys: Path, answers: dict[str, Any], expected: list[float] | None
) -> None:
    there = [Terminal(link, keys / name, says(weights)) for name, weights in answers.items()]
    for each in there:
        each.start()
    wait(lambda: len(link.present()) == len(there))
    server = opening(link, {"w": np.ones(2, np.float32)})
    if expected is None:
        with pytest.raises(MachineError, match=r"client-[12]: no key; client-[12]: no key"):
            deployment_opening.opened(server, LinkGrid(link), sealed_result())
    else:
        found = deployment_opening.opened(server, LinkGrid(link), sealed_result())
        assert found.arrays["w"].tolist() == expected
        assert set(found.facts["opened_by"]) <= {name for name, weights in answers.items() if weights is not None}
    for each in there:
        each.gone.set()
        each.join(20)


def test_what_is_in_the_clear_needs_nobody(link: Link) -> None:
    from tinyc.federation.server import Finished

    plain = Finished({"w": np.ones(2)}, {})
    assert deployment_opening.opened(opening(link, {}), LinkGrid(link), plain) is plain
