"""The recipe keys of what a student imitates inside of its first teacher, before the soft labels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Part = Literal["embedding", "hidden", "attention"]
Attending = Literal["scores", "relations"]
LayerMap = Literal["uniform"] | tuple[Annotated[int, Field(ge=1)], ...]


class Hint(BaseModel, frozen=True, extra="forbid"):
    """A layer of the student that learns to resemble a layer of the first teacher."""

    student: str = Field(description="selector of one layer of the student")
    teacher: str = Field(description="selector of one layer of the teacher")
    weight: float = Field(1.0, gt=0, le=1e6, description="factor of this pair in the loss of the hint stage")
