"""A terminal's connection in the language of Flower's SuperNode: messages in, replies out, a heartbeat.

It runs only what is installed here: the SuperNode itself would fetch an app from the server and start it in a new
process for every message, which imports TensorFlow every round.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from flwr.app import Error, Message
from flwr.app.message import remove_content_from_message
from flwr.common.constant import ErrorCode
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import ActivateNodeRequest, DeactivateNodeRequest, PullMessagesRequest, PushMessagesRequest
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree, no_object_id_recompute
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    ObjectPushError,
    pull_and_inflate_object_from_tree,
    push_objects,
)
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.retry import RetryInvoker, exponential
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from tinyc.federation.client.request import failed
from tinyc.federation.flower.messages import Content, Failure, give_number

# A terminal counts as gone after two of these without a sign of life.
HEARTBEAT_SECONDS = 15.0
RETRY_SECONDS = 0.1
TRIES = 5
T = TypeVar("T")


class Lost(Exception):
    """The connection has to be made anew."""


def retrying() -> RetryInvoker:
    """Make what sends a request again that found no connection: it was not sent.

    A server among many strangers may drop a connection before its first request is there.
    """
    not_sent = (httpx.ConnectError, httpx.ConnectTimeout)
    return RetryInvoker(lambda: exponential(RETRY_SECONDS, 2), not_sent, max_tries=1, max_time=None, jitter=None)


@dataclass(frozen=True)
class Received:
    """A message of the server's."""

    kind: str
    content: Content = field(repr=False)
    message: Message = field(repr=False)


@dataclass(frozen=True)
class Fleet:
    """An open connection, under the node number that the server knows this terminal by."""

    client: Any
    node: Any

    def receive(self) -> Received | None:
        """Take the next message, None where there is none."""
        answer = self.guarded(lambda: self.client.PullMessages(PullMessagesRequest(node=self.node)))
        if not answer.messages_list:
            return None
        run, tree = answer.messages_list[0].metadata.run_id, answer.message_object_trees[0]
        pull = make_pull_object_fn_protobuf(self.client.PullObject, self.node, run)
        confirm = make_confirm_message_received_fn_protobuf(self.client.ConfirmMessageReceived, self.node, run)
        message = self.guarded(lambda: pull_and_inflate_object_from_tree(tree, pull, confirm, return_type=Message))
        give_number(message, tree.object_id)
        return Received(message.metadata.message_type, self.guarded(lambda: message.content), message)

    def reply(self, received: Received, answer: Content | Failure, seconds: float) -> None:
        """Send a reply; `seconds` is how long it took to make."""
        given: Any = answer
        if isinstance(answer, Failure):
            given = Error(code=ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason=answer.why)
        message = Message(given, reply_to=received.message)
        give_number(message, message.object_id)
        run = message.metadata.run_id
        with no_object_id_recompute():
            request = PushMessagesRequest(
                node=self.node,
                messages_list=[message_to_proto(remove_content_from_message(message))],
                message_object_trees=[get_object_tree(message)],
                clientapp_runtime_list=[seconds],
            )
            taken = self.guarded(lambda: self.client.PushMessages(request))
            push = make_push_object_fn_protobuf(self.client.PushObject, self.node, run, taken.session_id)
            wanted = set(taken.objects_to_push)
            self.guarded(lambda: push_objects(get_all_nested_objects(message), push, object_ids_to_push=wanted))

    def guarded(self, request: Callable[[], T]) -> T:
        """Do something over the connection; whatever that or the server refuses ends it.

        Raises:
            UserError: what came is no message.
        """
        try:
            return request()
        except (httpx.HTTPError, ObjectPullError, ObjectPushError) as error:
            raise Lost(f"{type(error).__name__}: {error}") from error
        except Exception as error:  # another machine's bytes make Flower and protobuf raise of all kinds
            raise failed(error) from error

    def beat(self, ended: threading.Event) -> None:
        """Tell the server that this terminal lives, until the connection ends; failures are the others' to notice."""
        request = SendNodeHeartbeatRequest(node=self.node, heartbeat_interval=HEARTBEAT_SECONDS)
        while not ended.wait(HEARTBEAT_SECONDS / 3):
            with suppress(Exception):
                self.client.SendNodeHeartbeat(request)


@contextmanager
def fleet(server: str, authority: bytes, private: Any, activate: Callable[[Callable[[], Any]], Any]) -> Iterator[Fleet]:
    """Connect to a server, and disconnect at the end.

    Args:
        server: HOST:PORT.
        authority: the certificate (PEM) that signs the server's.
        private: the terminal's key, which signs its requests.
        activate: makes the first request, and again where it is worth it; raises where it is not.
    """
    retry = retrying()
    signer = NodeAuthHttpInterceptor(private, private.public_key())
    request = ActivateNodeRequest(
        public_key=public_key_to_bytes(private.public_key()), heartbeat_interval=HEARTBEAT_SECONDS
    )
    with FleetHttpClient.from_server_address(
        server, False, authority, interceptors=[signer], retry_invoker=retry
    ) as client:
        node = Node(node_id=activate(lambda: client.ActivateNode(request)).node_id)
        retry.max_tries = TRIES
        connection, ended = Fleet(client, node), threading.Event()
        beating = threading.Thread(target=connection.beat, args=(ended,), name="heartbeat", daemon=True)
        beating.start()
        try:
            yield connection
        finally:
            ended.set()
            beating.join()
            retry.max_tries = 1
            with suppress(Exception):
                client.DeactivateNode(DeactivateNodeRequest(node_id=node.node_id))
