"""TinyBERT's losses (Jiao et al. 2020): a student's embedding, hidden states and attention learn to be the teacher's.

A stage before the soft labels. It trains on the sentences as they are, and padding counts in no loss:

    embedding, hidden   mean squared distance of the features, the student's through a learned projection
    scores              mean squared distance of the attention scores before the softmax
    relations           divergence of softmax(x x^T / sqrt(E)), x each of query, key, value (Wang et al. 2020, MiniLMv2)

Shapes: B examples, S tokens, D width, H heads of width E.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from tinyc.data.augment import IDENTITY
from tinyc.network import backend
from tinyc.spec.imitation import Attending, Part
from tinyc.tasks.classification.objectives import Objective
from tinyc.training.anatomy import Anatomy, Layer

Kind = Literal["features", "scores", "relations"]


@dataclass(frozen=True)
class Feature:
    """Something that a network makes of a sentence: tensors of its graph, and the function that makes one of them.

    `shape` is one example's; `name` names the file in the store.
    """

    name: str
    tensors: tuple[Any, ...]
    make: Callable[..., Any]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Goal:
    """Two features of one shape that are to agree; `kind` says by which distance."""

    kind: Kind
    student: Feature
    teacher: Feature


def goals(
    parts: Sequence[Part], attending: Attending, student: Anatomy, teacher: Anatomy, mapped: Sequence[int], basis: Any
) -> list[Goal]:
    """List what is to agree, the student's embedding and hidden states in the teacher's width.

    Args:
        mapped: the teacher's layer, from 1, for each of the student's.
        basis: (student's D, teacher's D), where the projections begin; None begins at random.
    """
    found = []
    pairs = [
        (ours, teacher.layers[number - 1], own, number)
        for own, (ours, number) in enumerate(zip(student.layers, mapped, strict=True), 1)
    ]
    if "embedding" in parts:
        up = projection(student.embedding, teacher.embedding, basis, "embedding_projection")
        mine = itself(up(student.embedding), "embedding")
        found.append(Goal("features", mine, itself(teacher.embedding, "embedding")))
    if "hidden" in parts:
        up = projection(student.embedding, teacher.embedding, basis, "hidden_projection")
        for ours, theirs, own, number in pairs:
            mine = itself(up(ours.hidden), f"hidden-{own}")
            found.append(Goal("features", mine, itself(theirs.hidden, f"hidden-{number}")))
    if "attention" in parts:
        compare = scores if attending == "scores" else relations
        found += [compare(*pair) for pair in pairs]
    return found


def itself(tensor: Any, name: str) -> Feature:
    return Feature(name, (tensor,), lambda value: value, tuple(tensor.shape[1:]))


def projection(mine: Any, other: Any, basis: Any, name: str) -> Any:
    """Build a learned linear map to the teacher's width, one for all layers as in the paper; dropped after training."""
    initializers = backend.keras().initializers
    start = initializers.GlorotUniform()
    if basis is not None:
        start = initializers.Constant(basis)
    elif mine.shape[-1] == other.shape[-1]:
        start = initializers.Identity()
    return backend.keras().layers.Dense(other.shape[-1], kernel_initializer=start, name=name)


def scores(ours: Layer, theirs: Layer, own: int, number: int) -> Goal:
    """Attention scores before the softmax, head by head where the head counts agree, else their mean (B, 1, S, S)."""
    same = ours.attention.heads == theirs.attention.heads
    name = f"scores-{number}" if same else f"scores-{number}-mean"
    return Goal("scores", score(ours, same, f"scores-{own}"), score(theirs, same, name))


def score(layer: Layer, by_head: bool, name: str) -> Feature:
    tf = backend.tensorflow()
    attention, (query, key) = layer.attention, layer.inputs[:2]

    def make(query: Any, key: Any) -> Any:
        compared = attention.scores(query, key)
        return compared if by_head else tf.reduce_mean(compared, 1, keepdims=True)

    return Feature(name, (query, key), make, (attention.heads if by_head else 1, query.shape[1], query.shape[1]))


def relations(ours: Layer, theirs: Layer, own: int, number: int) -> Goal:
    """Token-to-token products of query, key and value, before the softmax: (B, 3 R, S, S) in R relation heads.

    As in MiniLMv2 the heads are joined and split again, so any head counts go together; R is the student's where
    the teacher's widths can be split so.
    """
    heads = math.gcd(
        ours.attention.heads, *(int(tensor.shape[-1]) for tensor in (*ours.inputs[:3], *theirs.inputs[:3]))
    )
    mine, other = relation(ours, heads, f"relations-{own}"), relation(theirs, heads, f"relations-{number}-{heads}")
    return Goal("relations", mine, other)


