"""Sentences for an artifact that takes token ids: the tokenizer that lies beside it, and what a user typed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from tinyc.core import files, limits
from tinyc.core.errors import UserError
from tinyc.data import tokens
from tinyc.data.tokens import Tokenizer
from tinyc.tflite.read.description import Description, Tensor

NAME = "tokenizer.json"
SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".npy", ".png", ".jpg", ".jpeg")


def takes_ids(tensor: Tensor) -> bool:
    """Say whether an input takes token ids: int32 (1, tokens), not quantized."""
    return tensor.dtype == "int32" and len(tensor.shape) == 2 and not tensor.scales


def table_rows(described: Description) -> int:
    """Count the rows of the table that a GATHER reads by the input itself: the ids that exist; 0 where there is none.

    Another GATHER may come first: a padding mask looks up what it made of the ids.
    """
    ids = described.inputs[0].index
    tables = [described.tensors[op.inputs[0]] for op in described.ops if op.name == "GATHER" and op.inputs[1] == ids]
    return min((table.shape[0] for table in tables if table.shape), default=0)


def tokenizer_beside(file: Path, described: Description) -> Tokenizer | None:
    """Open the tokenizer that `export` wrote beside an artifact; None where there is none, or no ids are taken.

    Raises:
        UserError: it is damaged, or has other pieces than the artifact has vectors.
    """
    path = file.parent / NAME
    if not takes_ids(described.inputs[0]) or not path.is_file():
        return None
    found = Tokenizer(tokens.check_definition(decoded(path), str(path)), described.inputs[0].shape[1])
    pieces, rows = len(found.vocabulary), table_rows(described)
    if rows and pieces > rows:
        problem = f"has {pieces} pieces, and the table of the artifact {rows} rows"
        raise UserError(str(path), problem, "name the artifact in the run folder that it was made in")
    return found


def sentences(given: str) -> tuple[list[str], bool]:
    """Read what was typed: a sentence, or the lines of a text file; the second says that it was a file.

    Raises:
        UserError: there is no such file, it is not UTF-8, or a sentence is empty.
    """
    path = Path(given)
    is_file = False
    with suppress(OSError, ValueError):  # a sentence may be longer than a path can be
        is_file = path.is_file()
    if not is_file:
        if path.suffix.lower() in SUFFIXES and len(given.split()) == 1:
            raise UserError(given, "there is no such file", "give a text file, or a sentence")
        return [checked("the sentence", given)], False
    lines = decoded(path).removesuffix("\n").split("\n")
    return [checked(f"{path}:{number}", line) for number, line in enumerate(lines, 1)], True


def checked(where: str, sentence: str) -> str:
    try:
        sentence.encode()
    except UnicodeEncodeError as error:
        raise UserError(where, f"is not UTF-8: {error}", "type it in UTF-8") from error
    if not sentence.strip():
        raise UserError(where, "is empty", "give a sentence, one a line")
    return sentence.strip()


def decoded(path: Path) -> str:
    """Read a text file as UTF-8.

    Raises:
        UserError: a byte is not; names its line.
    """
    content = files.read(path, limits.JSON_BYTES)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}", f"is not UTF-8: {error.reason}", "save it as UTF-8") from error
