"""The rounds' view of the terminals: Flower's Grid over the SuperLink that lives in the same process."""

from __future__ import annotations

import time
from collections.abc import Iterable
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
        """Take the replies that are there; a terminal that has gone is replied for, with an error."""
        state = self.link.state
        found = state.get_message_res(message_ids=set(message_ids), run_id=self.link.run.run_id)
        replies = [self.signed(self.whole(reply)) for reply in found]
        state.delete_messages(message_ins_ids={reply.metadata.reply_to_message_id for reply in found})
        return replies

    def signed(self, reply: Any) -> Any:
        """Give the SuperLink's own reply for a terminal that has gone that terminal's name."""
        from flwr.app import Error
        from flwr.app.message import make_message
        from flwr.common.constant import ErrorCode

        node = self.sent.pop(reply.metadata.reply_to_message_id, None)
        if node is None or not reply.has_error():
            return reply
        reply.metadata.__dict__["_src_node_id"] = node
        if reply.error.code != ErrorCode.NODE_UNAVAILABLE:
            return reply
        return make_message(metadata=reply.metadata, error=Error(code=reply.error.code, reason=GONE))

    def whole(self, reply: Any) -> Any:
        """Put a reply together from its pieces; one that never came whole becomes an error."""
        from flwr.app import Error
        from flwr.app.message import make_message
        from flwr.common.constant import ErrorCode
        from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
        from flwr.supercore.inflatable.inflatable_utils import (
            ObjectPullError,
            inflate_object_from_contents,
            pull_objects,
        )
        from flwr.supercore.object_store import NoObjectInStoreError

        state, number = self.link.state, reply.metadata.message_id
        try:
            wanted = [piece.object_id for piece in iterate_object_tree(state.object_store.get_object_tree(number))]
            pieces = pull_objects(wanted, self.piece, initial_backoff=PULL_SECONDS)
            whole: Any = inflate_object_from_contents(number, pieces)
        except (ObjectPullError, NoObjectInStoreError, ValueError, TypeError) as error:
            lost = Error(code=ErrorCode.MESSAGE_UNAVAILABLE, reason=f"the reply never came whole: {error}")
            return make_message(metadata=reply.metadata, error=lost)
        state.object_store.delete(number)
        whole.metadata.__dict__["_message_id"] = number
        return whole

    def piece(self, number: str) -> bytes:
        from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, ObjectUnavailableError

        content = self.link.state.get_object(self.link.run.run_id, number)
        if content is None:
            raise ObjectPullError(number, "it is not there")
        if content == b"":
            raise ObjectUnavailableError(number)
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
