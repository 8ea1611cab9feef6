"""Distillation: a small network learns what the source says of each image, not only the label."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from tinyc.core import units
from tinyc.network import backend, sources
from tinyc.network.contract import Context, Outcome
from tinyc.network.state import Net
from tinyc.spec.builders import Builder
from tinyc.spec.contract import Kind
from tinyc.spec.privacy import Privacy
from tinyc.spec.training import (
    Augment,
    Batch,
    Epochs,
    FitOptions,
    LabelSmoothing,
    LearningRate,
    Optimizer,
    Schedule,
    Warmup,
    WeightDecay,
    fit_options,
)
from tinyc.training import distillation, hints
from tinyc.training.imitation import Attending, Part
from tinyc.training.private.fit import fit_within
from tinyc.training.pupil import Lesson, start, train_imitation
from tinyc.training.resume import resumable_fit
from tinyc.training.teachers import find_teacher


class Hint(BaseModel, frozen=True, extra="forbid"):
    """A layer of the student that learns to resemble a layer of the first teacher."""

    student: str = Field(description="selector of one layer of the student")
    teacher: str = Field(description="selector of one layer of the teacher")
    weight: float = Field(1.0, gt=0, le=1e6, description="factor of this pair in the loss of the hint stage")


class Distill(BaseModel, frozen=True, extra="forbid"):
    """Train a smaller network, the student, to imitate the source (Hinton et al. 2015).

    The teachers run once over `views` augmented views of the training split; what they say is kept in the user
    cache, and epoch e trains on view e mod `views`. Students that are transformers may start from the source's
    weights, and first imitate its embedding, hidden states and attention (TinyBERT, Jiao et al. 2020).
    """

    takes: ClassVar[Kind] = "net"
    gives: ClassVar[Kind] = "net"

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
    layer_map: Literal["uniform"] | tuple[Annotated[int, Field(ge=1)], ...] = Field(
        "uniform", description="the teacher's layer, from 1, for each of the student's; or 'uniform'"
    )
    imitate_epochs: int = Field(10, ge=1, le=1000, description="epochs of the stage `imitate`")
    store_limit: str = Field(
        "2 GiB", description="disk for the teacher's features; where they need more, the teacher runs in the loop"
    )
    epochs: Epochs = 30
    batch: Batch = 64
    optimizer: Optimizer = "adam"
    learning_rate: LearningRate = 2e-3
    schedule: Schedule = "cosine"
    warmup: Warmup = 0.05
    weight_decay: WeightDecay = 0.0
    augment: Augment = ()
    label_smoothing: LabelSmoothing = 0.0
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

    def apply(self, state: Net, context: Context) -> Outcome:
        """Build the student, train it, and give it in the network's place.

        Raises:
            UserError: the student cannot be built or taught, or its training diverges.
            MachineError: the cache cannot hold the soft labels or the checkpoints.
        """
        backend.seed_everything(context.seed)
        student = state.with_model(self.build(state, context))
        options = fit_options(self)
        facts: dict[str, Any] = {"student": self.student.build, "student_options": self.student.options}
        if self.start == "source" or self.imitate:
            facts |= self.take_after(student, options, context)
            student = student.clone()
        if self.hints:
            facts["hints"] = self.take_hints(student, options, context)
            student = student.clone()
        return Outcome(student, facts | self.teach(student, options, context))

    def build(self, state: Net, context: Context) -> Any:
        """Build the student; where the network begins with preprocessing, on what that gives and behind it."""
        from tinyc.network.grafting import front_of, grafted

        front = front_of(state.model)
        if front is None:
            return sources.network(self.student, state.task, context.find)
        reduced = replace(state.task, input_shape=tuple(front.output_shape[1:]))
        return grafted(front, sources.network(self.student, reduced, context.find))

    def take_after(self, student: Net, options: FitOptions, context: Context) -> dict[str, Any]:
        """Slice the student from the source, and let it imitate the first teacher's insides."""
        facts: dict[str, Any] = {}
        basis: Any = None
        if self.start == "source":
            basis, facts["start"] = start(student.model, self.layer_map, context)
        if self.imitate:
            keys = self.model_dump(mode="json", include={"imitate", "attention", "layer_map", "teachers"})
            lesson = Lesson(self.imitate, self.attention, self.layer_map, int(units.parse(self.store_limit, "bytes")))
            shorter = options.model_copy(update={"epochs": self.imitate_epochs, "augment": ()})
            teacher = find_teacher(self.teachers[0], context)
            facts["imitate"] = train_imitation(lesson, student.model, teacher, basis, shorter, context, [keys])
        return facts

    def teach(self, student: Net, options: FitOptions, context: Context) -> dict[str, Any]:
        """Train the student by its teachers, or by labels alone."""
        panel = distillation.panel_of(self, context)
        if context.rehearse is not None:
            panel = None
        objective, facts = distillation.objective(self, panel, options, context)
        if panel:
            facts["teacher_validation_accuracy"] = distillation.validation_accuracy(panel, context)
        details = [self.model_dump(mode="json"), context.source_key]
        if self.privacy is not None:
            return facts | fit_within(
                student.model, self.privacy, self.batchnorm, options, objective, context, "distill", details=details
            )
        return facts | resumable_fit(student.model, options, objective, context, "distill", details=details)

    def take_hints(self, student: Net, options: FitOptions, context: Context) -> dict[str, Any]:
        """Match the hint layers, and train the student up to them."""
        teacher = find_teacher(self.teachers[0], context).model
        pairs = hints.pair_layers(self.hints, student.model, teacher)
        shorter = options.model_copy(update={"epochs": self.hint_epochs})
        trained = hints.train_hints(pairs, student.model, teacher, shorter, context)
        layers = [{"student": pair.student.name, "teacher": pair.teacher.name} for pair in pairs]
        return {"layers": layers, "epochs": trained["epochs"], "loss": trained["loss"]}
