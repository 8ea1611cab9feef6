"""Hugging Face checkpoints of BERT-like encoders: plain arrays by name into the network of `models/bert.py`.

Read are config.json, *.safetensors (or model.npz with the same names), and tokenizer.json or vocab.txt. Nothing in
them is run: weights that are pickles are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinyc.core import files, limits
from tinyc.core.errors import MachineError, UserError
from tinyc.data import tokens
from tinyc.data.task import Task
from tinyc.data.tokens import Language
from tinyc.network.arrays import read_npz
from tinyc.network.gate import bounded
from tinyc.network.names import Names, names_of
from tinyc.spec.builders import Builder, Find

BUILDER = "models/bert.py:bert"
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt", "tf_model.h5")
Pool = Literal["mean", "first"]
Arrays = Mapping[str, "NDArray[np.float32]"]


def network(folder: Path, task: Task, pool: Pool, find: Find) -> Any:
    """Build the encoder that a checkpoint describes, with a fresh head for the task, and give it the weights.

    Args:
        folder: holds config.json and the weights.
        pool: how one vector is made of a sentence: the mean of its tokens, or the first token.

    Raises:
        UserError: another architecture, a missing or misshapen tensor, more tokens than the checkpoint has positions.
    """
    config = read_config(folder)
    names = names_of(config, str(folder / "config.json"))
    tokens_taken = task.input_shape[0]
    if tokens_taken > names.positions:
        problem = f"has {names.positions} positions, and an example has {tokens_taken} tokens"
        raise UserError(str(folder), problem, f"set prepare.tokens to {names.positions} or less")
    arrays = read_arrays(folder)
    for name in (name for tensors in names.tensors.values() for name in tensors):
        held(arrays, name, str(folder))
    builder = Builder.model_validate({"build": BUILDER, **names.options, "pool": pool})
    with bounded.weights(sum(each.size for each in arrays.values()), str(folder)):
        model = builder.call(find, tuple(task.input_shape), len(task.classes))
    fill(model, names, arrays, str(folder))
    return model


def language(folder: Path) -> Language:
    """Give a checkpoint's tokenizer, and a reader of the vectors of its pieces.

    Raises:
        UserError: there is no WordPiece tokenizer, or its size is not that of the config.
    """
    config = read_config(folder)
    definition = read_tokenizer(folder)
    pieces, rows = len(tokens.vocabulary(definition)), config.get("vocab_size")
    if not isinstance(rows, int) or pieces > rows:
        problem = f"its tokenizer has {pieces} pieces and config.json says vocab_size = {rows}"
        raise UserError(str(folder), problem, "take both from the same checkpoint")
    names = names_of(config, str(folder / "config.json"))

    def vectors() -> NDArray[np.float32]:
        table: NDArray[np.float32] = array(
            read_arrays(folder), names.table, (rows, names.options["width"]), str(folder)
        )
        return table[:pieces]

    return Language(definition, vectors)


def fingerprinted(folder: Path) -> list[Path]:
    """Return the files that decide what the source is, for its key."""
    kept = ["config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "model.npz"]
    return [path for name in kept if (path := folder / name).is_file()] + sorted(folder.glob("*.safetensors"))


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json."""
    return read_json(folder / "config.json", "give a folder as Hugging Face's save_pretrained writes it")


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    if not path.exists():
        raise UserError(str(path), "does not exist", remedy)
    try:
        table = json.loads(files.read_text(path, limits.JSON_BYTES))
    except (ValueError, RecursionError) as error:
        raise UserError(str(path), f"cannot be read: {error}", remedy) from error
    if not isinstance(table, dict):
        raise UserError(str(path), "holds no table", remedy)
    return table


def read_tokenizer(folder: Path) -> str:
    """Read tokenizer.json, or make it of vocab.txt."""
    whole, pieces = folder / "tokenizer.json", folder / "vocab.txt"
    if whole.is_file():
        return tokens.check_definition(files.read_text(whole, limits.JSON_BYTES), str(whole))
    if pieces.is_file():
        lines = tokens.vocabulary_lines(files.read_text(pieces, limits.JSON_BYTES))
        return tokens.from_vocabulary(lines, is_lowercase(folder), str(pieces))
    raise UserError(str(folder), "has neither tokenizer.json nor vocab.txt", "add one of them from the checkpoint")


def is_lowercase(folder: Path) -> bool:
    """Say what tokenizer_config.json says of case; BERT's own default is lower."""
    path = folder / "tokenizer_config.json"
    return bool(read_json(path, "fetch it again").get("do_lower_case", True)) if path.is_file() else True


