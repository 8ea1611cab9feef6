"""What Flower's simulation runs in a worker: a client that is looked up by its number, and answers."""

from __future__ import annotations

from collections.abc import Callable

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from tinyc.federation.client.in_process import Answering


def client_app(client_of: Callable[[int], Answering]) -> ClientApp:
    """Make the app that answers for all clients; `client_of` gives one by its number from 0."""
    app = ClientApp()

    def answer(message: Message, context: Context) -> Message:
        client, meta = client_of(int(context.node_config["partition-id"])), message.metadata
        return Message(
            client.answer(meta.message_type, message.content, meta.dst_node_id, context.state), reply_to=message
        )

    app.query("name")(answer)
    app.train()(answer)
    return app
