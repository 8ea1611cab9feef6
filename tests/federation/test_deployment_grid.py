"""Real TLS, real keys and Flower's own SuperLink, in this process: what comes back, and who is missed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.joined import Terminal, doubled, wait, weights

from tinyc.federation import deployment_grid
from tinyc.federation.deployment_grid import GONE, LinkGrid
from tinyc.federation.deployment_link import Link


def test_rounds_go_to_the_terminals_and_back(link: Link, keys: Path) -> None:
    there = [Terminal(link, keys / name, doubled) for name in ("client-2", "client-1")]
    for each in there:
        each.start()
    wait(lambda: len(link.present()) == 2)
    grid = LinkGrid(link)
    assert list(grid.client_names().values()) == ["client-1", "client-2"]
    assert grid.get_node_ids() == list(grid.client_names())
    for _ in range(2):
        replies = grid.send_and_receive(weights(grid.get_node_ids(), 100_000), timeout=60)
        assert sorted(reply.metadata.src_node_id for reply in replies) == sorted(grid.get_node_ids())
        for reply in replies:
            assert (reply.content["arrays"]["w"].numpy() == np.arange(100_000) * 2).all()
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
    grid = LinkGrid(link)
    names = grid.client_names()
    replies = {names[reply.metadata.src_node_id]: reply for reply in grid.send_and_receive(weights(list(names)))}
    assert not replies["client-1"].has_error()
    assert replies["client-2"].error.reason == GONE
    stays.gone.set()
    stays.join(20)


def test_one_that_never_sent_its_update_whole_is_missed(
    link: Link, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply is announced, and its pieces never come."""
    from flwr.supercore.inflatable import inflatable_utils

    monkeypatch.setattr(inflatable_utils, "push_objects", lambda *given, **named: None)
    monkeypatch.setattr(deployment_grid, "PULL_SECONDS", 0.01)
    terminal = Terminal(link, keys / "client-1", doubled)
    terminal.start()
    wait(lambda: len(link.present()) == 1)
    grid = LinkGrid(link)
    (number,) = grid.push_messages(weights(list(link.present())))
    wait(lambda: grid.pull_messages([number]) == [] and number in grid.begun)
    assert grid.send_and_receive([], timeout=0.1) == []
    terminal.gone.set()
    terminal.join(20)
    (reply,) = grid.pull_messages([number])
    assert "never came whole" in reply.error.reason


def test_a_reply_is_of_who_was_asked_whoever_it_says_that_it_is_from(
    link: Link, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SuperLink checks what is announced; the pieces could name another terminal, whose answer this would be."""
    from flwr.app.message import remove_content_from_message

    def named_another(message: Any) -> Any:
        reply = doubled(message)
        true = reply.metadata.src_node_id
        announced = remove_content_from_message

        def bare(message: Any) -> Any:
            made = announced(message)
            made.__dict__["_metadata"] = copy.deepcopy(made.metadata)
            made.metadata.__dict__["_src_node_id"] = true
            return made

        reply.metadata.__dict__["_src_node_id"] = other
        monkeypatch.setattr("flwr.app.message.remove_content_from_message", bare)
        return reply

    other = next(node for node, name in link.names.items() if name == "client-2")
    terminal = Terminal(link, keys / "client-1", named_another)
    terminal.start()
    wait(lambda: len(link.present()) == 1)
    (node,) = link.present()
    (reply,) = LinkGrid(link).send_and_receive(weights([node]), timeout=20)
    assert reply.metadata.src_node_id == node
    assert (reply.content["arrays"]["w"].numpy() == np.arange(10) * 2).all()
    terminal.gone.set()
    terminal.join(20)
