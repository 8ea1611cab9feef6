"""The steps of the pass `preprocess` as recipe keys; importing this module imports no library."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from tinyc.core.errors import UserError

ORTHOGONAL = re.compile(r"haar|db([1-9]|[12]\d|3[0-8])|sym([2-9]|1\d|20)|coif([1-9]|1[0-7])")
OWN = {
    "taps": ("moving_average", "lowpass", "bandpass", "median"),
    "cutoff": ("lowpass",),
    "band": ("bandpass",),
    "rate": ("lowpass", "bandpass"),
    "name": ("wavelet",),
    "level": ("wavelet",),
    "threshold": ("wavelet",),
}
"""The keys of `denoise` that not every `how` has."""
TAPS = {"moving_average": 5, "lowpass": 31, "bandpass": 31, "median": 5}


class Denoise(BaseModel, frozen=True, extra="forbid"):
    """Take noise out of windows, channel by channel along time; the group delay is compensated."""

    op: Literal["denoise"]
    how: Literal["moving_average", "lowpass", "bandpass", "median", "wavelet"] = Field(
        description="moving average, FIR filter (window method, Hamming), running median, or shrunk wavelet details"
    )
    taps: int | None = Field(
        None, ge=3, le=1025, description="samples that one output looks at, odd; FIR filters 31, the others 5"
    )
    cutoff: float | None = Field(None, gt=0, description="lowpass: Hz, where the gain is one half")
    band: tuple[float, float] | None = Field(None, description="bandpass: Hz, from and to")
    rate: float | None = Field(
        None, gt=0, le=1e9, description="samples a second (Hz); default the `rate` of [data], where it says one"
    )
    name: str = Field("db4", description="wavelet: haar, db1-38, sym2-20 or coif1-17")
    level: int = Field(3, ge=1, le=12, description="wavelet: how often the window is halved")
    threshold: Literal["universal", "bayes"] = Field(
        "universal", description="wavelet: noise * sqrt(2 ln samples), or BayesShrink level by level; both soft"
    )

    @field_validator("name")
    @classmethod
    def is_orthogonal(cls, name: str) -> str:
        if not ORTHOGONAL.fullmatch(name):
            raise ValueError("there are the wavelets haar, db1 to db38, sym2 to sym20 and coif1 to coif17")
        return name

    @model_validator(mode="after")
    def fits_how(self) -> Self:
        """Refuse keys of another `how`, and what no filter can be designed from."""
        for key, owners in OWN.items():
            if self.how not in owners and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f'`{key}` belongs to how = "{owners[0]}"; this step has how = "{self.how}"')
        if self.taps is not None and self.taps % 2 == 0:
            raise ValueError(f"`taps` is {self.taps}; only an odd number has a sample in its middle")
        for key in ("cutoff", "band"):
            if self.how in OWN[key] and getattr(self, key) is None:
                raise ValueError(f'how = "{self.how}" needs `{key}` in Hz')
        if self.band is not None and not 0 < self.band[0] < self.band[1]:
            raise ValueError(f"`band` {list(self.band)} does not rise from above 0; to keep 0 Hz, take a lowpass")
        if self.rate is not None and self.highest >= self.rate / 2:
            raise ValueError(f"{self.highest:g} Hz is not below half the rate of {self.rate:g} Hz")
        return self

    @property
    def highest(self) -> float:
        """The highest frequency named, Hz; 0 where none is."""
        return self.cutoff or (self.band[1] if self.band else 0.0)

    @property
    def width(self) -> int:
        """The number of taps that is meant where none is given."""
        return self.taps or TAPS[self.how]


class Normalize(BaseModel, frozen=True, extra="forbid"):
    """Give each channel mean 0 and standard deviation 1 over the training examples."""

    op: Literal["normalize"]


class Pca(BaseModel, frozen=True, extra="forbid"):
    """Project channels (of a vector: features) on their principal components over the training examples."""

    op: Literal["pca"]
    components: int | None = Field(None, ge=1, le=4096, description="how many components stay")
    variance: float | None = Field(
        None, gt=0, le=1, description="share of the variance that the kept components explain, at least"
    )

    @model_validator(mode="after")
    def one_amount(self) -> Self:
        if (self.components is None) == (self.variance is None):
            raise ValueError("pca needs one of `components` and `variance`")
        return self


Step = Annotated[Denoise | Normalize | Pca, Field(discriminator="op")]


def modules(steps: Sequence[Any]) -> tuple[str, ...]:
    """Return the modules of optional libraries that the steps are fitted with."""
    filters = {"lowpass": "scipy.signal", "bandpass": "scipy.signal", "median": "scipy.ndimage", "wavelet": "pywt"}
    fitted = {"normalize": "sklearn.preprocessing", "pca": "sklearn.decomposition"}
    found = [filters.get(step.how) if isinstance(step, Denoise) else fitted[step.op] for step in steps]
    return tuple(dict.fromkeys(name for name in found if name))


def is_linear(step: Any) -> bool:
    """Say whether a step becomes layers of the network."""
    return not isinstance(step, Denoise) or step.how not in ("median", "wavelet")


def split(steps: Sequence[Any]) -> int:
    """Count the steps up to the last that is not linear: these run before the network."""
    return max((index + 1 for index, step in enumerate(steps) if not is_linear(step)), default=0)


def require_width(step: Denoise, time: int, where: str) -> None:
    """Refuse more taps than a window has samples."""
    if step.how != "wavelet" and step.width > time:
        problem = f"has {step.width} taps, and a window {time} samples"
        raise UserError(where, problem, "give fewer `taps`, or longer windows")


def rate_of(step: Denoise, rate: float | None, where: str) -> float:
    """Return samples a second, the step's own or the data's.

    Raises:
        UserError: there are none, the two differ, or a frequency is not below half of them.
    """
    if step.rate is not None and rate is not None and not math.isclose(step.rate, rate):
        problem = f"has rate = {step.rate:g}, and the data {rate:g} samples a second"
        raise UserError(where, problem, "leave `rate` out of the step")
    found = step.rate or rate
    if found is None:
        raise UserError(where, f"{step.how} needs samples a second", "give `rate` in Hz, in [data] or in the step")
    if step.highest >= found / 2:
        problem = f"{step.highest:g} Hz is not below half the rate of {found:g} Hz"
        raise UserError(where, problem, "give a lower frequency")
    return found
