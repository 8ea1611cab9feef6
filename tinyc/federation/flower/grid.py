"""A transport over the grid of Flower's simulation, whose nodes say who they are when they are asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flwr.app import Message
from flwr.serverapp import Grid

from tinyc.federation.flower.messages import LIFETIME_SECONDS, NAME, Answers, Content, Failure, config_of, content

PAUSE = 0.1
NAME_SECONDS = 120.0
"""Seconds that new nodes have to say who they are; those that do not are asked again in the next round."""
NAME_LENGTH = 200


class Stopped(Exception):
    """The simulation around the rounds has ended; nobody waits for them."""


@dataclass(frozen=True)
class Simulated:
    """A transport over Flower's grid, whose nodes say who they are when they are asked.

    Waits end when the simulation does, so that no thread is left behind by an interrupt.
    """

    grid: Grid
    stop: threading.Event
    say: Callable[[str], None]
    names: dict[int, str] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)

    def present(self) -> Mapping[int, str]:
        """Name the connected clients, by node; asks new ones."""
        if self.stop.is_set():
            raise Stopped
        connected = set(self.grid.get_node_ids())
        new = sorted(connected - set(self.names) - self.refused)
        answers = self.ask(NAME, {node: content() for node in new}, NAME_SECONDS) if new else {}
        for node in new:
            why = self.enter(node, answers.get(node), connected)
            if why:
                self.say(f"node {node} is left out: {why}")
        return {node: name for node, name in self.names.items() if node in connected}

    def enter(self, node: int, answer: Content | Failure | None, connected: set[int]) -> str | None:
        """Take in one node's name; gives why it is left out, or None."""
        if answer is None or isinstance(answer, Failure):
            return "it did not say who it is" + (f": {answer.why}" if answer is not None else "")
        name = config_of(answer).get("client")
        if not isinstance(name, str) or not 0 < len(name) <= NAME_LENGTH or not name.isprintable():
            self.refused.add(node)
            return "its name is not a line of text"
        if any(known == name and other in connected for other, known in self.names.items()):
            self.refused.add(node)
            return f"it says that it is {name!r}, who is connected already"
        self.names[node] = name
        return None

    def ask(self, kind: str, contents: Mapping[int, Content], seconds: float) -> Answers:
        """Send messages and wait for their replies, at most so many seconds."""
        lifetime = max(LIFETIME_SECONDS, 2 * seconds)
        sent = [Message(each, node, kind, ttl=lifetime) for node, each in contents.items()]
        waiting, end = set(self.grid.push_messages(sent)), time.monotonic() + seconds
        found: Answers = {}
        while waiting:
            if self.stop.is_set():
                raise Stopped
            for each in self.grid.pull_messages(waiting):
                found[each.metadata.src_node_id] = failure(each) if each.has_error() else each.content
                waiting.discard(each.metadata.reply_to_message_id)
            if time.monotonic() > end:
                break
            time.sleep(PAUSE if waiting else 0)
        return found


def failure(reply: Message) -> Failure:
    """Give the first line of an error's reason, without the wrapping that Flower puts around it."""
    text = (reply.error.reason or "").split("Message: ")[-1].strip().rstrip(">'\"")
    return Failure(text.splitlines()[0] if text else f"error {reply.error.code}")
