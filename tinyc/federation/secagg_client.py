"""A client's end of averaging under masks: Flower's SecAgg+ around the training that other messages call, too."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from tinyc.core.errors import UserError
from tinyc.federation import flower, records, strategies
from tinyc.federation.homomorphic import packed
from tinyc.federation.job import Job
from tinyc.federation.secagg import LARGEST_WEIGHT, NAMES, RANGE


def mod(message: Any, context: Any, call_next: Callable[[Any, Any], Any]) -> Any:
    """Take part in the protocol's stages; a message that is none of them goes to `call_next` as it is.

    One of Flower's mods, for `app.train(mods=[mod])`. The stages of a round find the client's keys in
    `context.state`. Values are rounded at random by NumPy's global generator, which is seeded by the update and put
    back, so that the same updates give the same average.
    """
    flower.settle()
    import numpy as np
    from flwr.client.mod import secaggplus_mod
    from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS

    if RECORD_KEY_CONFIGS not in message.content.config_records:
        return call_next(message, context)
    message.content = _copied(message.content)
    state = np.random.get_state()
    try:
        return secaggplus_mod(message, context, lambda inner, place: _trained(inner, place, call_next))
    finally:
        np.random.set_state(state)


def _trained(message: Any, context: Any, call_next: Callable[[Any, Any], Any]) -> Any:
    """Train, and give the update as Flower's older interface has it.

    Raises:
        UserError: the update is not finite, or larger than the protocol's range: clipping it would be silent.
    """
    import numpy as np
    from flwr.app import ConfigRecord, RecordDict
    from flwr.common import Code, FitRes, Status, ndarrays_to_parameters
    from flwr.compat.common import recorddict_compat as compat

    instructions = compat.recorddict_to_fitins(message.content, True)
    config: dict[str, Any] = dict(instructions.config)
    largest, names = float(config.pop(LARGEST_WEIGHT)), str(config.pop(NAMES)).split("\n")
    arrays = _arrays(names, instructions.parameters)
    message.content = RecordDict({"arrays": records.packed(arrays), "config": ConfigRecord(config)})
    reply = call_next(message, context)
    if reply.has_error():
        raise UserError("secagg", f"the client failed: {reply.error.reason}", "")
    metrics = dict(reply.content["metrics"])
    update = packed(records.unpacked(reply.content["arrays"])) - packed(arrays)
    weight = strategies.weight(Job.from_bytes(config["job"]).options, int(metrics["num-examples"]))
    _refuse(update, weight, largest)
    np.random.seed(int.from_bytes(hashlib.sha256(update.tobytes()).digest()[:4], "big"))
    result = FitRes(Status(Code.OK, "trained"), ndarrays_to_parameters([update]), int(weight), metrics)
    reply.content = compat.fitres_to_recorddict(result, True)
    return reply


def _copied(content: Any) -> Any:
    """Copy a message's tables: Flower's mod empties them, and in one process all clients share the server's."""
    from flwr.app import ConfigRecord, RecordDict

    tables = {name: ConfigRecord(dict(record)) for name, record in content.config_records.items()}
    return RecordDict({**content, **tables})


def _arrays(names: list[str], parameters: Any) -> dict[str, Any]:
    from flwr.common import parameters_to_ndarrays

    return dict(zip(names, parameters_to_ndarrays(parameters), strict=True))


def _refuse(update: Any, weight: float, largest: float) -> None:
    import numpy as np

    if not np.all(np.isfinite(update)):
        raise UserError("secagg", "the update has values that are not finite", "lower the learning rate")
    if weight > largest:
        raise UserError("secagg", f"a weight of {weight:g}, and the server expects {largest:g} at most", "")
    most = float(np.max(np.abs(update), initial=0.0)) * weight / largest
    if most > RANGE:
        raise UserError("secagg", f"an update of {most:g}, and masks hold {RANGE:g}", "lower the learning rate")
