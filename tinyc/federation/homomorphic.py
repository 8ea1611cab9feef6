"""Averaging under encryption: the server adds ciphertexts, and nobody but a client sees weights.

    client k                                          server (public key alone)
    weights = start + open(total)
    update  = trained - weights, checked
    seal(examples * update)              ---->        sum of all, times 1 / examples of all
                                         <----        total = total + that

All clients have one secret key. So the server is kept out, and what the clients are to each other is unchanged: a
client that gets hold of another's message can open it. docs/who-sees-what.md says what that does not protect against.
Nothing here can be repeated byte for byte: encryption draws from the operating system, and leaves errors near 1e-8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tinyc.core.errors import UserError
from tinyc.federation import ciphertexts, strategies
from tinyc.federation.ciphertexts import Cipher, Keys, make_keys, read_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinyc.federation.local import Trained
    from tinyc.spec.federation import FederationOptions

__all__ = ["Cipher", "Encryption", "Keys", "begin", "conditions", "final", "make_keys", "read_key"]

Arrays = Mapping[str, "NDArray[Any]"]


@dataclass(frozen=True)
class Encryption:
    """A client's end: opens what comes, seals what goes; an `Outgoing`, and the last of its chain.

    Attributes:
        cipher: the clients' key.
        start: the weights that travel, as they are in the job's network, before the first round.
        options: `max_update`, which the server cannot check, and what a client weighs in the average.
    """

    cipher: Cipher
    start: Arrays = field(repr=False)
    options: FederationOptions

    def open(self, sealed: Mapping[str, bytes], round: int, client: str) -> dict[str, NDArray[Any]]:
        """Give the weights that a round (counted from 1) begins with, float32, from the server's running total.

        Raises:
            UserError: the key is the server's or another pair's, or the ciphertexts were altered.
        """
        return final(self.cipher, self.start, sealed, round - 1, client)

    def protect(self, received: Arrays, trained: Trained, round: int, client: str) -> Mapping[str, bytes]:
        """Seal the update, times what the client weighs in the average.

        Raises:
            UserError: the update has values that are not finite or too large, or the wrong shapes.
        """
        import numpy as np

        if {name: a.shape for name, a in trained.arrays.items()} != {name: a.shape for name, a in received.items()}:
            raise UserError(client, "the trained weights do not have the shapes of those that came", "")
        before = packed(received)
        update = packed(trained.arrays) - before
        if not np.all(np.isfinite(update)):
            raise UserError(client, "the update has values that are not finite", "lower the learning rate")
        norm, most = float(np.linalg.norm(update)), self.options.max_update * float(np.linalg.norm(before))
        if norm > most:
            problem = f"its update has norm {norm:.3g}, and max_update allows {most:.3g}"
            raise UserError(client, problem, "lower the learning rate, or raise `max_update`")
        return ciphertexts.encrypt(self.cipher, update, strategies.weight(self.options, trained.examples))


def begin(cipher: Cipher, start: Arrays, arrays: Arrays, rounds: int) -> dict[str, bytes]:
    """Encrypt the running total that a round begins with, the way from `start` to `arrays`; needs no secret key."""
    return ciphertexts.total(cipher, packed(arrays) - packed(start), rounds)


def final(cipher: Cipher, start: Arrays, sealed: Mapping[str, bytes], rounds: int, where: str) -> dict[str, Any]:
    """Give the weights, float32, after so many rounds: the starting weights and the total that the key opens.

    Raises:
        UserError: the key is the server's or another pair's, or the ciphertexts were altered.
    """
    import numpy as np

    moved = unpacked(ciphertexts.decrypt(cipher, sealed, length(start), rounds, where), start)
    return {name: (np.asarray(array, np.float64) + moved[name]).astype(np.float32) for name, array in start.items()}


def conditions(simulated: bool) -> list[str]:
    """Say who holds the key and what that does not protect against, for the report."""
    where = (
        "the process that simulates server and clients holds the key, so nothing is hidden from whoever runs it"
        if simulated
        else "all clients hold one secret key; the server has none and cannot open updates, averages or the result"
    )
    return [
        where,
        "a client that gets hold of another's message can open it; a server and one client together see every update",
        "clients' losses and numbers of examples are in the clear",
        "the server cannot see what it adds: a client can send a harmful update, which robust aggregation would drop",
        "whoever sees a ciphertext together with its opened values, unrounded, may compute the key (Li and "
        "Micciancio 2021): do not give opened weights to the server",
        "encryption is not repeatable byte for byte; the average is within 1e-6 of a plain one",
    ]


def length(shapes: Arrays) -> int:
    """Count the values of all arrays."""
    return sum(int(array.size) for array in shapes.values())


def packed(arrays: Arrays) -> NDArray[Any]:
    """Put arrays into one vector, float64, in the order of their names."""
    import numpy as np

    return np.concatenate([np.asarray(arrays[name], np.float64).reshape(-1) for name in sorted(arrays)])


def unpacked(vector: NDArray[Any], shapes: Arrays) -> dict[str, NDArray[Any]]:
    """Take a vector apart into arrays of the given names and shapes."""
    found, begin = {}, 0
    for name in sorted(shapes):
        end = begin + int(shapes[name].size)
        found[name] = vector[begin:end].reshape(shapes[name].shape)
        begin = end
    return found
