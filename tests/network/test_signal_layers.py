"""Linear operations as weights: the same numbers as the operations one after another, at a window's ends too."""

from __future__ import annotations

import numpy as np
import pytest
from support import waves

from tinyc.data.signals.operations import Affine, Filter, Median, Project
from tinyc.network import backend
from tinyc.network.grafting import front_of, grafted, layers_of, with_front
from tinyc.network.signal_layers import BACK, FRONT, folded, undone

X = waves.windows(40)[0]
F = Filter((0.1, 0.5, 0.2, -0.3, 0.05))
A = Affine((0.5, 1.5, 2.0, 0.25), (0.3, -4.0, 1.0, 2.0))
P = Project((0.5, 4.0, -1.0, 2.0), ((0.6, 0.8, 0.0, 0.0), (0.0, 0.0, 0.28, 0.96)))
Q = Project((0.5, 4.0), ((0.6, 0.8),))
ORDERS = [[F], [A], [P], [F, A], [A, F], [A, P], [P, F], [F, P], [A, F, P], [F, A, P], [A, P, F], [A, A], [P, Q],
          [P, F, Q]]  # fmt: skip


def ran(operations, x):
    y = x.astype(np.float64)
    for operation in operations:
        y = operation.apply(y)
    return y


def model_of(fold, x, prefix=FRONT):
    given = backend.keras().Input(x.shape[1:])
    return backend.keras().Model(given, layers_of(fold, prefix, given))


@pytest.mark.parametrize("operations", ORDERS, ids=lambda many: "".join(type(each).__name__[0] for each in many))
def test_layers_give_what_the_operations_give(operations):
    model = model_of(folded(operations, 4), X)
    np.testing.assert_allclose(model.predict(X, verbose=0), ran(operations, X), atol=1e-5)
    kinds = [type(layer).__name__ for layer in model.layers[1:]]
    assert kinds in (["DepthwiseConv2D"], ["Conv2D"], ["Conv2D", "DepthwiseConv2D"])
    assert not model.trainable_weights
    assert all(layer.name.startswith(FRONT) for layer in model.layers[1:])


@pytest.mark.parametrize("operations", [[A], [P], [A, P]], ids=["A", "P", "AP"])
def test_vectors(operations):
    x = X[:, 0, 0]
    model = model_of(folded(operations, 4), x)
    np.testing.assert_allclose(model.predict(x, verbose=0), ran(operations, x), atol=1e-5)


def test_images():
    x = X.reshape(40, 8, 6, 4)
    np.testing.assert_allclose(model_of(folded([A], 4), x).predict(x, verbose=0), ran([A], x), atol=1e-5)


def test_scales_are_undone_exactly_and_projections_as_far_as_they_go():
    for operations in ([A], [A, Affine((2.0,) * 4, (1.0,) * 4)]):
        again = model_of(undone(operations, 4), X, BACK).predict(ran(operations, X).astype(np.float32), verbose=0)
        np.testing.assert_allclose(again, X, atol=1e-5)
    once = ran([A, P], X)
    again = model_of(undone([A, P], 4), once, BACK).predict(once.astype(np.float32), verbose=0)
    np.testing.assert_allclose(ran([A, P], again), once, atol=1e-4)
    assert undone([F, Median(3)], 4).does_nothing


def test_a_network_sees_its_own_view_through_the_layers():
    network = waves.network()
    made = with_front(network, (48, 1, 4), folded([F, A], 4), undone([F, A], 4))
    wanted = network.predict(ran([F], X).astype(np.float32), verbose=0)
    np.testing.assert_allclose(made.predict(X, verbose=0), wanted, atol=1e-4)
    names = [layer.name for layer in made.layers]
    assert names[1:4] == [f"{FRONT}filter", f"{BACK}filter", "stem"]
    assert set(made.layers[0].get_config()) == set(network.layers[0].get_config())


def test_a_front_is_found_and_grafted_with_its_weights():
    network = waves.network()
    made = with_front(network, (48, 1, 4), folded([A, P, F], 4), undone([A, P, F], 4))
    front = front_of(made)
    assert front.output_shape == (None, 48, 1, 2)
    assert front_of(network) is None
    student = waves.network(4, (48, 1, 2))
    before = student.get_weights()
    grown = grafted(front, student)
    np.testing.assert_allclose(
        grown.predict(X, verbose=0), student.predict(front.predict(X, verbose=0), verbose=0), atol=1e-5
    )
    assert grown.name == student.name
    for old, new in zip(before, student.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert {id(each) for each in grown.weights}.isdisjoint(id(each) for each in [*made.weights, *student.weights])
    frozen = {weight.name for layer in grown.layers if layer.name.startswith(FRONT) for weight in layer.weights}
    assert frozen
    assert frozen.isdisjoint(weight.name for weight in grown.trainable_weights)
