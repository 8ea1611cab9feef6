"""The steps of `[data] prepare` for images."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Resize(BaseModel, frozen=True, extra="forbid"):
    """Bring images to another height and width."""

    op: Literal["resize"] = "resize"
    height: int = Field(ge=1, le=4096, description="height of an example, in pixels")
    width: int = Field(ge=1, le=4096, description="width of an example, in pixels")
    how: Literal["bilinear", "box"] = Field(
        "bilinear", description="weights of the old pixels under a new one: falling from its centre, or all alike"
    )


class Grayscale(BaseModel, frozen=True, extra="forbid"):
    """Turn colour images into grey ones."""

    op: Literal["grayscale"] = "grayscale"
