"""What a server asks of a client in a round, read with care: it is another machine's word, and may be anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinyc.core.errors import TinycError, UserError
from tinyc.federation import records

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHERE = "what the server asks"
REMEDY = "run the same version of tinyc on the server and on every client"


@dataclass(frozen=True)
class Question:
    """A round to be trained: its number, and the weights that it begins with, as arrays or as ciphertexts."""

    round: int
    arrays: Mapping[str, NDArray[Any]]
    sealed: Mapping[str, bytes]


def number(content: Any, key: str) -> int:
    """Read a whole number of a message's config.

    Raises:
        UserError: it is missing or none.
    """
    found = content.config_records.get("config", {}).get(key)
    if type(found) is not int:
        raise UserError(WHERE, f"has {key} = {str(found)[:80]!r}, which is no whole number", REMEDY)
    return found


def text(content: Any, key: str) -> str:
    """Read a text of a message's config; raises as `number` does."""
    found = content.config_records.get("config", {}).get(key)
    if type(found) is not str:
        raise UserError(WHERE, f"has {key} = {str(found)[:80]!r}, which is no text", REMEDY)
    return found


def weights(content: Any) -> Any:
    """Give the weights of a message as Flower's record; raises as `number` does."""
    record = content.array_records.get("arrays")
    if record is None:
        raise UserError(WHERE, "has no weights", REMEDY)
    return record


def of_round(content: Any) -> Question:
    """Read the question to train a round.

    Raises:
        UserError: something is missing, of another type, or no array.
    """
    round, record = number(content, "server-round"), weights(content)
    try:
        if records.is_sealed(record):
            return Question(round, {}, records.sealed(record))
        return Question(round, records.unpacked(record), {})
    except Exception as error:  # another machine's bytes make NumPy, zipfile and Python's parser raise of all kinds
        raise UserError(WHERE, f"has weights that cannot be read: {first_line(error)}", REMEDY) from error


def failed(error: Exception) -> Exception:
    """Word what a question made fail here: what it asks for and the network are the server's, whatever it was.

    What has a message of its own, or is this machine's fault, stays as it is.
    """
    if isinstance(error, TinycError | OSError | MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return error
    problem = f"cannot be done here: {type(error).__name__}: {first_line(error)}"
    return UserError(WHERE, problem, REMEDY)


def first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "")[:300]
