"""What the published encoders call their sizes and tensors: one row of `ARCHITECTURES` for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tinyc.core import limits
from tinyc.core.errors import UserError

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Names:
    """An encoder by its config.

    Attributes:
        options: the options of `models/bert.py:bert`.
        tensors: the checkpoint's tensors for each layer of that network, in the order of the layer's weights.
        table: the tensor of the piece vectors.
        types: the tensor of the sentence types, where there is one.
        positions: the most tokens that it can take.
    """

    options: Mapping[str, Any]
    tensors: Mapping[str, tuple[str, ...]]
    table: str
    types: str | None
    positions: int


def names_of(config: Config, where: str) -> Names:
    """Read the sizes off a config, and give the names that go with its architecture.

    Raises:
        UserError: an unknown architecture, a missing or impossible size, or a kind of positions that is not absolute.
    """
    kind = str(config.get("model_type"))
    if kind not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise UserError(where, f"model_type = {kind!r} is not known", f"known: {known} (MiniLM is a bert)")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise UserError(where, "its positions are not absolute", "give a checkpoint with learned absolute positions")
    if config.get("pad_token_id", 0) != 0:
        raise UserError(where, f"pad_token_id = {config['pad_token_id']}", "give a checkpoint whose padding is id 0")
    return ARCHITECTURES[kind](config, where)


def bert(config: Config, where: str) -> Names:
    """BERT (Devlin et al. 2018) and MiniLM (Wang et al. 2020)."""
    options: dict[str, Any] = {
        "vocabulary": size(config, "vocab_size", where),
        "width": size(config, "hidden_size", where),
        "depth": size(config, "num_hidden_layers", where, limits.ENCODER_LAYERS),
        "heads": size(config, "num_attention_heads", where),
        "inner": size(config, "intermediate_size", where),
        "activation": activation(config, "hidden_act", where),
        "epsilon": share(config, "layer_norm_eps", 1e-12, where),
        "dropout": share(config, "hidden_dropout_prob", 0.1, where),
    }
    tensors = embeddings()
    for index in range(options["depth"]):
        layer = f"encoder.layer.{index}"
        for part in ("query", "key", "value"):
            tensors[f"layer{index}_{part}"] = pair(f"{layer}.attention.self.{part}")
        tensors[f"layer{index}_output"] = pair(f"{layer}.attention.output.dense")
        tensors[f"layer{index}_norm"] = pair(f"{layer}.attention.output.LayerNorm")
        tensors[f"layer{index}_inner"] = pair(f"{layer}.intermediate.dense")
        tensors[f"layer{index}_outer"] = pair(f"{layer}.output.dense")
        tensors[f"layer{index}_outer_norm"] = pair(f"{layer}.output.LayerNorm")
    positions = size(config, "max_position_embeddings", where)
    table = "embeddings.word_embeddings.weight"
    return checked(Names(options, tensors, table, "embeddings.token_type_embeddings.weight", positions), where)


def distilbert(config: Config, where: str) -> Names:
    """DistilBERT (Sanh et al. 2019): BERT without sentence types."""
    options: dict[str, Any] = {
        "vocabulary": size(config, "vocab_size", where),
        "width": size(config, "dim", where),
        "depth": size(config, "n_layers", where, limits.ENCODER_LAYERS),
        "heads": size(config, "n_heads", where),
        "inner": size(config, "hidden_dim", where),
        "activation": activation(config, "activation", where),
        "epsilon": 1e-12,
        "dropout": share(config, "dropout", 0.1, where),
    }
    tensors = embeddings()
    parts = {
        "query": "attention.q_lin", "key": "attention.k_lin", "value": "attention.v_lin", "output": "attention.out_lin",
        "norm": "sa_layer_norm", "inner": "ffn.lin1", "outer": "ffn.lin2", "outer_norm": "output_layer_norm",
    }  # fmt: skip
    for index in range(options["depth"]):
        for ours, theirs in parts.items():
            tensors[f"layer{index}_{ours}"] = pair(f"transformer.layer.{index}.{theirs}")
    positions = size(config, "max_position_embeddings", where)
    return checked(Names(options, tensors, "embeddings.word_embeddings.weight", None, positions), where)


def checked(names: Names, where: str) -> Names:
    """Refuse a width that its heads do not share out evenly."""
    width, heads = names.options["width"], names.options["heads"]
    if width % heads:
        raise UserError(where, f"a width of {width} does not go into {heads} heads", "fetch config.json again")
    return names


def embeddings() -> dict[str, tuple[str, ...]]:
    """Return the tensors before the first layer, which both architectures name alike."""
    return {
        "tokens": ("embeddings.word_embeddings.weight",),
        "positions": ("embeddings.position_embeddings.weight",),
        "embedding_norm": pair("embeddings.LayerNorm"),
    }


def pair(name: str) -> tuple[str, str]:
    """Return a kernel and its bias, or a norm's scale and shift."""
    return f"{name}.weight", f"{name}.bias"


def size(config: Config, key: str, where: str, most: int = limits.DIMENSION) -> int:
    """Read a positive whole number of at most `most`."""
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise UserError(where, f"{key} = {value!r} is not a whole number from 1 to {most:,}", "fetch config.json again")
    return value


def share(config: Config, key: str, default: float, where: str) -> float:
    """Read a number from 0 to below 1."""
    value = config.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise UserError(where, f"{key} = {value!r} is not a number from 0 to 1", "fetch config.json again")
    return float(value)


def activation(config: Config, key: str, where: str) -> str:
    """Read the feed-forward activation."""
    value = config.get(key, "gelu")
    if value not in ("gelu", "relu"):
        raise UserError(where, f"{key} = {value!r} is not known", "known: gelu and relu")
    return str(value)


ARCHITECTURES: Mapping[str, Callable[[Config, str], Names]] = {"bert": bert, "distilbert": distilbert}
