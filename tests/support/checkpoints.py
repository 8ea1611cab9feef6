"""Small checkpoints of random weights, as Hugging Face's libraries write them, for tests that need one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

WORDS = (
    "a", "an", "the", "film", "movie", "story", "of", "and", "is", "it", "in", "to", "that", "with", "this", "but",
    "not", "funny", "dull", "good", "bad", "best", "worst", "never", "more", "very", "love", "moving", "boring",
    "clever", "too",
)  # fmt: skip
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz0123456789")
PIECES = (
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "'", "!", "?", "-",
    *LETTERS, *(f"##{letter}" for letter in LETTERS), *(word for word in WORDS if word not in LETTERS),
)  # fmt: skip
BERT: dict[str, Any] = {
    "architectures": ["BertModel"], "model_type": "bert", "vocab_size": len(PIECES), "hidden_size": 16,
    "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24, "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 32,
    "type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0,
}  # fmt: skip
DISTILBERT: dict[str, Any] = {
    "architectures": ["DistilBertModel"], "model_type": "distilbert", "vocab_size": len(PIECES), "dim": 16,
    "n_layers": 2, "n_heads": 4, "hidden_dim": 24, "activation": "gelu", "dropout": 0.1, "attention_dropout": 0.1,
    "max_position_embeddings": 32, "pad_token_id": 0, "sinusoidal_pos_embds": False,
}  # fmt: skip
SENTENCES = ("A very funny film, and never dull!", "boring")


def write(folder: Path, config: dict[str, Any] = BERT) -> Path:
    """Write config.json, model.safetensors and vocab.txt into a folder, and give the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    save_file(arrays(config), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def arrays(config: dict[str, Any], seed: int = 3) -> dict[str, NDArray[np.float32]]:
    """Random tensors with the names and shapes of a published checkpoint; norms near 1, the rest small."""
    random = np.random.default_rng(seed)
    made = {}
    for name, shape in (bert_shapes if config["model_type"] == "bert" else distilbert_shapes)(config).items():
        centre = 1.0 if "orm.weight" in name else 0.0
        made[name] = (centre + 0.3 * random.standard_normal(shape)).astype(np.float32)
    return made


def bert_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes = embedding_shapes(config["vocab_size"], config["max_position_embeddings"], width)
    shapes["embeddings.token_type_embeddings.weight"] = (config["type_vocab_size"], width)
    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}"
        for part in ("query", "key", "value"):
            shapes |= linear(f"{layer}.attention.self.{part}", width, width)
        shapes |= linear(f"{layer}.attention.output.dense", width, width) | norm(
            f"{layer}.attention.output.LayerNorm", width
        )
        shapes |= linear(f"{layer}.intermediate.dense", width, inner) | linear(f"{layer}.output.dense", inner, width)
        shapes |= norm(f"{layer}.output.LayerNorm", width)
    return shapes | linear("pooler.dense", width, width)


def distilbert_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    width, inner = config["dim"], config["hidden_dim"]
    shapes = embedding_shapes(config["vocab_size"], config["max_position_embeddings"], width)
    for index in range(config["n_layers"]):
        layer = f"transformer.layer.{index}"
        for part in ("q_lin", "k_lin", "v_lin", "out_lin"):
            shapes |= linear(f"{layer}.attention.{part}", width, width)
        shapes |= linear(f"{layer}.ffn.lin1", width, inner) | linear(f"{layer}.ffn.lin2", inner, width)
        shapes |= norm(f"{layer}.sa_layer_norm", width) | norm(f"{layer}.output_layer_norm", width)
    return shapes


def embedding_shapes(pieces: int, positions: int, width: int) -> dict[str, tuple[int, ...]]:
    tables = {"word_embeddings": pieces, "position_embeddings": positions}
    shapes: dict[str, tuple[int, ...]] = {f"embeddings.{name}.weight": (rows, width) for name, rows in tables.items()}
    return shapes | norm("embeddings.LayerNorm", width)


def linear(name: str, taken: int, given: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (given, taken), f"{name}.bias": (given,)}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}
