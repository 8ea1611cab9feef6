"""What a client does to its update before it leaves: clipping and noise, encryption, masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tinyc.core.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinyc.federation.local import Trained


class Outgoing(Protocol):
    """One protection. Several are applied in turn; each gets the arrays that the one before it gave."""

    def protect(
        self, received: Mapping[str, NDArray[Any]], trained: Trained, round: int, client: str
    ) -> Mapping[str, NDArray[Any] | bytes]:
        """Give what leaves the client in place of `trained.arrays`.

        `received` are the weights that the round began with, by the same names. Values that are bytes travel as they
        are (ciphertexts); only the last protection of a chain may give them.
        """


@runtime_checkable
class Opens(Protocol):
    """A protection under which the weights also come sealed."""

    def open(self, sealed: Mapping[str, bytes], round: int, client: str) -> Mapping[str, NDArray[Any]]:
        """Give the weights that a round, counted from 1, begins with."""


def opened(
    chain: tuple[Outgoing, ...], sealed: Mapping[str, bytes], round: int, client: str
) -> Mapping[str, NDArray[Any]]:
    """Open what came sealed, by the protection that has the key.

    Raises:
        UserError: the client has no key.
    """
    for each in chain:
        if isinstance(each, Opens):
            return each.open(sealed, round, client)
    raise UserError(client, "what the server sends is encrypted, and this client has no key", "give it the key")


def protect(
    chain: tuple[Outgoing, ...], received: Mapping[str, NDArray[Any]], trained: Trained, round: int, client: str
) -> Mapping[str, NDArray[Any] | bytes]:
    """Apply a chain of protections; an empty one lets the arrays out as they are."""
    arrays: Mapping[str, Any] = trained.arrays
    for each in chain:
        arrays = each.protect(received, replace(trained, arrays=dict(arrays)), round, client)
    return arrays
