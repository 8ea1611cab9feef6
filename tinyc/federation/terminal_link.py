"""A terminal's connection to the server: TLS, requests signed with its key, messages in and replies out.

It speaks the language of Flower's SuperNode, and runs only what is installed here: the SuperNode itself would fetch an
app from the server and start it in a new process for every message, which imports TensorFlow every round.
"""

from __future__ import annotations

import datetime
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from tinyc.core.errors import MachineError, UserError
from tinyc.federation import questions
from tinyc.federation.certificates import ClientKeys
from tinyc.federation.flower import settle

# A terminal counts as gone after two of these without a sign of life.
HEARTBEAT_SECONDS = 15.0
WAITS_SECONDS = (1.0, 2.0, 4.0, 8.0)
AGAIN_SECONDS = (0.1, 0.2, 0.4, 0.8)
POLL_SECONDS = 1.0
ADDRESS = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+(%\w+)?\]):[0-9]{1,5}", re.ASCII)
CLOCK = "set the clock: it may be 5 minutes behind the server's, and 5 seconds ahead"
T = TypeVar("T")


class Lost(Exception):
    """The connection has to be made anew."""


@dataclass
class Patience:
    """Makes a request again that found no connection, after each of `waits` seconds: it was not sent.

    A server among many strangers may drop a connection before its first request is there.
    """

    waits: tuple[float, ...] = ()

    def invoke(self, send: Callable[[], T]) -> T:
        import httpx

        for seconds in self.waits:
            try:
                return send()
            except (httpx.ConnectError, httpx.ConnectTimeout):
                time.sleep(seconds)
        return send()


@dataclass(frozen=True)
class Wire:
    """An open connection under the node number that the server knows this terminal by."""

    client: Any
    node: Any

    def receive(self) -> Any | None:
        """Take the next message, None where there is none."""
        from flwr.app import Message
        from flwr.proto.fleet_pb2 import PullMessagesRequest
        from flwr.supercore.inflatable.inflatable_protobuf_utils import (
            make_confirm_message_received_fn_protobuf,
            make_pull_object_fn_protobuf,
        )
        from flwr.supercore.inflatable.inflatable_utils import pull_and_inflate_object_from_tree

        answer = self.ask(self.client.PullMessages, PullMessagesRequest(node=self.node))
        if not answer.messages_list:
            return None
        run, tree = answer.messages_list[0].metadata.run_id, answer.message_object_trees[0]
        message = self.guarded(
            lambda: pull_and_inflate_object_from_tree(
                tree,
                make_pull_object_fn_protobuf(self.client.PullObject, self.node, run),
                make_confirm_message_received_fn_protobuf(self.client.ConfirmMessageReceived, self.node, run),
                return_type=Message,
            )
        )
        message.metadata.__dict__["_message_id"] = tree.object_id
        return message

    def reply(self, message: Any, seconds: float) -> None:
        """Send a reply; `seconds` is how long it took to make."""
        from flwr.app.message import remove_content_from_message
        from flwr.common.serde import message_to_proto
        from flwr.proto.fleet_pb2 import PushMessagesRequest
        from flwr.supercore.inflatable.inflatable_object import (
            get_all_nested_objects,
            get_object_tree,
            no_object_id_recompute,
        )
        from flwr.supercore.inflatable.inflatable_protobuf_utils import make_push_object_fn_protobuf
        from flwr.supercore.inflatable.inflatable_utils import push_objects

        message.metadata.__dict__["_message_id"] = message.object_id
        run = message.metadata.run_id
        with no_object_id_recompute():
            bare = message_to_proto(remove_content_from_message(message))
            request = PushMessagesRequest(
                node=self.node,
                messages_list=[bare],
                message_object_trees=[get_object_tree(message)],
                clientapp_runtime_list=[seconds],
            )
            answer = self.ask(self.client.PushMessages, request)
            push = make_push_object_fn_protobuf(self.client.PushObject, self.node, run, answer.session_id)
            wanted = set(answer.objects_to_push)
            self.guarded(lambda: push_objects(get_all_nested_objects(message), push, object_ids_to_push=wanted))

    def ask(self, deed: Callable[[Any], Any], request: Any) -> Any:
        return self.guarded(lambda: deed(request))

    def guarded(self, deed: Callable[[], T]) -> T:
        """Do something over the wire; whatever the wire or the server refuses ends this connection.

        Raises:
            UserError: what came is no message.
        """
        import httpx
        from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, ObjectPushError

        try:
            return deed()
        except (httpx.HTTPError, ObjectPullError, ObjectPushError) as error:
            raise Lost(f"{type(error).__name__}: {error}") from error
        except Exception as error:  # another machine's bytes make Flower and protobuf raise of all kinds
            raise questions.failed(error) from error

    def beat(self, ended: threading.Event) -> None:
        """Tell the server that this terminal lives, until the connection ends; failures are the others' to notice."""
        from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest

        request = SendNodeHeartbeatRequest(node=self.node, heartbeat_interval=HEARTBEAT_SECONDS)
        while not ended.wait(HEARTBEAT_SECONDS / 3):
            with suppress(Exception):
                self.client.SendNodeHeartbeat(request)


