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

from dataclasses import dataclass, field, replace

import numpy as np

from tinyc.core.errors import MachineError, UserError
from tinyc.federation import tensors
from tinyc.federation.privacy import ciphertexts
from tinyc.federation.privacy.ciphertexts import Cipher
from tinyc.federation.server.averaging import mean_loss, weight
from tinyc.federation.server.checks import HEADER_BYTES, opened
from tinyc.federation.tensors import apart, length, vector
from tinyc.federation.updates import Arrays, Update, Updates
from tinyc.spec.federation import FederationOptions


@dataclass(frozen=True)
class Encryption:
    """A client's step, the last of its chain: opens what comes, encrypts what goes.

    Attributes:
        cipher: the clients' key.
        start: the weights that travel, as they are in the job's network, before the first round.
        options: `max_update`, which the server cannot check, and what a client weighs in the average.
    """

    cipher: Cipher
    start: Arrays = field(repr=False)
    options: FederationOptions

    def decrypt(self, sealed: Arrays, rounds: int, where: str) -> Arrays:
        """Give the weights after so many rounds, float32: the starting weights and the total that the key opens.

        Raises:
            UserError: the key is the server's or another pair's, or the ciphertexts were altered.
        """
        moved = apart(ciphertexts.decrypt(self.cipher, sealed, length(self.start), rounds, where), self.start)
        return {
            name: (np.asarray(array, np.float64) + moved[name]).astype(np.float32) for name, array in self.start.items()
        }

    def __call__(self, update: Update) -> Update:
        """Encrypt the update, times what the client weighs in the average.

        Raises:
            UserError: the update has values that are not finite or too large, or the wrong shapes.
        """
        before, after = update.before, update.weights
        if {name: each.shape for name, each in after.items()} != {name: each.shape for name, each in before.items()}:
            raise UserError(update.client, "the trained weights do not have the shapes of those that came", "")
        moved = vector(after) - vector(before)
        if not np.all(np.isfinite(moved)):
            raise UserError(update.client, "the update has values that are not finite", "lower the learning rate")
        norm, most = float(np.linalg.norm(moved)), self.options.max_update * float(np.linalg.norm(vector(before)))
        if norm > most:
            problem = f"its update has norm {norm:.3g}, and max_update allows {most:.3g}"
            raise UserError(update.client, problem, "lower the learning rate, or raise `max_update`")
        sealed = ciphertexts.encrypt(self.cipher, moved, weight(self.options, update.examples))
        return replace(update, weights=sealed)


@dataclass(frozen=True)
class Sealing:
    """The server's end: it checks ciphertexts and adds their average to the encrypted total that the round began with.

    Attributes:
        cipher: the server's key, which opens nothing.
        start: the weights that travel, before the first round.

    Raises:
        UserError: it got the clients' key.
    """

    cipher: Cipher
    start: Arrays = field(repr=False)
    options: FederationOptions

    def __post_init__(self) -> None:
        """Refuse a key that opens."""
        if self.cipher.opens:
            raise UserError("server", "got the clients' key, which opens every update", "give it the server's")

    def seal(self, arrays: Arrays, rounds: int) -> Arrays:
        """Encrypt the running total after so many rounds, the way from `start` to `arrays`; needs no secret key."""
        return ciphertexts.total(self.cipher, vector(arrays) - vector(self.start), rounds)

    def check(self, updates: Updates) -> Updates:
        """Leave out what cannot be added, by names, number, sizes, key and level: all that the server can see."""
        return opened(updates, self.read)

    def read(self, block: bytes) -> Arrays | str:
        """Read the ciphertexts of one answer, or say why they cannot be used."""
        count = len(ciphertexts.names(self.cipher.key, length(self.start)))
        most = (count + 1) * (ciphertexts.LARGEST_CIPHERTEXT_BYTES + HEADER_BYTES)
        if len(block) > most:
            return f"its ciphertexts have {len(block)} bytes, and at most {most} are read"
        try:
            sealed = tensors.sealed(tensors.unpacked(block))
        except ValueError as error:
            return str(error)
        return ciphertexts.complaint(self.cipher, sealed, length(self.start)) or sealed

    def add(self, updates: Updates) -> Updates:
        """Give the next total: the sum of the answers over the sum of their weights, added to the one before.

        Raises:
            UserError: the total was made with another key.
            MachineError: the ciphertexts cannot be added.
        """
        foreign = {name.split(".")[1] for name in updates.sent} - {self.cipher.key}
        if foreign:
            problem = f"the rounds before were encrypted with key {', '.join(sorted(foreign))}, and this is key "
            remedy = "go on with that key, or begin anew: `tinyc cache clear`"
            raise UserError("server", problem + self.cipher.key, remedy)
        weights = [weight(self.options, each.examples) for each in updates.usable]
        try:
            sealed = [each.weights for each in updates.usable]
            together = ciphertexts.advance(self.cipher, updates.sent, sealed, sum(weights))
        except (ValueError, RuntimeError, KeyError) as error:
            raise MachineError("aggregation", f"the ciphertexts cannot be added: {error}", "") from error
        return replace(updates, together=together, loss=mean_loss(updates.usable, weights))


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
