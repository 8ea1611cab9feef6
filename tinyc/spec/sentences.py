"""What `[data]` says of text: the columns of a file, and how sentences become tokens; imports no numpy."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from tinyc.spec.data import DataSpec

TABLES = (".csv", ".tsv", ".jsonl")
TOKENS = 64


class Prepare(BaseModel, frozen=True, extra="forbid"):
    """How sentences become what the network takes."""

    tokens: int = Field(
        default=TOKENS,
        ge=4,
        le=512,
        description="tokens of an example, [CLS] and [SEP] among them; what is longer is cut",
    )
    tokenizer: str | None = Field(
        default=None, min_length=1, description="a tokenizer.json or vocab.txt, where the source brings none of its own"
    )


def problem_of(spec: DataSpec, is_text: bool) -> str | None:
    """Say what the keys of text ask for that the data cannot give; None where they fit.

    Args:
        is_text: whether `name` is a dataset of sentences.
    """
    suffix = PurePath(spec.path or "").suffix.lower()
    if suffix in TABLES[1:] and spec.text is None:
        return f'{spec.path} is read as text; say which column holds the sentences: text = "column"'
    if spec.text is not None and suffix not in TABLES:
        given = spec.path or spec.name or "a function"
        return f"text = {spec.text!r} speaks of a column of a .csv, .tsv or .jsonl, and the data is {given}"
    if spec.text is not None and spec.label is None:
        return f'{spec.path} needs the column of the labels, too: label = "column"'
    if spec.split is not None and spec.text is None:
        return f"split = {spec.split!r} speaks of a column beside `text`, which is not given"
    columns = [column for column in (spec.text, spec.label, spec.split) if column is not None]
    doubled = next((column for column in columns if columns.count(column) > 1), None)
    if spec.text is not None and doubled:
        return f"the column {doubled!r} cannot hold two of text, label and split"
    return unsuitable(spec, is_text or spec.text is not None)


def unsuitable(spec: DataSpec, is_text: bool) -> str | None:
    """Find keys of numbers on text, and keys of text on numbers; what a function or an .npz holds is not known yet."""
    if is_text and (spec.scale is not None or spec.offset is not None):
        return "scale and offset are for numbers, and the data is text; leave them out"
    is_known = spec.load is None and PurePath(spec.path or "").suffix.lower() != ".npz"
    if not is_text and is_known and isinstance(spec.prepare, Prepare):
        return f'prepare is for text, and {spec.path or spec.name} is not; for sentences in a file add text = "column"'
    return None
