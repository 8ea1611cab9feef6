"""The end of a training under encryption: what terminals say that the network is, and whom the server believes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.joined import Link, Reply, Terminal, wait

from tinyc.core.errors import MachineError
from tinyc.federation import tensors
from tinyc.federation.flower.fleet import Received
from tinyc.federation.flower.messages import Content, Failure, config_of, content, weights_of
from tinyc.federation.rounds.server import Finished
from tinyc.federation.terminals import opening

SEALED = np.frombuffer(b"sealed", np.uint8)


def sealed_result(rounds: int = 3) -> Finished:
    return Finished({"chunk": SEALED}, {"rounds": [{}] * rounds})


def server(arrays: dict[str, Any]) -> Any:
    return SimpleNamespace(job=SimpleNamespace(sha256="job"), arrays=arrays)


def says(weights: Any) -> Reply:
    """A terminal that opens everything as `weights`; with None it refuses."""

    def answer(received: Received) -> Content | Failure:
        if weights is None:
            return Failure("no key")
        assert tensors.weights(weights_of(received.content) or b"")["chunk"].tobytes() == b"sealed"
        assert config_of(received.content)["rounds"] == 3
        return content(tensors.packed({"w": np.array(weights, np.float32)}))

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
    own = server({"w": np.ones(2, np.float32)})
    if expected is None:
        with pytest.raises(MachineError, match=r"client-[12]: no key; client-[12]: no key"):
            opening.opened(own, link.transport, sealed_result())
    else:
        found = opening.opened(own, link.transport, sealed_result())
        assert found.weights["w"].tolist() == expected
        assert set(found.facts["opened_by"]) <= {name for name, weights in answers.items() if weights is not None}
    for each in there:
        each.gone.set()
        each.join(20)


def test_what_is_in_the_clear_needs_nobody(link: Link) -> None:
    plain = Finished({"w": np.ones(2)}, {})
    assert opening.opened(server({}), link.transport, plain) is plain
