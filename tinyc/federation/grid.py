"""A Flower grid in this process: no Ray, no network, one client after the other; for tests and small federations."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid4

from tinyc.federation import flower

RUN = 1


class InProcess:
    """Flower's Grid over a ClientApp, with the nodes 1, 2, ... named by their clients.

    What a client raises becomes an error reply, as Flower's own engines make it. A client cannot be interrupted here:
    an answer that took longer than the timeout is thrown away, as one that comes too late elsewhere.
    """

    def __init__(self, client_app: Any, nodes: Sequence[str]) -> None:
        flower.settle()
        from flwr.app import Context, RecordDict
        from flwr.common.constant import SUPERLINK_NODE_ID
        from flwr.supercore.run import Run
        from flwr.supercore.task_identity import TaskIdentity

        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = RUN, 1, SUPERLINK_NODE_ID
        self.client_app = client_app
        self.names = dict(enumerate(nodes, start=1))
        self.run = Run.create_empty(run_id=RUN)
        self.replies: dict[str, Any] = {}
        self.contexts = {
            node: Context(RUN, node, {"partition-id": node - 1, "num-partitions": len(nodes)}, RecordDict(), {})
            for node in self.names
        }

    def set_run(self, run: Any) -> None:
        """Take another run's description; messages carry this grid's own number."""
        self.run = run

    def create_message(
        self, content: Any, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Any:
        from flwr.app import Message

        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        return list(self.names)

    def client_names(self) -> dict[int, str]:
        return self.names

    def push_messages(self, messages: Iterable[Any]) -> list[str]:
        return [self.push(message, None) for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> list[Any]:
        return [self.replies.pop(each) for each in list(message_ids) if each in self.replies]

    def send_and_receive(self, messages: Iterable[Any], *, timeout: float | None = None) -> list[Any]:
        """Run the messages' clients in order of their nodes."""
        ordered = sorted(messages, key=lambda message: int(message.metadata.dst_node_id))
        return self.pull_messages([self.push(message, timeout) for message in ordered])

    def push(self, message: Any, timeout: float | None) -> str:
        """Run one client now, and keep its answer to be pulled."""
        number = str(uuid4())
        message.metadata.__dict__["_message_id"] = number
        begin = time.monotonic()
        reply = answer(self.client_app, message, self.contexts[message.metadata.dst_node_id])
        reply.metadata.__dict__["_message_id"] = str(uuid4())
        if timeout is None or time.monotonic() - begin <= timeout:
            self.replies[number] = reply
        return number


def answer(client_app: Any, message: Any, context: Any) -> Any:
    """Run a ClientApp; what it raises is its answer."""
    from flwr.app import Error, Message
    from flwr.common.constant import ErrorCode

    try:
        return client_app(message, context)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return Message(Error(code=ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason=reason), reply_to=message)
