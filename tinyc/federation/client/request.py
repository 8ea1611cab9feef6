"""What a server asks of a client, read with care: it is another machine's word, and may be anything."""

from __future__ import annotations

from typing import Any, TypeVar

from tinyc.core.errors import TinycError, UserError
from tinyc.federation import tensors
from tinyc.federation.flower.messages import Content, config_of, weights_of
from tinyc.federation.updates import Arrays

WHERE = "what the server asks"
REMEDY = "run the same version of tinyc on the server and on every client"
T = TypeVar("T", int, str)


def setting(content: Content, key: str, kind: type[T]) -> T:
    """Read a whole number or a text of a message's settings.

    Raises:
        UserError: it is missing, or of another type.
    """
    found: Any = config_of(content).get(key)
    if type(found) is not kind:
        wanted = "whole number" if kind is int else "text"
        raise UserError(WHERE, f"has {key} = {str(found)[:80]!r}, which is no {wanted}", REMEDY)
    return found


def weights(content: Content) -> Arrays:
    """Read the weights of a message.

    Raises:
        UserError: there are none, or they cannot be read.
    """
    block = weights_of(content)
    if block is None:
        raise UserError(WHERE, "has no weights", REMEDY)
    try:
        return tensors.weights(block)
    except ValueError as error:
        raise UserError(WHERE, f"has weights that cannot be read: {first_line(error)}", REMEDY) from error


def failed(error: Exception) -> Exception:
    """Word what a request made fail here: what it asks for and the network are the server's, whatever it was.

    What has a message of its own, or is this machine's fault, stays as it is.
    """
    if isinstance(error, TinycError | OSError | MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return error
    problem = f"cannot be done here: {type(error).__name__}: {first_line(error)}"
    return UserError(WHERE, problem, REMEDY)


def first_line(error: BaseException | str) -> str:
    """Give the first line of an error or its text, cut to what is worth reading."""
    return next(iter(str(error).strip().splitlines()), "")[:300]
