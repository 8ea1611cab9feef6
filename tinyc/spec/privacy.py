"""The recipe keys of differential privacy, one table in every pass that trains with it."""

from __future__ import annotations

from typing import Literal, NotRequired, Self, TypedDict

from pydantic import BaseModel, Field, model_validator

from tinyc.core.units import Fraction


class Privacy(BaseModel, frozen=True, extra="forbid"):
    """How much a training may tell of one client, or of one example."""

    level: Literal["client", "example"] = Field(
        "client", description="what is protected: all of a client's data, or a single example"
    )
    clip: float = Field(gt=0, le=1e6, description="L2 norm to which each update, or each example's gradient, is cut")
    noise: float | None = Field(
        None,
        gt=0,
        le=1e4,
        description="standard deviation of the noise, in units of `clip`; chosen for `epsilon` if absent",
    )
    epsilon: float | None = Field(
        None,
        gt=0,
        le=1e4,
        description="the budget: the noise is chosen to meet it, or with `noise`, training stops at it",
    )
    delta: float = Field(
        gt=0, lt=1, description="probability with which epsilon may fail; below 1 / clients or examples"
    )
    where: Literal["server", "client"] = Field("server", description="level client: who clips the updates")

    @model_validator(mode="after")
    def says_how_much(self) -> Self:
        if self.noise is None and self.epsilon is None:
            raise ValueError("privacy needs `noise`, or an `epsilon` to choose it for")
        if self.level == "example" and self.where != "server":
            raise ValueError('`where` belongs to level = "client"; examples are clipped where they are trained on')
        return self


Promised = TypedDict("Promised", {
    "level": Literal["client", "example"], "clip": float, "noise": float | None, "epsilon": float | None,
    "delta": float, "where": NotRequired[str], "budget": float | None, "epsilon_by_epoch": NotRequired[list[float]],
    "steps": NotRequired[int], "stopped": NotRequired[str | None], "sampling": NotRequired[str],
    "sampling_probability": NotRequired[Fraction], "expected_batch": NotRequired[float],
    "switched_off": NotRequired[list[str]], "clients": NotRequired[int], "drawn": NotRequired[int],
    "rounds_allowed": NotRequired[int], "client_epsilon": NotRequired[dict[str, float | None]],
    "client_noise": NotRequired[dict[str, float | None]], "conditions": list[str],
})  # fmt: skip
"""What a private training promised: `epsilon` as it was spent, the noise that was added, and the conditions."""
