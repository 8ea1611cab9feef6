"""The recipe keys of a training, one type each: a pass that trains lists those it takes among its own fields."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field


def known_augmentations(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a name that no augmentation has."""
    from tinyc.data.augment import AUGMENTATIONS

    for name in names:
        if name not in AUGMENTATIONS:
            raise ValueError(f"unknown augmentation {name!r}; known are {', '.join(AUGMENTATIONS)}")
    return names


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
        description="augmentations of examples, in order: of images crop, flip, cutout, noise; of text words, drop, mix"
    ),
]
LabelSmoothing = Annotated[
    float, Field(ge=0, lt=1, description="fraction of each label spread evenly over all classes")
]
Loss = Annotated[
    Literal["auto", "labels"],
    Field(description="auto goes on with the latest distillation, where there was one; labels uses labels alone"),
]
