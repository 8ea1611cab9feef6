"""The server's end of averaging under encryption: Flower's FedAvg over ciphertexts, with the public key alone.

A `Server` gets four things of here and of `homomorphic`:
    strategy    strategies.strategy(options, averaging(), cipher=cipher)
    complaint   complaint(cipher)
    seal        sealing(cipher, start)
    unseal      unsealing(clients' cipher, start) where the run holds the clients' key, as a simulation does
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tinyc.core.errors import MachineError, UserError
from tinyc.federation import ciphertexts, flower, records
from tinyc.federation.homomorphic import begin, final, length

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinyc.federation.ciphertexts import Cipher

Arrays = Mapping[str, "NDArray[Any]"]


def averaging() -> Any:
    """Make the class `HomomorphicFedAvg`, a subclass of Flower's FedAvg for `strategies.strategy`.

    It sends the encrypted running total as it is given, and gives the next: the sum of the answers, which clients have
    multiplied by what they weigh, over the sum of their weights, added to the total that the round began with.
    """
    flower.settle()
    from flwr.serverapp.strategy import FedAvg

    class HomomorphicFedAvg(FedAvg):
        """Add ciphertexts, multiply by 1 / weights, add to the encrypted total; `cipher` is the server's key.

        Raises:
            UserError: it got the clients' key, or the total was made with another one.
        """

        def __init__(self, cipher: Cipher, **settings: Any) -> None:
            if cipher.opens:
                raise UserError("server", "got the clients' key, which opens every update", "give it the server's")
            super().__init__(**settings)
            self.cipher = cipher
            self.total: dict[str, bytes] = {}

        def configure_train(self, server_round: int, arrays: Any, config: Any, grid: Any) -> Any:
            self.total = records.sealed(arrays)
            foreign = {name.split(".")[1] for name in self.total} - {self.cipher.key}
            if foreign:
                problem = f"the rounds before were encrypted with key {', '.join(sorted(foreign))}, and this is key "
                raise UserError(
                    "server", problem + self.cipher.key, "go on with that key, or begin anew: `tinyc cache clear`"
                )
            return super().configure_train(server_round, arrays, config, grid)

        def aggregate_train(self, server_round: int, replies: Any) -> tuple[Any, Any]:
            valid, _ = self._check_and_log_replies(replies, is_train=True)
            if not valid:
                return None, None
            contents: list[Any] = [reply.content for reply in valid]
            weight = sum(float(each["metrics"][self.weighted_by_key]) for each in contents)
            answers = [records.sealed(each["arrays"]) for each in contents]
            try:
                self.total = ciphertexts.advance(self.cipher, self.total, answers, weight)
            except (ValueError, RuntimeError, KeyError) as error:
                raise MachineError("aggregation", f"the ciphertexts cannot be added: {error}", "") from error
            return records.packed(self.total), self.train_metrics_aggr_fn(contents, self.weighted_by_key)

    return HomomorphicFedAvg


def complaint(cipher: Cipher) -> Callable[[Any, Arrays, float], str | None]:
    """Make the server's check of an answer: names, number, sizes, key and level of its ciphertexts, all it can see."""

    def found(content: Any, sent: Arrays, max_update: float) -> str | None:
        record = content.array_records.get("arrays")
        if record is None:
            return "it has no arrays"
        try:
            sealed = records.sealed(record)
        except ValueError as error:
            return str(error)
        return ciphertexts.complaint(cipher, sealed, length(sent))

    return found


def sealing(cipher: Cipher, start: Arrays) -> Callable[[Arrays, int], dict[str, bytes]]:
    """Make what seals the weights after so many rounds; the public key is enough."""
    return lambda arrays, rounds: begin(cipher, start, arrays, rounds)


def unsealing(cipher: Cipher, start: Arrays, where: str) -> Callable[[Mapping[str, Any], int], Arrays]:
    """Make what opens the weights after so many rounds, with the clients' key; `where` names its holder in errors."""
    return lambda sealed, rounds: final(cipher, start, sealed, rounds, where)
