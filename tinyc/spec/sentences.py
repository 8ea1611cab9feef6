"""What `[data]` says of text: the columns of a file, and how sentences become tokens."""

from __future__ import annotations

from pydantic import BaseModel, Field

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