def relation(layer: Layer, heads: int, name: str) -> Feature:
    tf = backend.tensorflow()
    length = layer.inputs[0].shape[1]

    def products(x: Any) -> Any:
        width = x.shape[-1] // heads
        parted = tf.transpose(tf.reshape(x, (-1, length, heads, width)), (0, 2, 1, 3))
        return tf.matmul(parted, parted, transpose_b=True) * width**-0.5

    def make(*inputs: Any) -> Any:
        return tf.concat([products(x) for x in inputs], 1)

    return Feature(name, layer.inputs[:3], make, (3 * heads, length, length))


def reader(model: Any, features: Sequence[Feature]) -> Callable[..., list[Any]]:
    """Make a function from a network's inputs to its features."""
    inner = tensors_of(model, features)

    def read(images: Any, training: bool = False) -> list[Any]:
        return made(features, inner(images, training=training))

    return read


def tensors_of(model: Any, features: Sequence[Feature]) -> Any:
    """Build the network up to the tensors of its features, all in one list."""
    tensors = [tensor for feature in features for tensor in feature.tensors]
    return backend.keras().Model(model.input, tensors, name="imitation")


def made(features: Sequence[Feature], outputs: Any) -> list[Any]:
    """Make each feature of its tensors; Keras gives a single output without a list."""
    rest = iter(outputs if isinstance(outputs, list | tuple) else [outputs])
    return [feature.make(*[next(rest) for _ in feature.tensors]) for feature in features]


def objective(
    chosen: Sequence[Goal], seed: int, teacher_features: Callable[[NDArray[Any], NDArray[Any]], tuple[Any, ...]]
) -> Objective:
    """Sum up all distances; `teacher_features` gives the teacher's features for (inputs, rows)."""

    def targets(ids: NDArray[Any], rows: NDArray[Any], _: int) -> tuple[Any, ...]:
        return (*teacher_features(ids, rows), (ids != 0).astype("float32"))

    def loss(outputs: Any, _: Any, said: tuple[Any, ...]) -> Any:
        return backend.tensorflow().add_n(distances(chosen, outputs, said[:-1], said[-1]))

    return Objective("imitation", lambda _: (seed, IDENTITY), loss, targets, classifies=False)


def distances(chosen: Sequence[Goal], outputs: Any, theirs: Sequence[Any], real: Any) -> list[Any]:
    """Return one scalar a goal; `outputs` are those of `tensors_of` for the student, `real` (B, S) is 0 for padding."""
    mine = made([goal.student for goal in chosen], outputs)
    return [DISTANCES[goal.kind](a, b, real) for goal, a, b in zip(chosen, mine, theirs, strict=True)]


def of_features(mine: Any, theirs: Any, real: Any) -> Any:
    """Mean squared distance of (B, S, D) over real tokens."""
    tf = backend.tensorflow()
    squares = tf.reduce_mean(tf.square(mine - theirs), -1)
    return tf.reduce_sum(squares * real) / tf.reduce_sum(real)


def of_scores(mine: Any, theirs: Any, real: Any) -> Any:
    """Mean squared distance of (B, H, S, S) over pairs of real tokens."""
    tf = backend.tensorflow()
    pairs = real[:, :, None] * real[:, None, :]
    squares = tf.reduce_mean(tf.square(mine - theirs), 1)
    return tf.reduce_sum(squares * pairs) / tf.reduce_sum(pairs)


def of_relations(mine: Any, theirs: Any, real: Any) -> Any:
    """Mean Kullback-Leibler divergence of the student's relations (B, R, S, S) from the teacher's, over real tokens."""
    tf = backend.tensorflow()
    hidden = -1e9 * (1.0 - real[:, None, None, :])
    log_p, log_q = tf.nn.log_softmax(theirs + hidden), tf.nn.log_softmax(mine + hidden)
    lost = tf.reduce_mean(tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), -1), 1)
    return tf.reduce_sum(lost * real) / tf.reduce_sum(real)


DISTANCES: dict[Kind, Callable[[Any, Any, Any], Any]] = {
    "features": of_features,
    "scores": of_scores,
    "relations": of_relations,
}
