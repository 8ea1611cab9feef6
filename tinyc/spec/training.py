"""How a network is trained: the recipe keys of every training, and the options that the fit loop reads."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, Self, TypedDict

from pydantic import AfterValidator, BaseModel, Field, model_validator

from tinyc.core.units import Bytes, Fraction, Seconds
from tinyc.spec.augmentations import AUGMENTATIONS
from tinyc.spec.contract import Pass
from tinyc.spec.privacy import Promised

TRAINING = "0.1.0"
"""What the same options train the same network to: in the key of every training, of features and of soft labels.

Another word when that changes, whatever the package's version is.
"""


def known_augmentations(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a name that no augmentation has."""
    for name in names:
        if name not in AUGMENTATIONS:
            raise ValueError(f"unknown augmentation {name!r}; known: {', '.join(AUGMENTATIONS)}")
    return names


class Teach(BaseModel, frozen=True, extra="forbid"):
    """Soft labels for a fine-tuning (Hinton et al. 2015), with the meaning that the keys have in `distill`."""

    temperature: float = Field(4.0, gt=0, le=100, description="softens both distributions; 1 leaves them as they are")
    alpha: float = Field(0.9, gt=0, le=1, description="share of the teachers in the loss; the rest is the labels'")
    views: Annotated[int, Field(ge=1, le=64)] | Literal["fresh"] = Field(
        8, description="stored views of each image, 1 to 64; or 'fresh': a new one in each epoch, teachers in the loop"
    )
    clean: bool = Field(False, description="the first of the stored views is the examples as they are, not augmented")
    teachers: tuple[str, ...] = Field(
        ("source",), min_length=1, description="'source' or saved networks; the logits of several are averaged"
    )

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        if self.clean and (self.views == "fresh" or self.views < 2):
            raise ValueError("clean = true is one of at least two stored views; give views = 2 or more")
        return self


Epochs = Annotated[int, Field(ge=0, le=10_000, description="passes over the training split; 0 trains nothing")]
Batch = Annotated[
    int, Field(ge=1, le=8192, description="examples in a step; an epoch's last partial batch is left out")
]
Optimizer = Annotated[
    Literal["adam", "adamw", "sgd"],
    Field(description="adam, adamw (decoupled weight decay), or sgd with Nesterov momentum 0.9"),
]
LearningRate = Annotated[float, Field(gt=0, le=100, description="the schedule's highest learning rate")]
Schedule = Annotated[
    Literal["cosine", "constant", "step"],
    Field(description="after the warm-up: cosine to zero, constant, or a tenth at 50 % and again at 75 %"),
]
Warmup = Annotated[float, Field(ge=0, le=0.5, description="fraction of all steps over which the rate climbs from zero")]
WeightDecay = Annotated[
    float, Field(ge=0, le=1, description="decay of kernels: decoupled for adamw, L2 in the gradient for adam and sgd")
]
Augment = Annotated[
    tuple[str, ...],
    AfterValidator(known_augmentations),
    Field(
        description="augmentations of examples, in order: of images crop, flip, cutout, noise; of windows rotate, "
        "gain, warp, noise; of text words, drop, mix"
    ),
]
LabelSmoothing = Annotated[
    float, Field(ge=0, lt=1, description="fraction of each label spread evenly over all classes")
]
Loss = Annotated[
    Literal["auto", "labels"],
    Field(
        description="auto goes by `teach`, else by the latest distillation, where there was one; labels by labels alone"
    ),
]
Taught = Annotated[
    Teach | None,
    Field(description="learn from the source while fine-tuning, e.g. { temperature = 4.0, alpha = 0.9, views = 8 }"),
]


class TrainingKeys(BaseModel, frozen=True, extra="forbid"):
    """The keys of a training by labels; ranges and units stand at each type."""

    epochs: Epochs = 4
    batch: Batch = 64
    optimizer: Optimizer = "adam"
    learning_rate: LearningRate = 1e-3
    schedule: Schedule = "cosine"
    warmup: Warmup = 0.0
    weight_decay: WeightDecay = 0.0
    augment: Augment = ()
    label_smoothing: LabelSmoothing = 0.0


Stored = TypedDict("Stored", {
    "key": str, "bytes": Bytes, "views": int, "views_reused": int, "teacher_train_accuracy": list[Fraction],
})  # fmt: skip
"""The stored soft labels: how many views were there already, and how often the teachers are right on each."""
TaughtBy = TypedDict("TaughtBy", {
    "teachers": list[str], "store": Stored, "teacher_validation_accuracy": Fraction | None,
}, total=False)  # fmt: skip
Trained = TypedDict("Trained", {
    "objective": str, "epochs": int, "examples": int, "loss": list[float], "validation_accuracy": list[Fraction],
    "best_validation_accuracy": NotRequired[Fraction | None], "best_epoch": NotRequired[int | None],
    "teachers": NotRequired[list[str]], "store": NotRequired[Stored],
    "teacher_validation_accuracy": NotRequired[Fraction | None], "privacy": NotRequired[Promised],
})  # fmt: skip
"""What a training found out: by epoch, its best, and its teachers."""
Timed = TypedDict("Timed", {"seconds": Seconds | None, "cached": bool})
"""What the source's training took, None where nobody knows, and whether it was an earlier run's."""


class SourceTrained(Timed, Trained):
    """What the source's training found out."""


class FitOptions(TrainingKeys, frozen=True, extra="forbid"):
    """The options of one training, by labels or by teachers."""

    loss: Loss = "auto"
    teach: Taught = None


class FineTuned(FitOptions, Pass, frozen=True, extra="forbid"):
    """The schema of a pass that trains the network on."""

    batch: Batch = 32

    @model_validator(mode="after")
    def teachers_need_distillation(self) -> Self:
        """Refuse teachers beside a loss of labels alone, which would not use them."""
        if self.teach is not None and self.loss == "labels":
            raise ValueError('`teach` does not go with loss = "labels"; remove one of them')
        return self


def fit_options(keys: BaseModel) -> FitOptions:
    """Pick the options out of a pass (or a `train` table) by name; what it does not have keeps its default."""
    own = type(keys).model_fields
    return FitOptions(**{name: getattr(keys, name) for name in FitOptions.model_fields if name in own})
