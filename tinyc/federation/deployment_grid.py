"""The rounds' view of the terminals: Flower's Grid over the SuperLink that lives in the same process."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tinyc.federation.deployment_link import Link

PULL_SECONDS = 0.2
GONE = "it is not connected any more"


@dataclass(frozen=True)
class LinkGrid:
    """What Flower's own HttpGrid does, without the port: whole messages in, whole messages out."""

    link: Link
    sent: dict[str, int] = field(default_factory=dict)
    begun: dict[str, Any] = field(default_factory=dict)
    """Replies that are announced, and whose pieces are still on their way."""

    def __post_init__(self) -> None:
        """Take on the run's identity in this process, which Flower writes into every message made here."""
        from flwr.common.constant import SUPERLINK_NODE_ID
        from flwr.supercore.task_identity import TaskIdentity

        TaskIdentity.run_id = self.link.run.run_id
        TaskIdentity.task_id = self.link.run.primary_task_id
        TaskIdentity.node_id = SUPERLINK_NODE_ID

    @property
    def run(self) -> Any:
        return self.link.run

    def get_node_ids(self) -> list[int]:
        """The nodes of the terminals that are connected now, in the order of their names."""
        return list(self.link.present())

    def client_names(self) -> dict[int, str]:
        """The names of the connected terminals by node: those of their keys, which nobody else can claim."""
        return self.link.present()

    def push_messages(self, messages: Iterable[Any]) -> list[str]:
        """Hand messages to the SuperLink; give their ids, "" for one that it does not take."""
        return [self.push(message) for message in messages]

    def push(self, message: Any) -> str:
        from flwr.app.message import remove_content_from_message
        from flwr.supercore.inflatable.inflatable_object import (
            get_all_nested_objects,
            get_object_tree,
            no_object_id_recompute,
        )

        state, run = self.link.state, self.link.run.run_id
        with no_object_id_recompute():
            message.metadata.__dict__["_message_id"] = message.object_id
            pieces, tree = get_all_nested_objects(message), get_object_tree(message)
            session = state.start_session(run)
            bare = remove_content_from_message(message)
            stored, missing = state.store_message_and_object_tree(bare, tree, session)
            for piece in missing if stored else ():
                state.store_object(run, session, piece, pieces[piece].deflate())
        number = str(message.metadata.message_id)
        self.sent[number] = message.metadata.dst_node_id
        return number if stored else ""

    def pull_messages(self, message_ids: Iterable[str]) -> list[Any]:
        """Take the replies that are there whole; a terminal that has gone is replied for, with an error."""
        state, wanted = self.link.state, set(message_ids)
        new = state.get_message_res(message_ids=wanted - set(self.begun), run_id=self.link.run.run_id)
        self.begun.update({reply.metadata.reply_to_message_id: reply for reply in new})
        online = self.link.present()
        ready = [number for number in wanted & set(self.begun) if self.ended(self.begun[number], online)]
        replies = [self.signed(self.whole(self.begun.pop(number))) for number in ready]
        state.delete_messages(message_ins_ids=set(ready))
        return replies

    def ended(self, reply: Any, online: Mapping[int, str]) -> bool:
        """Say whether nothing more of a reply is to be waited for: its pieces are all there, or will never come."""
        from flwr.supercore.object_store import NoObjectInStoreError

        if reply.has_error() or reply.metadata.src_node_id not in online:
            return True
        try:
            return all(self.link.state.get_object(self.link.run.run_id, each) != b"" for each in self.pieces(reply))
        except NoObjectInStoreError:
            return True

    def pieces(self, reply: Any) -> list[str]:
        """The ids of a reply's pieces."""
        from flwr.supercore.inflatable.inflatable_object import iterate_object_tree

        tree = self.link.state.object_store.get_object_tree(reply.metadata.message_id)
        return [piece.object_id for piece in iterate_object_tree(tree)]

    def signed(self, reply: Any) -> Any:
        """Make a reply the asked terminal's, whoever it says that it is from; one that has gone is said to have."""
        from flwr.app import Error
        from flwr.app.message import make_message
        from flwr.common.constant import ErrorCode

        node = self.sent.pop(reply.metadata.reply_to_message_id, None)
        if node is not None:
            reply.metadata.__dict__["_src_node_id"] = node
        if not reply.has_error() or reply.error.code != ErrorCode.NODE_UNAVAILABLE:
            return reply
        return make_message(metadata=reply.metadata, error=Error(code=reply.error.code, reason=GONE))

    def whole(self, reply: Any) -> Any:
        """Put a reply together from its pieces; one that never came whole, or is none, becomes an error."""
        from flwr.app import Error
        from flwr.app.message import make_message
        from flwr.common.constant import ErrorCode
        from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

        state, number = self.link.state, reply.metadata.message_id
        if reply.has_error():
            return reply
        try:
            contents = {piece: self.piece(piece) for piece in self.pieces(reply)}
            found: Any = inflate_object_from_contents(number, contents)
            # What the pieces say of sender and question is a stranger's word; the SuperLink has checked the reply's.
            given = {"error": found.error} if found.has_error() else {"content": found.content}
            whole = make_message(metadata=reply.metadata, **given)
        except Exception as error:  # the pieces are a stranger's bytes, and Flower raises of all kinds on them
            lost = Error(code=ErrorCode.MESSAGE_UNAVAILABLE, reason=f"the reply never came whole: {error}")
            return make_message(metadata=reply.metadata, error=lost)
        state.object_store.delete(number)
        return whole

    def piece(self, number: str) -> bytes:
        content = self.link.state.get_object(self.link.run.run_id, number)
        if not content:
            raise ValueError(f"{number} is not there")
        return bytes(content)

    def send_and_receive(self, messages: Iterable[Any], *, timeout: float | None = None) -> list[Any]:
        """Send messages and wait for their replies, at most `timeout` seconds."""
        waiting = {number for number in self.push_messages(messages) if number}
        ends = time.monotonic() + timeout if timeout is not None else None
        replies: list[Any] = []
        while waiting and (ends is None or time.monotonic() < ends):
            came = self.pull_messages(waiting)
            replies += came
            waiting -= {reply.metadata.reply_to_message_id for reply in came}
            if waiting:
                time.sleep(PULL_SECONDS)
        return replies
