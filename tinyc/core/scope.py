"""What tinyc compresses, said in one place, for data and networks of another kind."""

from __future__ import annotations

from tinyc.core.errors import UserError

CLASSIFIERS = (
    "tinyc compresses classifiers: one input, one class an example as its label, and one output with a score for each "
    "of two classes or more (logits, or a softmax over them); it cannot compress networks and labels of other kinds yet"
)

FEED_FORWARD = (
    "tinyc compresses networks without loops and branches: it cannot compress LSTM, GRU and other recurrent layers yet"
)


def beyond(where: str, found: str) -> UserError:
    """Refuse a task that is not a classification into classes; `found` says what it is instead."""
    return UserError(where, found, CLASSIFIERS)
