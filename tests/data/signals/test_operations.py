"""Each operation against the library that has it."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
from scipy import ndimage, signal
from sklearn.decomposition import IncrementalPCA
from support import waves

from tinyc.core.errors import UserError
from tinyc.data.signals.fitting import fit
from tinyc.data.signals.front import Front
from tinyc.data.signals.operations import Affine, Filter, Median, Project, Wavelet
from tinyc.spec.signal_steps import Denoise, Normalize, Pca

X = waves.windows(64)[0].astype(np.float64)


def denoise(**keys):
    return Denoise(op="denoise", **keys)


def fitted(*steps, x=X, rate=None):
    return fit(steps, x.shape[1:], lambda: iter((x[:20], x[20:])), rate)


def test_a_filter_is_scipys_convolution():
    taps = signal.firwin(9, 6, fs=50)
    made = Filter(tuple(taps * np.arange(1, 10))).apply(X)  # not symmetric
    for example, channel in ((0, 0), (5, 3)):
        wanted = np.convolve(X[example, :, 0, channel], taps * np.arange(1, 10), "same")
        np.testing.assert_allclose(made[example, :, 0, channel], wanted, atol=1e-12)


@pytest.mark.parametrize(("keys", "edges"), [({"how": "lowpass", "cutoff": 5.0}, 5.0),
                                             ({"how": "bandpass", "band": (1.0, 8.0)}, [1.0, 8.0])])  # fmt: skip
def test_filters_are_scipys_design(keys, edges):
    found = fitted(denoise(taps=21, rate=50, **keys))[0]
    wanted = signal.firwin(21, edges, pass_zero=keys["how"], fs=50)
    np.testing.assert_allclose(found.operation.taps, wanted, atol=1e-12)
    assert found.facts["group_delay_samples"] == 10
    assert fitted(denoise(taps=21, **keys), rate=50.0)[0].operation == found.operation


def test_a_moving_average():
    made = fitted(denoise(how="moving_average", taps=5))[0].operation.apply(X)
    np.testing.assert_allclose(made[:, 10], X[:, 8:13].mean(1), atol=1e-12)


def test_a_median_is_scipys():
    np.testing.assert_array_equal(Median(7).apply(X), ndimage.median_filter(X, size=(1, 7, 1, 1), mode="nearest"))


@pytest.mark.parametrize("name", ["haar", "db4", "sym5", "coif1"])
@pytest.mark.parametrize("level", [1, 2])
def test_wavelets_are_pywts(name, level):
    x = X[:3, :41]  # an odd number of samples
    for operation in (Wavelet(name, level, "universal"), Wavelet(name, level, "bayes")):
        made = operation.apply(x)
        for channel in range(4):
            smooth, *details = pywt.wavedec(x[1, :, 0, channel], name, level=level)
            noise = np.median(np.abs(details[-1])) / 0.6745
            shrunk = []
            for each in details:
                by = noise * np.sqrt(2 * np.log(41))
                if operation.threshold == "bayes":
                    power = np.mean(each**2) - noise**2
                    by = noise**2 / np.sqrt(power) if power > 0 else np.abs(each).max()
                shrunk.append(pywt.threshold(each, by, "soft"))
            wanted = pywt.waverec([smooth, *shrunk], name)[:41]
            np.testing.assert_allclose(made[1, :, 0, channel], wanted, atol=1e-10)


def test_normalize_is_numpys():
    found = fitted(Normalize(op="normalize"))[0]
    np.testing.assert_allclose(found.operation.apply(X), (X - X.mean((0, 1, 2))) / X.std((0, 1, 2)), atol=1e-9)
    np.testing.assert_allclose(found.facts["mean"], X.mean((0, 1, 2)), atol=1e-5)


def test_a_channel_that_never_changes_is_centred():
    still = X.copy()
    still[..., 2] = 0.1  # whose variance is no exact zero in floats
    found = fitted(Normalize(op="normalize"), x=still)[0]
    assert found.facts["constant_channels"] == [2]
    np.testing.assert_allclose(found.operation.apply(still)[..., 2], 0, atol=1e-12)


def test_pca_is_scikit_learns():
    found = fitted(Pca(op="pca", components=2))[0]
    model = IncrementalPCA(2).partial_fit(X.reshape(-1, 4))
    wanted = model.transform(X.reshape(-1, 4)).reshape(*X.shape[:-1], 2)
    np.testing.assert_allclose(found.operation.apply(X), wanted, atol=1e-9)
    np.testing.assert_allclose(found.facts["explained_variance_ratio"], model.explained_variance_ratio_, atol=1e-5)


def test_variance_chooses_the_fewest_components():
    full = IncrementalPCA().partial_fit(X.reshape(-1, 4))
    shares = np.cumsum(full.explained_variance_ratio_)
    for wanted in range(4):
        found = fitted(Pca(op="pca", variance=float(shares[wanted]) - 1e-6))[0]
        assert found.facts["components"] == wanted + 1
    assert fitted(Pca(op="pca", variance=1.0))[0].facts["components"] == 4


def test_pca_of_vectors_goes_over_features():
    flat = np.random.default_rng(0).normal(size=(30, 6)) @ np.diag([5, 4, 3, 2, 1, 0.1])
    found = fitted(Pca(op="pca", components=2), x=flat)[0]
    wanted = IncrementalPCA(2).partial_fit(flat).transform(flat)
    np.testing.assert_allclose(found.operation.apply(flat), wanted, atol=1e-9)


def test_steps_are_fitted_on_what_the_steps_before_give():
    found = fitted(Pca(op="pca", components=3), denoise(how="median"), Normalize(op="normalize"))
    y = X
    for each in found:
        y = each.operation.apply(y)
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-9)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, atol=1e-9)


FRONT = Front(
    (48, 1, 4),
    (Affine((1.0, 2.0, 3.0, 4.0), (0.1,) * 4), Project((0.5,) * 4, ((1.0, 0.0, 0.0, 0.0), (0.0, 0.6, 0.8, 0.0))),
     Filter((0.25, 0.5, 0.25)), Median(3), Wavelet("db2", 2, "bayes")),
)  # fmt: skip


def test_a_front_is_read_back_as_it_was():
    found = Front.from_json(FRONT.to_json())
    assert found == FRONT
    assert hash(found) == hash(FRONT)
    assert found.output_shape == (48, 1, 2)
    np.testing.assert_array_equal(found.apply(X), FRONT.apply(X))
    assert FRONT.apply(X).dtype == np.float32


@pytest.mark.parametrize("text", ["", "[]", "{}", FRONT.to_json().replace("median", "mean"), '{"input_shape": 3}'])
def test_a_damaged_front_is_said(text):
    with pytest.raises(UserError, match="here: describes no preprocessing"):
        Front.from_json(text, "here")


REFUSED = [
    ((denoise(how="lowpass", cutoff=5),), X, None, "lowpass needs samples a second"),
    ((denoise(how="lowpass", cutoff=30),), X, 50.0, "30 Hz is not below half the rate of 50 Hz"),
    ((denoise(how="lowpass", cutoff=5, rate=40),), X, 50.0, "has rate = 40, and the data 50"),
    ((denoise(how="median", taps=49),), X, None, "has 49 taps, and a window 48 samples"),
    ((denoise(how="wavelet", name="db8", level=5),), X, None, "level 1 is the most"),
    ((denoise(how="wavelet", name="db38"),), X, None, "shorter wavelet"),
    ((denoise(how="median"),), X[:, :, 0, 0], None, "denoise takes windows, and an example is 48"),
    ((Pca(op="pca", components=2),), X.reshape(64, 24, 2, 4), None, "pca takes windows or vectors"),
    ((Normalize(op="normalize"),), X[:, :, 0], None, "normalize takes windows, images or vectors"),
    ((Normalize(op="normalize"), Pca(op="pca", components=5)), X, None, r"steps\.2: .*5 components of 4 channels"),
    ((Pca(op="pca", components=30),), X[:20, :, 0, 0], None, "need as many training rows"),
]


@pytest.mark.parametrize(("steps", "x", "rate", "message"), REFUSED)
def test_what_does_not_suit_is_refused(steps, x, rate, message):
    with pytest.raises(UserError, match=message):
        fit(steps, x.shape[1:], lambda: iter((x,)), rate)
