"""A small recipe on real sentences: a checkpoint of random weights to a transformer under TensorFlow Lite Micro."""

from __future__ import annotations

from pathlib import Path

from support import checkpoints, movies

RECIPE = """
name = "small-text"
description = "a small encoder, real sentences"
seed = 5

[source]
checkpoint = "checkpoint"
train = { epochs = 2, batch = 32, optimizer = "adamw", learning_rate = 3e-3, warmup = 0.1 }

[data]
path = "reviews.jsonl"
text = "text"
label = "label"
prepare = { tokens = 24 }
validation = 40
calibration = 40

[targets]
params_reduction = ">= 20 %"
arena = "<= 64 KiB"
accuracy_drop = "<= 60 pp"

[[pass]]
use = "trim_vocabulary"
size = 250

[[pass]]
use = "distill"
student = { build = "models/bert.py:tiny_bert", width = 16, depth = 1, heads = 2, inner = 24, embedding = 8 }
start = "source"
imitate = ["hidden", "attention"]
imitate_epochs = 1
views = 2
clean = true
augment = ["words"]
epochs = 2
batch = 32

[[pass]]
use = "prune"
how = "channels"
fraction = 0.5
only = ["layer0_inner"]
epochs = 1

[[pass]]
use = "quantize"
how = "qat"
calibrate = "percentile"
epochs = 1

[[pass]]
use = "export"
formats = ["tflite", "c"]

[[pass]]
use = "verify"
"""
CONFIG = {**checkpoints.BERT, "vocab_size": len(movies.pieces()), "hidden_size": 24, "intermediate_size": 32}


def write(folder: Path, recipe: str = RECIPE, count: int = 400) -> Path:
    """Write a checkpoint, reviews.jsonl and small-text.toml into a folder; give the recipe's path."""
    checkpoints.write(folder / "checkpoint", CONFIG)
    movies.write_vocabulary(folder / "checkpoint")
    movies.write_jsonl(folder / "reviews.jsonl", count)
    path = folder / "small-text.toml"
    path.write_text(recipe)
    return path
