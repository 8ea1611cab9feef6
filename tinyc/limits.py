"""What an input may ask of this machine, in one table. Beyond a limit it is refused, with its size and the limit.

Each is far above what the largest real input of its kind needs, and low enough that no input fills the memory.
"""

from __future__ import annotations

# What a message quotes of an input, in characters: what is longer is cut in its middle.
QUOTED_CHARACTERS = 2000

# A recipe in TOML.
RECIPE_BYTES = 1 << 20

# Nested tables, arrays and dotted keys of TOML and JSON.
NESTING = 64

# All strings of a recipe after its variables have been put in.
SUBSTITUTED_BYTES = 4 << 20

# JSON that tinyc wrote, or that stands beside a network: step.json, report.json, config.json, tokenizer.json.
JSON_BYTES = 64 << 20

# Python source of a user: builders, loaders, signal steps.
SOURCE_BYTES = 4 << 20

# A data file, and the arrays that it becomes. Larger data is read by a function of the user's (`load`).
DATA_BYTES = 16 << 30

# Members of an .npz or of a .keras file.
ARCHIVE_MEMBERS = 1000

# Columns of a .csv, .tsv or .jsonl.
COLUMNS = 10_000

# A .tflite or a network's weights.
NETWORK_BYTES = 4 << 30
