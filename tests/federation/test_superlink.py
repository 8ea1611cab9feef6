"""Real TLS, real keys and Flower's own SuperLink, in this process: what comes back, and who is missed."""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app.message import remove_content_from_message
from support.joined import Link, Terminal, doubled, wait, weights

from tinyc.federation import tensors
from tinyc.federation.flower import fleet, superlink
from tinyc.federation.flower.fleet import Received
from tinyc.federation.flower.messages import TRAIN, Failure, weights_of
from tinyc.federation.flower.superlink import GONE


def vector(answer: Any) -> Any:
    assert not isinstance(answer, Failure), answer
    return tensors.unpacked(weights_of(answer) or b"")["w"]


def test_rounds_go_to_the_terminals_and_back(link: Link, keys: Path) -> None:
    there = [Terminal(link, keys / name, doubled) for name in ("client-2", "client-1")]
    for each in there:
        each.start()
    wait(lambda: len(link.present()) == 2)
    assert list(link.present().values()) == ["client-1", "client-2"]
    for _ in range(2):
        answers = link.ask(TRAIN, weights(list(link.present()), 100_000), 60)
        assert set(answers) == set(link.present())
        for answer in answers.values():
            assert (vector(answer) == np.arange(100_000) * 2).all()
    for each in there:
        each.gone.set()
        each.join(20)
    assert link.present() == {}


def test_a_terminal_that_goes_in_the_middle_is_named_and_the_others_count(link: Link, keys: Path) -> None:
    def goes(message: Any) -> None:
        leaves.gone.set()

    stays, leaves = Terminal(link, keys / "client-1", doubled), Terminal(link, keys / "client-2", goes)
    for each in (stays, leaves):
        each.start()
    wait(lambda: len(link.present()) == 2)
    names = dict(link.present())
    answers = {names[node]: each for node, each in link.ask(TRAIN, weights(list(names)), 60).items()}
    assert vector(answers["client-1"])[1] == 2
    assert answers["client-2"] == Failure(GONE)
    stays.gone.set()
    stays.join(20)


def test_one_that_never_sent_its_update_whole_is_missed(
    link: Link, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply is announced, and its pieces never come."""
    monkeypatch.setattr(fleet, "push_objects", lambda *given, **named: None)
    monkeypatch.setattr(superlink, "PULL_SECONDS", 0.01)
    terminal = Terminal(link, keys / "client-1", doubled)
    terminal.start()
    wait(lambda: len(link.present()) == 1)
    (node,) = link.present()
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.append(link.ask(TRAIN, weights([node]), 20)), daemon=True)
    asking.start()
    wait(lambda: bool(link.transport.begun))
    assert not found
    terminal.gone.set()
    terminal.join(20)
    asking.join(20)
    assert "never came whole" in found[0][node].why


def test_a_reply_is_of_who_was_asked_whoever_it_says_that_it_is_from(
    link: Link, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SuperLink checks what is announced; the pieces could name another terminal, whose answer this would be."""
    announced = remove_content_from_message

    def bare(message: Any) -> Any:
        made = announced(message)
        made.__dict__["_metadata"] = copy.deepcopy(made.metadata)
        made.metadata.__dict__["_src_node_id"] = node
        return made

    def lying(received: Received) -> Any:
        """Answer as another terminal; what is announced is true."""
        received.message.metadata.__dict__["_dst_node_id"] = other
        return doubled(received)

    monkeypatch.setattr(fleet, "remove_content_from_message", bare)
    other = next(node for node, name in link.names.items() if name == "client-2")
    terminal = Terminal(link, keys / "client-1", lying)
    terminal.start()
    wait(lambda: len(link.present()) == 1)
    (node,) = link.present()
    answers = link.ask(TRAIN, weights([node]), 20)
    assert set(answers) == {node}
    assert (vector(answers[node]) == np.arange(10) * 2).all()
    terminal.gone.set()
    terminal.join(20)


def test_an_error_of_several_lines_is_a_reason_of_one(link: Link, keys: Path) -> None:
    terminal = Terminal(link, keys / "client-1", lambda received: Failure("first\nsecond"))
    terminal.start()
    wait(lambda: len(link.present()) == 1)
    (node,) = link.present()
    assert link.ask(TRAIN, weights([node]), 20) == {node: Failure("first")}
    terminal.gone.set()
    terminal.join(20)
