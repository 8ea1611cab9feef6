"""What an input may ask of this machine, in one table. Beyond a limit it is refused, with its size and the limit.

Each is far above what the largest real input of its kind needs, and low enough that no input fills the memory.
"""

from __future__ import annotations

# What a message quotes of an input, in characters: what is longer is cut in its middle.
QUOTED_CHARACTERS = 2000

# A word that a message offers another for, and each that it may be: longer ones are compared with nothing.
WORD_CHARACTERS = 200

# A recipe in TOML.
RECIPE_BYTES = 1 << 20

# Recipes that extend one another, in a row.
EXTENDS = 16

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

# What any zip or HDF5 file may unpack to: so many times its own bytes, and so many more.
UNPACKED_RATIO = 8
UNPACKED_SPARE_BYTES = 16 << 20

# Columns of a .csv, .tsv or .jsonl.
COLUMNS = 10_000

# The list of an .npz's members, and the header of one array: NumPy writes some 100 bytes for each.
ARCHIVE_LIST_BYTES = 1 << 20
ARRAY_HEADER_BYTES = 10_000

# What the arrays of an .npz may unpack to: so many times its own bytes, and so many more.
ARCHIVE_RATIO = 200
ARCHIVE_SPARE_BYTES = 64 << 20

# Characters of a row of these files, with all lines that its quotation marks span; of one cell, or of one text of an
# array; and of the value of a group, such as a subject or a recording.
ROW_CHARACTERS = 4 << 20
CELL_CHARACTERS = 128 << 10
GROUP_CHARACTERS = 1000

# An example or sentences that `predict` is given.
EXAMPLE_BYTES = 256 << 20

# An image, in pixels, and its file.
PIXELS = 64 << 20
IMAGE_BYTES = 256 << 20

# Scans of a progressive JPEG, each of which goes over the whole image; cameras and programs write some ten.
IMAGE_SCANS = 100

# A file of Fashion-MNIST, unpacked.
IDX_BYTES = 64 << 20

# Numbers in one example of signals.
EXAMPLE_VALUES = 1 << 26

# Classes of a task.
CLASSES = 100_000

# A .tflite or a network's weights.
NETWORK_BYTES = 4 << 30

# A file of a federation's keys: in PEM, and for encryption.
KEY_BYTES = 64 << 10
SEALING_KEY_BYTES = 64 << 20

# What a server sends its terminals to train: the job with its network, and the network alone.
JOB_BYTES = 1 << 31
JOB_NETWORK_BYTES = 256 << 20

# Connections to a federation's server of which no request was signed by a registered terminal: in total, and of one
# address (of IPv6, one /64). A newcomer takes the place of the oldest.
STRANGERS = 128
STRANGERS_OF_AN_ADDRESS = 32

# Connections of one registered terminal; a new one takes the place of its oldest.
TERMINAL_CONNECTIONS = 16

# How long a connection to that server may take, in seconds: for the TLS handshake, for the head of a request, between
# two pieces of a body, without a request, and to hang up after a refusal.
HANDSHAKE_SECONDS = 10.0
HEAD_SECONDS = 10.0
STALLED_SECONDS = 30.0
IDLE_SECONDS = 60.0
LEAVING_SECONDS = 2.0

# What a body, or the reading of an answer, must average from STALLED_SECONDS on, in bytes a second.
LEAST_RATE = 1024

# The head of a request to that server: bytes and fields.
HEAD_BYTES = 16 << 10
HEAD_FIELDS = 64

# A request's body, which is read once its signature has been checked (Flower cuts arrays into pieces of at most
# 20 MiB), and the bodies of one terminal that are under way together.
REQUEST_BYTES = 32 << 20
TERMINAL_BYTES = 128 << 20

# Links and attributes of an HDF5 file, and the bytes that it has beside its arrays.
HDF5_NAMES = 200_000
HDF5_BESIDE_BYTES = 256 << 20

# Layers of a saved network, those of networks within it among them; their calls; and the tensors that the calls read.
LAYERS = 10_000

# Layers of an encoder in a checkpoint; each becomes a dozen of Keras'.
ENCODER_LAYERS = 1000

# Files of a SavedModel's variables, and objects of which its metadata speaks.
VARIABLE_FILES = 1000
SAVED_OBJECTS = 100_000

# One size in a saved network's configuration: units, filters, a side of a kernel, a dimension of a shape.
DIMENSION = 1 << 24

# What a layer gives for one example, and what it multiplies for it.
ACTIVATION_VALUES = 1 << 26
LAYER_PRODUCTS = 1 << 38

# Weights that a network may have beyond those in its file: states of random layers.
SPARE_WEIGHTS = 1 << 20

# Memory of one interpreter's process, what it may give for one request, and all outputs of a run.
WORKER_BYTES = 8 << 30
REPLY_BYTES = 1 << 30
OUTPUTS_BYTES = 4 << 30

# Random inputs that are drawn for an artifact.
RANDOM_BYTES = 1 << 30

# How long one example may take on the slowest computer, and all of a request, in seconds.
EXAMPLE_SECONDS = 600.0
REQUEST_SECONDS = 60.0

# A measurement of `bench.py`, and the numbers of threads in it.
MEASUREMENT_BYTES = 1 << 20
THREADS = 256
