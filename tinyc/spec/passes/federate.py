"""The pass `federate`: fine-tune the network across clients whose examples stay where they are."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from tinyc.spec.answers import FEWEST_MASKED, SEALED, drawn_clients, needed
from tinyc.spec.contract import Kind
from tinyc.spec.federation import FederationOptions

OWNERS = (
    ("column", "partition", ("column",)),
    ("alpha", "partition", ("dirichlet",)),
    ("proximal", "strategy", ("fedprox",)),
    ("server_learning_rate", "strategy", ("fedadam",)),
    ("trim", "aggregation", ("trimmed_mean",)),
    ("malicious", "aggregation", ("krum",)),
)
"""Keys that are read with some values of another key alone."""
ROBUST = ("trimmed_mean", "krum")


class Federate(FederationOptions, frozen=True, extra="forbid"):
    """Train the network on across clients: each trains on its own examples, and what they learnt is averaged.

    Trainable float weights travel, and nothing else. Zeros of earlier pruning and the tables of `cluster` are kept.
    Batch normalization runs with the statistics that came, which the network keeps; with batchnorm = "local" every
    client has its own (FedBN), so that no one network comes out that could be exported. With fake_quantize = true
    clients train under int8 rounding, within ranges from the calibration examples, and a following `quantize` with
    how = "qat" and epochs = 0 takes those ranges.

    Clients are made of the training examples, by a column such as the subject, evenly or by Dirichlet; or they are
    real terminals: `tinyc federate serve RECIPE`. A round in which fewer than `min_clients` give a usable answer
    fails. A server that is killed goes on after its last finished round.
    """

    takes: ClassVar[Kind] = "net"
    gives: ClassVar[Kind] = "net"

    use: Literal["federate"] = "federate"

    @model_validator(mode="after")
    def keys_are_read(self) -> Self:
        """Refuse keys that would not be read, and clients that nobody counts."""
        for key, owner, wanted in OWNERS:
            if getattr(self, key) != type(self).model_fields[key].default and getattr(self, owner) not in wanted:
                raise ValueError(f'`{key}` belongs to {owner} = "{wanted[0]}"; here it is "{getattr(self, owner)}"')
        if self.address is not None and self.engine != "simulation":
            raise ValueError(f'`address` belongs to engine = "simulation"; here it is "{self.engine}"')
        if self.engine == "deployment":
            return self
        if self.partition == "column":
            if self.column is None:
                raise ValueError('partition = "column" needs a `column`, e.g. column = "subject"')
            if self.clients is not None:
                raise ValueError(
                    'the values of the column are the clients; remove `clients`, or take partition = "iid"'
                )
        elif self.clients is None:
            raise ValueError(f'partition = "{self.partition}" needs the number of `clients`, e.g. clients = 10')
        return self

    @model_validator(mode="after")
    def enough_clients(self) -> Self:
        """Refuse rounds that can never have the answers that they need."""
        if self.clients is None:
            return self
        if self.min_clients > self.clients:
            raise ValueError(f"min_clients = {self.min_clients} of {self.clients} clients can never answer")
        least = needed(self)
        if least > self.clients:
            why = {
                "krum": f"needs 2 * malicious + 3 = {least} answers a round",
                "trimmed_mean": f"needs {least} answers a round, or trim = {self.trim:g} leaves none out",
            }[self.aggregation]
            raise ValueError(f'aggregation = "{self.aggregation}" {why}, and there are {self.clients} clients')
        return self

    @model_validator(mode="after")
    def aggregation_goes(self) -> Self:
        """Refuse what a server cannot do with updates that it does not see."""
        if self.strategy == "fedadam" and self.aggregation == "homomorphic":
            raise ValueError(
                'strategy = "fedadam" divides by a root of the average, which no one can do to ciphertexts; '
                'take strategy = "fedavg", or aggregation = "secagg"'
            )
        if self.aggregation == "secagg" and self.engine == "deployment":
            raise ValueError(
                'aggregation = "secagg" works in simulation alone, where Flower has it; among real terminals take '
                'aggregation = "homomorphic"'
            )
        too_few = self.clients is not None and drawn_clients(self, self.clients) < FEWEST_MASKED
        if self.aggregation == "secagg" and too_few:
            raise ValueError(
                'aggregation = "secagg" needs 3 clients a round: of a sum of two, each knows the other\'s update; '
                "raise `fraction` or `clients`"
            )
        if self.batchnorm == "local" and self.fake_quantize:
            raise ValueError(
                'fake_quantize = true trains for an artifact, and batchnorm = "local" cannot be exported; take '
                'batchnorm = "frozen"'
            )
        return self

    @model_validator(mode="after")
    def privacy_holds(self) -> Self:
        """Refuse combinations in which the promise of privacy would not be kept."""
        if self.privacy is None:
            return self
        return self.clients_stay_private() if self.privacy.level == "client" else self.examples_stay_private()

    def clients_stay_private(self) -> Self:
        privacy = self.privacy
        if privacy is None:
            return self
        if self.aggregation in SEALED and privacy.where == "server":
            raise ValueError(
                f'the server cannot clip what it does not see under aggregation = "{self.aggregation}"; let clients '
                'clip and add the noise: privacy = { where = "client", ... }'
            )
        if self.aggregation in ROBUST:
            raise ValueError(
                f'noise is accounted for in an average, and aggregation = "{self.aggregation}" is none; take "plain"'
            )
        if self.clients is not None and privacy.delta >= 1 / self.clients:
            raise ValueError(
                f"delta = {privacy.delta:g} lets one of {self.clients} clients be told whole; stay below 1 / clients"
            )
        return self

    def examples_stay_private(self) -> Self:
        if self.batchnorm == "local":
            raise ValueError(
                'batchnorm = "local" computes statistics over a batch, so that no example\'s gradient stands alone; '
                'take batchnorm = "frozen"'
            )
        if self.strategy == "fedprox":
            raise ValueError(
                'the pull of strategy = "fedprox" would be clipped with each example\'s gradient; take "fedavg"'
            )
        if self.augment:
            raise ValueError('`augment` is not used where privacy has level = "example"; remove it')
        return self
