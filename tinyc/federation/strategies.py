"""How answers become one network: Flower's strategies, with what they need to be named, counted and resumed.

A strategy may say more of itself than Flower asks for:
    complaint(content, sent, max_update) -> str | None    why an answer cannot be used; `replies.complaint` by default
    remembered: tuple[str, ...]                           attributes that a resumed training needs; arrays by name
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinyc.federation import flower

if TYPE_CHECKING:
    from tinyc.spec.federation import FederationOptions

WEIGHT = "weight"
"""The metric by which answers are weighted; the server writes it, whatever clients say."""


def strategy(options: FederationOptions, base: type | None = None, **arguments: Any) -> Any:
    """Make Flower's strategy for the options.

    `base` is a subclass of FedAvg that puts answers together in its own way (adds ciphertexts, adds noise); it is given
    `arguments`. FedAdam's step is taken on what `base` gives.

    Clients are drawn by `meeting.drawn`, so the strategy takes all that it is shown.
    Sources: McMahan 2017 (FedAvg), Li 2020 (FedProx), Reddi 2021 (FedAdam), Yin 2018 (trimmed mean), Blanchard 2017
    (Krum).
    """
    flower.settle()
    from flwr.serverapp import strategy as flowers

    shown: dict[str, Any] = {"min_train_nodes": 1, "min_available_nodes": 1, "weighted_by_key": WEIGHT}
    if base is None and options.aggregation == "trimmed_mean":
        base, arguments = flowers.FedTrimmedAvg, {"beta": options.trim}
    elif base is None and options.aggregation == "krum":
        base, arguments = flowers.Krum, {"num_malicious_nodes": options.malicious}
    if options.strategy == "fedadam":
        return adam(options, base or flowers.FedAvg, shown, arguments)
    if base is None and options.strategy == "fedprox":
        return flowers.FedProx(**shown, proximal_mu=options.proximal)
    return (base or flowers.FedAvg)(**shown, **arguments)


def adam(options: FederationOptions, base: Any, shown: dict[str, Any], arguments: dict[str, Any]) -> Any:
    """Make a FedAdam that takes its step on what `base` puts together.

    Python's order of base classes does it: FedAdam calls the next class's `aggregate_train`, which is `base`'s.
    """
    from flwr.serverapp.strategy import FedAdam

    made: Any = type("FedAdam", (FedAdam, base), {"remembered": ("m_t", "v_t", *getattr(base, "remembered", ()))})
    result = made(**shown, eta=options.server_learning_rate)
    for name, value in vars(base(**shown, **arguments)).items():
        if name not in ("m_t", "v_t", "current_arrays") and name not in vars(FedAdam(**shown)):
            setattr(result, name, value)
    return result


def equal_weights(options: FederationOptions) -> bool:
    """Tell whether every client weighs the same: client-level privacy is accounted for on that ground."""
    return options.privacy is not None and options.privacy.level == "client"


def weight(options: FederationOptions, examples: int) -> float:
    """Give what a client's answer weighs in the average."""
    return 1.0 if equal_weights(options) else float(examples)