def read_arrays(folder: Path) -> dict[str, Any]:
    """Read every array of a checkpoint by name.

    Raises:
        UserError: there are none in safetensors or .npz, or a file is damaged.
        MachineError: the package safetensors is missing.
    """
    stored = sorted(folder.glob("*.safetensors"))
    if not stored and not (folder / "model.npz").is_file():
        pickled = [path.name for pattern in PICKLES for path in folder.glob(pattern)]
        found = f"has only {pickled[0]}, which can run code when it is opened" if pickled else "has no weights"
        raise UserError(str(folder), found, "give model.safetensors (save_pretrained writes it), or a model.npz")
    arrays: dict[str, Any] = {}
    for path in stored or [folder / "model.npz"]:
        files.size(path, limits.NETWORK_BYTES)
        arrays |= read_safetensors(path) if path.suffix == ".safetensors" else read_npz(path, str(path))
    return arrays


def read_safetensors(path: Path) -> dict[str, Any]:
    try:
        from safetensors import SafetensorError  # of the extra text
        from safetensors.numpy import load_file  # of the extra text
    except ImportError as error:
        remedy = 'install it: pip install "tinyc[text]"'
        raise MachineError(str(path), "needs the package safetensors, which is not installed", remedy) from error
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        remedy = "fetch it again; bfloat16 weights must be saved as float32"
        raise UserError(str(path), f"is not a safetensors file, or is damaged: {error}", remedy) from error


def fill(model: Any, names: Names, arrays: Arrays, where: str) -> None:
    """Set the weights of every layer but the head.

    Raises:
        UserError: a tensor is missing or has another shape; names it.
    """
    for layer, tensors in layers_of(model, names):
        values = [
            oriented(arrays, name, tuple(weight.shape), where)
            for name, weight in zip(tensors, layer.weights, strict=True)
        ]
        layer.set_weights(values)
    if names.types:
        # Sentences are of type 0 throughout, so that its vector is one with the position's.
        layer = model.get_layer("positions")
        (positions,) = layer.get_weights()
        layer.set_weights([positions + array(arrays, names.types, (None, positions.shape[1]), where)[0]])


def layers_of(model: Any, names: Names) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Pair each layer that has weights in the checkpoint with the names of its tensors."""
    for name, tensors in names.tensors.items():
        yield model.get_layer(name), tensors


def oriented(arrays: Arrays, name: str, shape: tuple[int, ...], where: str) -> Any:
    """Give a tensor in Keras' orientation: kernels transposed, positions cut to the network's length."""
    if name.endswith("position_embeddings.weight"):
        return array(arrays, name, (None, shape[1]), where)[: shape[0]]
    if len(shape) == 2 and not name.endswith("word_embeddings.weight"):
        return array(arrays, name, shape[::-1], where).T
    return array(arrays, name, shape, where)


def array(arrays: Arrays, name: str, shape: tuple[int | None, ...], where: str) -> Any:
    """Give one tensor as float32; None stands for any length.

    Raises:
        UserError: it is missing, has another shape, or holds no finite numbers.
    """
    found = held(arrays, name, where)
    if len(found.shape) != len(shape) or any(
        not got or want not in (None, got) for want, got in zip(shape, found.shape, strict=True)
    ):
        wanted = tuple("any" if side is None else side for side in shape)
        raise UserError(
            where,
            f"tensor {name!r} is {tuple(found.shape)}, and config.json asks for {wanted}",
            "take both from one checkpoint",
        )
    with np.errstate(over="ignore"):
        floats = found.astype(np.float32) if found.dtype.kind == "f" else None
    if floats is None or not np.isfinite(floats).all():
        raise UserError(where, f"tensor {name!r} holds no finite floats", "fetch the checkpoint again")
    return floats


def held(arrays: Arrays, name: str, where: str) -> Any:
    """Find one tensor under any of its names.

    Raises:
        UserError: it is missing.
    """
    # Old checkpoints call the scale and shift of a norm gamma and beta, and a model with a head prefixes all names.
    aliases = [name, name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta")]
    ends = [f"{prefix}{alias}" for alias in aliases for prefix in ("", "bert.", "distilbert.")]
    found = next((arrays[end] for end in ends if end in arrays), None)
    if found is None:
        raise UserError(where, f"has no tensor {name!r}", "give a checkpoint whose config.json fits its weights")
    return found