@contextmanager
def connected(server: str, keys: ClientKeys, retries: int, say: Callable[[str], None]) -> Iterator[Wire]:
    """Connect to a server, trying again where it does not answer, and take leave at the end.

    Raises:
        UserError: `server` is no address, does not know this key, is not the one that the keys belong to, or the clocks
            differ.
        MachineError: it cannot be reached in `retries` further tries, or Flower is not installed.
    """
    refuse_no_address(server)
    settle()
    from flwr.proto.fleet_pb2 import DeactivateNodeRequest
    from flwr.supernode.fleet_http_client import FleetHttpClient
    from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

    signer = NodeAuthHttpInterceptor(keys.private, keys.private.public_key())
    patience: Any = Patience()  # of the form of Flower's RetryInvoker
    with FleetHttpClient.from_server_address(
        server, False, keys.authority, interceptors=[signer], retry_invoker=patience
    ) as client:
        wire = Wire(client, activated(client, server, keys, retries, say))
        patience.waits = AGAIN_SECONDS
        ended = threading.Event()
        beating = threading.Thread(target=wire.beat, args=(ended,), name="heartbeat", daemon=True)
        beating.start()
        try:
            yield wire
        finally:
            ended.set()
            beating.join()
            patience.waits = ()
            with suppress(Exception):
                client.DeactivateNode(DeactivateNodeRequest(node_id=wire.node.node_id))


def activated(client: Any, server: str, keys: ClientKeys, retries: int, say: Callable[[str], None]) -> Any:
    """Make this terminal known to the server as being there; give its node."""
    import httpx
    from flwr.proto.fleet_pb2 import ActivateNodeRequest
    from flwr.proto.node_pb2 import Node
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes

    public = public_key_to_bytes(keys.private.public_key())
    request = ActivateNodeRequest(public_key=public, heartbeat_interval=HEARTBEAT_SECONDS)
    for attempt in range(retries + 1):
        try:
            return Node(node_id=client.ActivateNode(request).node_id)
        except httpx.HTTPError as error:
            refuse(error, server, keys)
            last = reason(error)
        if attempt < retries:
            wait = WAITS_SECONDS[min(attempt, len(WAITS_SECONDS) - 1)]
            say(f"{server}: {last}; trying again in {wait:g} s ({retries - attempt} tries left)")
            time.sleep(wait)
    remedy = "is `tinyc federate serve` running there, and its port open? --max-retries tries longer"
    raise MachineError(f"--server {server}", f"cannot be reached: {last}", remedy)


def refuse_no_address(server: str) -> None:
    """Refuse what is no HOST:PORT."""
    if not ADDRESS.fullmatch(server) or int(server.rpartition(":")[2]) > 65535:
        raise UserError(f"--server {server}", "is no HOST:PORT", "for example gateway.example.org:9092")


def refuse(error: Any, server: str, keys: ClientKeys) -> None:
    """Raise what trying again does not mend."""
    where = f"--server {server}"
    if verification := caused_by(error, ssl.SSLCertVerificationError):
        raise untrusted(verification, where, keys)
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status == 403:
        remedy = "ask for a key of its own: `tinyc federate keys` makes them, and the server must be started with them"
        raise UserError(where, f"does not know the key {keys.name} in {keys.folder}", remedy)
    if status == 401:
        raise UserError(where, f"refused this terminal's signature{apart(response)}", CLOCK)
    if status in (400, 404):
        raise UserError(where, f"is no server of a federation (HTTP {status})", "give the address that `serve` says")


def untrusted(error: Any, where: str, keys: ClientKeys) -> UserError:
    """Word why the server's certificate is not believed."""
    why = getattr(error, "verify_message", None) or str(error)
    match getattr(error, "verify_code", None):
        case 9:  # X509_V_ERR_CERT_NOT_YET_VALID
            return UserError(where, f"has a certificate that does not hold yet by this clock: {why}", "set the clock")
        case 10:  # X509_V_ERR_CERT_HAS_EXPIRED
            problem = f"has a certificate that has run out by this clock: {why}"
            remedy = "set the clock if it is wrong; else make new keys with `tinyc federate keys`, for all parties"
            return UserError(where, problem, remedy)
        case 62 | 64:  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            problem = f"has a certificate for other names: {why}"
            remedy = "write a name that it was made for, or make new keys with this one as --host, for all parties"
            return UserError(where, problem, remedy)
    remedy = f"start it with the keys that {keys.folder} came with, or take the folder that came with its own"
    return UserError(where, f"is not the server of these keys: {why}", remedy)


def apart(response: Any) -> str:
    """Say how far this clock is from the server's, where its answer tells the time."""
    try:
        theirs = parsedate_to_datetime(response.headers["date"])
        seconds = (now() - theirs).total_seconds()
    except (KeyError, ValueError, TypeError):
        return ""
    if abs(seconds) < 2:  # the answer tells whole seconds
        return ""
    return f": its clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the server's"


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def reason(error: Any) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 412:
        return "a terminal with this key is still connected"
    if getattr(caused_by(error, ssl.SSLError), "reason", "") == "WRONG_VERSION_NUMBER":
        return "what answers there speaks no TLS"
    return f"HTTP {status}" if status else str(error) or type(error).__name__


def caused_by(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error
