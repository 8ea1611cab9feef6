"""Checkpoints of BERT-like encoders: the same hidden states as the reference, or one clear refusal.

`golden/hidden_states.npz` holds what the TensorFlow models of transformers 4.48.3 gave for the checkpoints of
`tests/support/checkpoints.py`: ids (sentences, tokens), and hidden states (embedding and each layer, sentences,
tokens, width).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from support import checkpoints
from support.optional import not_none

from tinyc.core.errors import UserError
from tinyc.data import tokens
from tinyc.data.task import Task
from tinyc.data.tokens import Tokenizer
from tinyc.network import backend, checkpoint
from tinyc.spec import gallery

GOLDEN = Path(__file__).parent / "golden" / "hidden_states.npz"
CONFIGS = {"bert": checkpoints.BERT, "distilbert": checkpoints.DISTILBERT}
LENGTH = 14


def find(path: str) -> Path:
    return gallery.root() / path


def task(folder: Path, length: int = LENGTH) -> Task:
    definition = checkpoint.language(folder).definition
    return Task(("no", "yes"), (length,), tokenizer=Tokenizer(definition, length))


def load(folder: Path, pool: Any = "mean") -> Any:
    return checkpoint.network(folder, task(folder), pool, find)


@pytest.mark.parametrize("kind", CONFIGS)
def test_hidden_states_are_those_of_the_reference(tmp_path: Path, kind: str) -> None:
    folder = checkpoints.write(tmp_path, CONFIGS[kind])
    model = load(folder)
    with np.load(GOLDEN) as golden:
        ids, wanted = golden[f"{kind}_ids"], golden[f"{kind}_hidden"]
    layers = ["embedding_norm", "layer0_outer_norm", "layer1_outer_norm"]
    given = backend.keras().Model(model.input, [model.get_layer(name).output for name in layers])(ids)
    np.testing.assert_array_equal(not_none(task(folder).tokenizer).encode(checkpoints.SENTENCES), ids)
    real = (ids != 0)[..., None]
    for mine, theirs in zip(given, wanted, strict=True):
        assert np.abs((mine.numpy() - theirs) * real).max() <= 1e-4


def test_padding_changes_nothing(tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path)
    for pool in ("mean", "first"):
        short = checkpoint.network(folder, task(folder, 12), pool, find)
        long = checkpoint.network(folder, task(folder, 20), pool, find)
        long.get_layer("logits").set_weights(short.get_layer("logits").get_weights())
        padded = [not_none(task(folder, length).tokenizer).encode(["a funny film"]) for length in (12, 20)]
        # Padding weighs e^-16 of a token.
        np.testing.assert_allclose(short(padded[0]), long(padded[1]), atol=1e-5)


def test_old_names_and_prefixes_are_known(tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path)
    renamed = {
        f"bert.{name}".replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): array
        for name, array in checkpoints.arrays(checkpoints.BERT).items()
    }
    (folder / "model.safetensors").unlink()
    np.savez(folder / "model.npz", **renamed)
    again = load(folder)
    (table,) = again.get_layer("tokens").get_weights()
    np.testing.assert_array_equal(table, checkpoints.arrays(checkpoints.BERT)["embeddings.word_embeddings.weight"])


def test_language_gives_the_vectors_of_the_pieces(tmp_path: Path) -> None:
    found = checkpoint.language(checkpoints.write(tmp_path))
    assert found.vectors is not None
    np.testing.assert_array_equal(
        found.vectors(), checkpoints.arrays(checkpoints.BERT)["embeddings.word_embeddings.weight"]
    )


def test_vocabulary_has_a_piece_a_line_and_lines_end_in_newlines_alone(tmp_path: Path) -> None:
    pieces = [*checkpoints.PIECES[:-1], "\u2028"]
    for ending in ("\n", "\r\n"):
        folder = checkpoints.write(tmp_path / repr(ending))
        (folder / "vocab.txt").write_bytes("".join(piece + ending for piece in pieces).encode())
        assert tokens.vocabulary(checkpoint.language(folder).definition) == tuple(pieces)


def change_config(folder: Path, **changes: Any) -> None:
    (folder / "config.json").write_text(json.dumps({**checkpoints.BERT, **changes}))


def change_array(folder: Path, name: str, value: Any) -> None:
    held = checkpoints.arrays(checkpoints.BERT)
    if value is None:
        del held[name]
    else:
        held[name] = value
    save_file(held, folder / "model.safetensors")


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def set_vocabulary(folder: Path, pieces: list[str]) -> None:
    (folder / "vocab.txt").write_text("\n".join(pieces))


def one_array(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with (folder / "model.npz").open("wb") as file:
        np.save(file, np.zeros(3))


def change_vocabulary(folder: Path, **ids: int) -> None:
    definition = json.loads(tokens.from_vocabulary(checkpoints.PIECES, True, ""))
    definition["model"]["vocab"] |= ids
    (folder / "tokenizer.json").write_text(json.dumps(definition))


KEY = "encoder.layer.1.attention.self.key.weight"
TYPES = "embeddings.token_type_embeddings.weight"
BAD = {
    "architecture": (lambda f: change_config(f, model_type="roberta"), "model_type = 'roberta' is not known"),
    "size": (lambda f: change_config(f, hidden_size="16"), "hidden_size = '16' is not a whole number from 1"),
    "heads": (lambda f: change_config(f, num_attention_heads=3), "a width of 16 does not go into 3 heads"),
    "epsilon": (lambda f: change_config(f, layer_norm_eps="x"), "layer_norm_eps = 'x' is not a number from 0 to 1"),
    "no epsilon": (lambda f: change_config(f, layer_norm_eps=None), "layer_norm_eps = None is not a number"),
    "dropout": (lambda f: change_config(f, hidden_dropout_prob=2), "hidden_dropout_prob = 2 is not a number from 0"),
    "activation": (lambda f: change_config(f, hidden_act="silu"), "hidden_act = 'silu' is not known"),
    "positions": (lambda f: change_config(f, position_embedding_type="relative_key"), "positions are not absolute"),
    "padding": (lambda f: change_config(f, pad_token_id=1), "pad_token_id = 1"),
    "too few positions": (lambda f: change_config(f, max_position_embeddings=8), "has 8 positions, and an example"),
    "no config": (lambda f: (f / "config.json").unlink(), "does not exist"),
    "broken config": (lambda f: (f / "config.json").write_text("{"), "cannot be read"),
    "deep config": (lambda f: (f / "config.json").write_text("[" * 100_000), "cannot be read"),
    "no table": (lambda f: (f / "config.json").write_text("[]"), "holds no table"),
    "pickled": (pickled, "has only pytorch_model.bin, which can run code"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "has no weights"),
    "broken weights": (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 64), "is not a safetensors file"),
    "one array": (one_array, "is not an .npz (a zip of arrays), or is damaged"),
    "no type": (lambda f: change_array(f, TYPES, np.zeros((0, 16), np.float32)), f"tensor '{TYPES}' is (0, 16)"),
    "beyond float32": (lambda f: change_array(f, KEY, np.full((16, 16), 1e300)), "holds no finite floats"),
    "gap between ids": (lambda f: change_vocabulary(f, film=90_000), "its ids are not 0 to"),
    "missing": (lambda f: change_array(f, KEY, None), f"has no tensor '{KEY}'"),
    "misshapen": (lambda f: change_array(f, KEY, np.zeros((16, 8), np.float32)), f"tensor '{KEY}' is (16, 8)"),
    "not a number": (lambda f: change_array(f, KEY, np.full((16, 16), np.nan, np.float32)), "holds no finite floats"),
    "wrong vocabulary": (lambda f: change_config(f, vocab_size=20), "its tokenizer has"),
    "no tokenizer": (lambda f: (f / "vocab.txt").unlink(), "has neither tokenizer.json nor vocab.txt"),
    "no padding": (lambda f: set_vocabulary(f, ["a", *tokens.SPECIAL]), "begins with 'a', not [PAD]"),
    "no unknown": (lambda f: set_vocabulary(f, ["[PAD]", "[CLS]", "[SEP]"]), "has no [UNK]"),
    "doubled": (lambda f: set_vocabulary(f, [*checkpoints.PIECES, "a"]), "has 1 duplicate pieces"),
    "other tokenizer": (lambda f: (f / "tokenizer.json").write_text("{}"), "is not a tokenizer"),
    "bytes": (lambda f: (f / "vocab.txt").write_bytes(b"\xff\xfe"), "vocab.txt: is not UTF-8 text"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_checkpoints_are_refused(tmp_path: Path, case: str) -> None:
    folder = checkpoints.write(tmp_path)
    spoil, message = BAD[case]
    spoil(folder)
    with pytest.raises(UserError) as caught:
        load(folder)
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)
