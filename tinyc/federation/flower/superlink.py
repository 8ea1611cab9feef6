"""Flower's SuperLink inside the server's own process, reached without a port: whole messages in, whole messages out.

Flower's command serves three interfaces on one port: the fleet's (terminals), the control's (whoever starts runs and
registers keys) and the runtime's (whoever executes an app). Only the first asks who is there. Here the SuperLink lives
beside the rounds, so that its port has the fleet's interface alone (`terminals.request_filter`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flwr.app import Message
from flwr.app.message import remove_content_from_message
from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID, SUPERLINK_NODE_ID, ErrorCode, SubStatus
from flwr.supercore.constant import NOOP_FEDERATION_ID, TaskType
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.object_store import NoObjectInStoreError
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.main import create_app

from tinyc.federation.client.request import first_line
from tinyc.federation.flower.messages import LIFETIME_SECONDS, Answers, Content, Failure, give_number

PULL_SECONDS = 0.2
GONE = "it is not connected any more"


@dataclass(frozen=True)
class SuperLink:
    """A running SuperLink, and a transport to the terminals that have joined it.

    Attributes:
        app: what speaks HTTP with them.
        state: messages, nodes and pieces of messages.
        run: the number of the one run in it, which belongs to this process.
        names: the registered terminals by node; nobody else can claim one.
        begun: replies that are announced, and whose pieces are still on their way, by the message that they answer.
    """

    app: Any
    state: Any
    run: int
    names: Mapping[int, str]
    begun: dict[str, Message] = field(default_factory=dict)

    def present(self) -> dict[int, str]:
        """Name the terminals that are connected now, by node, in the order of their names."""
        online = set(self.state.get_nodes(self.run))
        return {node: name for node, name in self.names.items() if node in online}

    def ask(self, kind: str, contents: Mapping[int, Content], seconds: float) -> Answers:
        """Send messages and wait for their replies, at most so many seconds."""
        lifetime = max(LIFETIME_SECONDS, 2 * seconds)
        pushed = {self.push(Message(each, node, kind, ttl=lifetime)): node for node, each in contents.items()}
        waiting = {number: node for number, node in pushed.items() if number}
        ends, found = time.monotonic() + seconds, Answers()
        while waiting and time.monotonic() < ends:
            for number, answer in self.pull(set(waiting)).items():
                # A reply is of the terminal that was asked, whoever it says that it is from.
                found[waiting.pop(number)] = answer
            if waiting:
                time.sleep(PULL_SECONDS)
        return found

    def push(self, message: Message) -> str:
        """Hand over one message; give its number, "" where it is not taken."""
        with no_object_id_recompute():
            give_number(message, message.object_id)
            pieces, tree = get_all_nested_objects(message), get_object_tree(message)
            session = self.state.start_session(self.run)
            bare = remove_content_from_message(message)
            stored, missing = self.state.store_message_and_object_tree(bare, tree, session)
            for piece in missing if stored else ():
                self.state.store_object(self.run, session, piece, pieces[piece].deflate())
        return str(message.metadata.message_id) if stored else ""

    def pull(self, numbers: set[str]) -> dict[str, Content | Failure]:
        """Take the replies that are there whole, by the message that they answer."""
        new = self.state.get_message_res(message_ids=numbers - set(self.begun), run_id=self.run)
        self.begun.update({reply.metadata.reply_to_message_id: reply for reply in new})
        online = self.present()
        ready = [number for number in numbers & set(self.begun) if self.is_whole(self.begun[number], online)]
        found = {number: self.whole(self.begun.pop(number)) for number in ready}
        self.state.delete_messages(message_ins_ids=set(ready))
        return found

    def is_whole(self, reply: Message, online: Mapping[int, str]) -> bool:
        """Say whether nothing more of a reply is to be waited for: its pieces are all there, or will never come."""
        if reply.has_error() or reply.metadata.src_node_id not in online:
            return True
        try:
            return all(piece != b"" for piece in self.pieces(reply).values())
        except NoObjectInStoreError:
            return True

    def pieces(self, reply: Message) -> dict[str, Any]:
        """Give the bytes of a reply's pieces by their numbers; those that are not there yet have none."""
        tree = self.state.object_store.get_object_tree(reply.metadata.message_id)
        numbers = [piece.object_id for piece in iterate_object_tree(tree)]
        return {number: self.state.get_object(self.run, number) for number in numbers}

    def whole(self, reply: Message) -> Content | Failure:
        """Put a reply together from its pieces; one that never came whole, or is none, becomes a failure."""
        if reply.has_error():
            return Failure(GONE) if reply.error.code == ErrorCode.NODE_UNAVAILABLE else failure(reply)
        try:
            pieces = self.pieces(reply)
            if missing := [number for number, piece in pieces.items() if not piece]:
                raise ValueError(f"{missing[0]} is not there")
            found: Any = inflate_object_from_contents(reply.metadata.message_id, pieces)
            answer = failure(found) if found.has_error() else found.content
        except Exception as error:  # the pieces are a stranger's bytes, and Flower raises of all kinds on them
            return Failure(f"the reply never came whole: {error}")
        self.state.object_store.delete(reply.metadata.message_id)
        return answer if isinstance(answer, Failure | Content) else Failure("the reply holds no records")

    def tell(self, kind: str) -> None:
        """Send every connected terminal a message without content, and wait for nothing."""
        for node in self.present():
            self.push(Message(Content(), node, kind))


def failure(reply: Message) -> Failure:
    """Give the first line of an error's reason."""
    return Failure(first_line(reply.error.reason or "") or f"error {reply.error.code}")


@contextmanager
def superlink(clients: Mapping[str, bytes]) -> Iterator[SuperLink]:
    """Run a SuperLink that listens to the given public keys (PEM, by name), until the block ends.

    The one run in it belongs to this process: no app is in it, since the rounds run here.
    """
    app = create_app()
    app.state.enable_supernode_auth = True
    state = app.state.linkstate_factory.state()
    names = {
        state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, public, 0, name=name): name
        for name, public in clients.items()
    }
    number = state.create_run(None, None, None, {}, NOOP_FEDERATION_ID, None, NOOP_FLWR_AID, TaskType.SERVER_APP)
    task = state.get_run_info(run_ids=[number])[0].primary_task_id
    state.claim_task(task)
    state.activate_task(task)
    # Flower writes this identity into every message that is made here.
    TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = number, task, SUPERLINK_NODE_ID
    alive = HeartbeatSender(lambda: bool(state.acknowledge_task_heartbeat(task)))  # else this process is taken for dead
    alive.start()
    try:
        yield SuperLink(app, state, number, names)
    finally:
        alive.stop()
        state.finish_task(task, SubStatus.COMPLETED, "")
