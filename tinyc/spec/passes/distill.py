"""Distillation: a small network learns what the source says of each image, not only the label."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, NotRequired, TypedDict

from pydantic import Field, field_validator, model_validator

from tinyc.core import units
from tinyc.core.units import Bytes, Fraction
from tinyc.spec.builders import Builder
from tinyc.spec.contract import Kind, Pass
from tinyc.spec.effects import Effects, Made
from tinyc.spec.imitation import Attending, Hint, LayerMap, Part
from tinyc.spec.privacy import Privacy
from tinyc.spec.training import Epochs, LearningRate, Trained, TrainingKeys, Warmup

Start = TypedDict("Start", {
    "layers": list[int], "width": list[int], "vocabulary": list[int], "stream_energy": Fraction,
    "embedding_energy": Fraction, "heads": list[list[int]], "inner": list[int], "head_layers": list[str],
})  # fmt: skip
"""What a student's weights were sliced from; widths and sizes of the source, then of the student."""
Features = TypedDict("Features", {
    "from": str, "bytes": Bytes, "store_limit": Bytes, "arrays": NotRequired[int], "arrays_reused": NotRequired[int],
})  # fmt: skip
Imitated = TypedDict("Imitated", {
    "parts": list[Part], "layers": list[int], "features": NotRequired[Features], "epochs": NotRequired[int],
    "loss": NotRequired[list[float]], "distances": NotRequired[dict[str, list[float]]],
})  # fmt: skip
"""The imitation of a teacher's insides; `distances` before and after by goal."""
Hinted = TypedDict("Hinted", {"layers": list[dict[str, str]], "epochs": int, "loss": list[float]})
Begun = TypedDict("Begun", {
    "student": str, "student_options": dict[str, Any], "start": NotRequired[Start], "imitate": NotRequired[Imitated],
    "hints": NotRequired[Hinted],
})  # fmt: skip
"""The student, and what it began its training with."""


class DistillFacts(Begun, Trained):
    """What a distillation found out."""


class Distill(TrainingKeys, Pass, frozen=True, extra="forbid"):
    """Train a smaller network, the student, to imitate the source (Hinton et al. 2015).

    The teachers run once over `views` augmented views of the training split; what they say is kept in the user
    cache, and epoch e trains on view e mod `views`. Students that are transformers may start from the source's
    weights, and first imitate its embedding, hidden states and attention (TinyBERT, Jiao et al. 2020).
    """

    takes: ClassVar[Kind] = "net"
    gives: ClassVar[Kind] = "net"
    facts: ClassVar[type] = DistillFacts

    use: Literal["distill"] = "distill"
    student: Builder = Field(description="the small network: 'file.py:function' or { build = ..., option = value }")
    temperature: float = Field(4.0, gt=0, le=100, description="softens both distributions; 1 leaves them as they are")
    alpha: float = Field(
        0.9, ge=0, le=1, description="share of the teachers in the loss; 0 is labels alone, a new view in each epoch"
    )
    views: Annotated[int, Field(ge=1, le=64)] | Literal["fresh"] = Field(
        4, description="stored views of each image, 1 to 64; or 'fresh': a new one in each epoch, teachers in the loop"
    )
    clean: bool = Field(False, description="the first of the stored views is the examples as they are, not augmented")
    teachers: tuple[str, ...] = Field(
        ("source",), min_length=1, description="'source' or saved networks; the logits of several are averaged"
    )
    hints: tuple[Hint, ...] = Field((), description="pairs of layers for a stage before, { student = , teacher = }")
    hint_epochs: int = Field(2, ge=1, le=1000, description="epochs of the hint stage, with the teacher in the loop")
    start: Literal["random", "source"] = Field(
        "random", description="weights that a transformer begins with: random, or the source's, sliced to its shape"
    )
    imitate: tuple[Part, ...] = Field(
        (),
        description="what a transformer imitates of the first teacher in a stage before: embedding, hidden, attention",
    )
    attention: Attending = Field(
        "scores",
        description="what of the attention: its scores, or relations in query, key and value (any head counts)",
    )
    layer_map: LayerMap = Field(
        "uniform", description="the teacher's layer, from 1, for each of the student's; or 'uniform'"
    )
    imitate_epochs: int = Field(10, ge=1, le=1000, description="epochs of the stage `imitate`")
    store_limit: str = Field(
        "2 GiB", description="disk for the teacher's features; where they need more, the teacher runs in the loop"
    )
    epochs: Epochs = 30
    learning_rate: LearningRate = 2e-3
    warmup: Warmup = 0.05
    privacy: Privacy | None = Field(
        None,
        description="train the student by DP-SGD, e.g. { level = 'example', clip = 1.0, epsilon = 8, delta = 1e-3 }",
    )
    batchnorm: Literal["train", "frozen"] = Field(
        "train", description="batch normalization: by each batch, or, with `privacy`, by the statistics it began with"
    )

    @field_validator("store_limit")
    @classmethod
    def is_size(cls, text: str) -> str:
        if units.parse(text, "bytes") < 0:
            raise ValueError(f"{text!r} is less than nothing")
        return text

    @model_validator(mode="after")
    def fits_together(self) -> Distill:
        if len(set(self.imitate)) != len(self.imitate):
            raise ValueError("imitate lists a part twice")
        if self.clean and (self.views == "fresh" or self.views < 2):
            raise ValueError("clean = true is one of at least two stored views; give views = 2 or more")
        return self

    @model_validator(mode="after")
    def keeps_its_promise(self) -> Distill:
        if self.privacy is None:
            if self.batchnorm == "frozen":
                raise ValueError("batchnorm = 'frozen' goes with `privacy`; without it, leave it out")
            return self
        if self.privacy.level != "example":
            raise ValueError("privacy of a distillation is for examples; write level = 'example'")
        if self.hints or self.imitate:
            name = "hints" if self.hints else "imitate"
            raise ValueError(f"`{name}` trains on the same examples without noise, which voids `privacy`; remove one")
        mixing = [name for name in self.augment if name in ("words", "mix")]
        if mixing:
            raise ValueError(
                f"augment = {mixing[0]!r} takes words from all training sentences, which voids `privacy`; use drop"
            )
        return self

    @property
    def effects(self) -> Effects:
        """A new network, which later passes fine-tune by the same teachers."""
        return Effects(
            trains=self.epochs > 0,
            teaches=True,
            forgets=self.start == "random" and self.alpha == 0,
            protects=self.privacy is not None,
            makes=(Made("student"),),
        )
