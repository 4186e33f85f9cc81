"""Values of bands: scaled, normalised, clipped, compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from geotoolz.bands import count_bands, widened, with_mask_of
from geotoolz.operators import Json, Operator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array

#: one number for all bands, or one for each
PerBand: TypeAlias = "float | Sequence[float] | NDArray[np.floating]"


class Scale(Operator["Array", "Array"]):
    """``patch * factor + offset``.

    Integers give float32; floats keep their precision.

    Parameters
    ----------
    factor, offset
        One number for all bands, or one for each.

    Raises
    ------
    ValueError
        A number is not finite. When it is called: the patch has another number of bands.

    Examples
    --------
    >>> import numpy as np
    >>> Scale(0.5, offset=-1)(np.array([[[4, 6]]], dtype="uint16"))
    array([[[1., 2.]]], dtype=float32)

    """

    def __init__(self, factor: PerBand, offset: PerBand = 0.0) -> None:
        self.factor: Final = _finite(factor, "factor of Scale")
        self.offset: Final = _finite(offset, "offset of Scale")

    def __call__(self, patch: Array, /) -> Array:
        """Return the scaled patch."""
        pixels = widened(patch)
        factor = _spread(self.factor, pixels, f"{self.name}: factor")
        scaled: Array = pixels * factor + _spread(self.offset, pixels, f"{self.name}: offset")
        return scaled

    def get_config(self) -> dict[str, Json]:
        """Return the name, the factor and the offset."""
        return {**super().get_config(), "factor": _json(self.factor), "offset": _json(self.offset)}


class Normalize(Operator["Array", "Array"]):
    """``(patch - mean) / std``: bands of mean 0 and standard deviation 1.

    Integers give float32; floats keep their precision. A band whose standard deviation is 0 becomes 0
    where it has its mean, as it is divided by 1 instead. One of which no cell counts, whose statistics are
    NaN, becomes NaN.

    Parameters
    ----------
    mean
        One number for all bands, or one for each; or both statistics, ``{"mean": …, "std": …}``, as
        `geopatcher.SpatialMeanStd` gives them.
    std
        Alike; left out where ``mean`` is both.

    Raises
    ------
    TypeError
        One of the statistics is missing, or is given twice.
    ValueError
        A number is infinite, or a standard deviation negative. When it is called: the patch has another
        number of bands.

    Examples
    --------
    >>> import numpy as np
    >>> Normalize(mean=[10, 2], std=[5, 1])(np.array([[[0, 20]], [[1, 2]]], dtype="uint16")).tolist()
    [[[-2.0, 2.0]], [[-1.0, 0.0]]]

    With the statistics of a whole raster, found in patches:

    >>> from geopatcher import (SpatialHann, SpatialMeanStd, SpatialOverlapAdd, SpatialPatcher,
    ...     SpatialRectangular, SpatialRegularStride, reconstruct)
    >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
    ...     SpatialOverlapAdd())
    >>> image = np.arange(1200.0).reshape(2, 20, 30)
    >>> found = patcher.reduce(image, SpatialMeanStd())
    >>> result = reconstruct(image, Normalize(found), size=8).array
    >>> result.mean(axis=(1, 2)).round(6) + 0.0, result.std(axis=(1, 2)).round(6)
    (array([0., 0.]), array([1., 1.]))

    """

    def __init__(self, mean: PerBand | Mapping[str, PerBand], std: PerBand | None = None) -> None:
        both = (
            mean
            if isinstance(mean, Mapping)
            else {"mean": mean}
            if std is None
            else {"mean": mean, "std": std}
        )
        if {*both} != {"mean", "std"} or (both is mean and std is not None):
            beside = ", and std beside them" if both is mean and std is not None else ""
            raise TypeError(
                f"Normalize takes mean and std, not {', '.join(map(str, both)) or 'nothing'}{beside}: give "
                'both, or what SpatialMeanStd gives, {"mean": …, "std": …}'
            )
        self.mean: Final = _numbers(both["mean"], "mean of Normalize")
        self.std: Final = _numbers(both["std"], "std of Normalize")
        if (self.std < 0).any():
            raise ValueError(f"std of Normalize is {_json(self.std)}: no standard deviation is negative")

    def __call__(self, patch: Array, /) -> Array:
        """Return the normalised patch."""
        pixels = widened(patch)
        mean = _spread(self.mean, pixels, f"{self.name}: mean")
        std = _spread(np.where(self.std == 0, 1.0, self.std), pixels, f"{self.name}: std")
        # Division of masked arrays would mask what is NaN, too.
        return with_mask_of((np.ma.getdata(pixels) - mean) / std, pixels)

    def get_config(self) -> dict[str, Json]:
        """Return the name, the means and the standard deviations; ``None`` where they are NaN."""
        return {**super().get_config(), "mean": _json(self.mean), "std": _json(self.std)}


class Clip(Operator["Array", "Array"]):
    """Brings values below a lower bound up to it, and values above an upper bound down.

    The dtype stays. Integers are brought to whole numbers within the bounds: of 0.5 and 3.5, to 1 and 3.
    NaN stays NaN.

    Parameters
    ----------
    low, high
        The bounds, ``None`` for none.

    Raises
    ------
    ValueError
        A bound is not finite, or ``low`` is above ``high``. When it is called: the dtype has no value
        between them.

    Examples
    --------
    >>> import numpy as np
    >>> Clip(0, 1)(np.array([[[-0.5, 0.5, np.nan, 7]]]))
    array([[[0. , 0.5, nan, 1. ]]])
    >>> Clip(-1, 200)(np.array([[[7, 255]]], dtype="uint8"))
    array([[[  7, 200]]], dtype=uint8)

    """

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        for name, bound in (("low", low), ("high", high)):
            if bound is not None and not math.isfinite(bound):
                raise ValueError(f"{name} of Clip is {bound}: give a number, or None for no bound")
        if low is not None and high is not None and low > high:
            raise ValueError(f"Clip from {low} to {high}: low must not be above high")
        # Scalars of NumPy would take patches of a narrower dtype to their own; Python's do not.
        self.low: Final = None if low is None else np.asarray(low).item()
        self.high: Final = None if high is None else np.asarray(high).item()

    def __call__(self, patch: Array, /) -> Array:
        """Return the clipped patch."""
        pixels = np.asanyarray(patch)
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        if pixels.dtype.kind == "b":
            return self(pixels.astype(np.uint8)).astype(np.bool_)
        if pixels.dtype.kind in "iu":
            low, high = self._whole(low, high, pixels.dtype)
        with np.errstate(over="ignore"):  # a bound that float16 has not bounds nothing that is finite
            clipped: Array = np.clip(pixels, low, high)
            return clipped

    def _whole(self, low: float, high: float, dtype: np.dtype) -> tuple[int, int]:
        info = np.iinfo(dtype)
        least = info.min if low <= info.min else math.ceil(min(low, info.max + 1))
        most = info.max if high >= info.max else math.floor(max(high, info.min - 1))
        if least > most:
            raise ValueError(
                f"{self.name} from {self.low} to {self.high} of {dtype}: no such number lies between; "
                "scale the patch first, or give wider bounds"
            )
        return least, most

    def get_config(self) -> dict[str, Json]:
        """Return the name and the bounds."""
        bounds = {"low": self.low, "high": self.high}
        return {**super().get_config(), **{k: None if v is None else float(v) for k, v in bounds.items()}}


class Threshold(Operator["Array", "Array"]):
    """1 where a value is above a threshold, else 0.

    Integers give uint8. Floats give floats of their precision, so that NaN stays NaN.

    Parameters
    ----------
    value
        The threshold: one for all bands, or one for each. Values equal to it give 0.
    below
        1 where values are below it instead.

    Raises
    ------
    ValueError
        A threshold is not finite. When it is called: the patch has another number of bands.

    Examples
    --------
    >>> import numpy as np
    >>> Threshold(0.3)(np.array([[[0.2, 0.3, 0.4, np.nan]]]))
    array([[[ 0.,  0.,  1., nan]]])
    >>> Threshold([10, 20], below=True)(np.array([[[9]], [[21]]], dtype="uint8")).tolist()
    [[[1]], [[0]]]

    """

    def __init__(self, value: PerBand, *, below: bool = False) -> None:
        self.value: Final = _finite(value, "value of Threshold")
        self.below: Final = bool(below)

    def __call__(self, patch: Array, /) -> Array:
        """Return ones and zeros."""
        pixels = np.asanyarray(patch)
        with np.errstate(over="ignore"):  # of a threshold that float16 has not, no number is beyond it
            value = _spread(self.value, pixels, f"{self.name}: value")
        over = pixels < value if self.below else pixels > value
        if pixels.dtype.kind != "f":
            ones: Array = over.astype(np.uint8)
            return ones
        made: Array = over.astype(pixels.dtype)
        gaps = np.isnan(np.ma.getdata(pixels))
        np.ma.getdata(made)[gaps] = np.nan
        return made

    def get_config(self) -> dict[str, Json]:
        """Return the name, the threshold and the side."""
        return {**super().get_config(), "value": _json(self.value), "below": self.below}


def _numbers(given: PerBand, what: str) -> NDArray[np.float64]:
    """Return numbers that may be NaN: one, or one for each band."""
    numbers = np.array(given, dtype=np.float64)
    if numbers.ndim > 1 or numbers.size == 0:
        raise ValueError(f"{what} has shape {numbers.shape}: give one number, or one for each band")
    if np.isinf(numbers).any():
        raise ValueError(f"{what} is {numbers.tolist()}: it must not be infinite")
    return numbers


def _finite(given: PerBand, what: str) -> NDArray[np.float64]:
    numbers = _numbers(given, what)
    if np.isnan(numbers).any():
        raise ValueError(f"{what} is {numbers.tolist()}: give finite numbers")
    return numbers


def _spread(numbers: NDArray[np.float64], pixels: Array, what: str) -> Array:
    """Return numbers that broadcast over a patch or a batch, in its dtype where that is a float."""
    values = numbers.astype(pixels.dtype) if pixels.dtype.kind == "f" else numbers
    if values.ndim == 0:
        return values
    n_bands = count_bands(pixels, what)
    if values.size != n_bands:
        raise ValueError(
            f"{what} has {values.size} numbers, and a patch of shape {pixels.shape} has {n_bands} bands: "
            "give one number, or one for each band"
        )
    return values[:, np.newaxis, np.newaxis]


def _json(numbers: NDArray[np.float64]) -> Json:
    """Return a number or a list of them; JSON has no NaN."""
    values = [None if math.isnan(number) else float(number) for number in numbers.ravel()]
    return values if numbers.ndim else values[0]
