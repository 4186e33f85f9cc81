"""Pixels that do not count: found by their class, and taken out."""

from __future__ import annotations

import math
from operator import index
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from geotoolz.bands import band_number, bands_of, widened, with_mask_of
from geotoolz.needs import called
from geotoolz.operators import Json, Operator, as_operator
from geotoolz.passing import Beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from geopatcher.core.protocols import Array

#: Scene classification (SCL) of Sentinel-2 Level-2A, by name: https://sentiwiki.copernicus.eu/web/s2-products
SENTINEL2_SCL: Final[Mapping[str, int]] = MappingProxyType(
    {
        "no_data": 0,
        "saturated_or_defective": 1,
        "dark_area": 2,
        "cloud_shadow": 3,
        "vegetation": 4,
        "not_vegetated": 5,
        "water": 6,
        "unclassified": 7,
        "cloud_medium_probability": 8,
        "cloud_high_probability": 9,
        "thin_cirrus": 10,
        "snow_or_ice": 11,
    }
)


class MaskFromClasses(Operator["Array", "Array"]):
    """True where a band has one of some classes.

    Parameters
    ----------
    band
        Number of the band of classes, from 1.
    classes
        Their values, or their names.
    names
        Values of classes by their names: by default those of Sentinel-2, `SENTINEL2_SCL`.
    invert
        True everywhere else instead.

    Raises
    ------
    TypeError
        A band or class is neither a whole number nor a name.
    ValueError
        A band is below 1, there is no class, or a name is unknown. When it is called: the patch has fewer
        bands.

    Examples
    --------
    >>> import numpy as np
    >>> scl = np.array([[[4, 9, 3, 11]]], dtype="uint8")
    >>> MaskFromClasses(1, ["cloud_high_probability", 3])(scl).tolist()
    [[[False, True, True, False]]]
    >>> MaskFromClasses(1, ["vegetation"], invert=True)(scl).tolist()
    [[[False, True, True, True]]]

    """

    def __init__(
        self,
        band: int,
        classes: Iterable[int | str],
        *,
        names: Mapping[str, int] = SENTINEL2_SCL,
        invert: bool = False,
    ) -> None:
        given = [classes] if isinstance(classes, str) else list(classes)
        if not given:
            raise ValueError("MaskFromClasses has no class: give one value or name, or more")
        self.band: Final = band_number(band, "the band of MaskFromClasses")
        self.classes: Final = tuple(_value_of(one, names) for one in given)
        self.invert: Final = bool(invert)

    def __call__(self, patch: Array, /) -> Array:
        """Return ``(1, h, w)`` or ``(n, 1, h, w)``, masked where the band is; NaN is in no class."""
        labels = bands_of(patch, [self.band], self.name)
        return with_mask_of(np.isin(np.ma.getdata(labels), self.classes, invert=self.invert), labels)

    def get_config(self) -> dict[str, Json]:
        """Return the name, the band, the values of the classes, and whether they are what stays."""
        found: dict[str, Json] = {"band": self.band, "classes": list(self.classes), "invert": self.invert}
        return {**super().get_config(), **found}


class ApplyMask(Beside, Operator["Array", "Array"]):
    """Takes out the pixels where a mask is true: they become NaN, or a value of yours.

    Parameters
    ----------
    mask
        An operator or function that makes the mask of the patch: ``(1, h, w)`` for all bands, or one for
        each; of a batch with its axis in front. What is masked in it is taken out, too.
    fill
        What the pixels become; the dtype stays. By default they are NaN and integers become float32; in a
        masked array they are masked instead.

    Raises
    ------
    TypeError
        ``mask`` cannot be called.
    ValueError
        ``fill`` is not finite. When it is called: the mask does not fit the patch, or the dtype cannot
        hold ``fill``.

    Examples
    --------
    >>> import numpy as np
    >>> from geotoolz import SelectBands
    >>> patch = np.array([[[500, 900]], [[4, 9]]], dtype="uint16")  # red, SCL
    >>> clouds = MaskFromClasses(2, ["cloud_medium_probability", "cloud_high_probability"])
    >>> (ApplyMask(clouds) | SelectBands([1]))(patch)
    array([[[500.,  nan]]], dtype=float32)
    >>> (ApplyMask(clouds, fill=0) | SelectBands([1]))(patch)
    array([[[500,   0]]], dtype=uint16)

    """

    def __init__(self, mask: Callable[[Array], Array], fill: float | None = None) -> None:
        # An operator of arrays, whatever function it was made of.
        self.mask: Final[Operator[Any, Any]] = as_operator(mask, "mask of ApplyMask")
        if fill is not None and not math.isfinite(fill):
            raise ValueError(f"the fill of ApplyMask is {fill}: give a number, or leave it out for NaN")
        self.fill: Final = fill

    @property
    def _run(self) -> tuple[Operator[Any, Any], ...]:
        return (self.mask,)

    @property
    def _results(self) -> tuple[Operator[Any, Any], ...]:
        return ()

    def __call__(self, patch: Array, /, *position: object) -> Array:
        """Return the patch without these pixels; the patch itself stays as it is."""
        pixels = np.asanyarray(patch)
        hidden = self._hidden(pixels, position)
        if self.fill is not None:
            filled = pixels.copy()
            np.ma.getdata(filled)[hidden] = self._fill_of(pixels.dtype)  # what was masked stays masked
            return filled
        if np.ma.isMaskedArray(pixels):
            masked: Array = np.ma.array(pixels.copy(), mask=np.ma.getmaskarray(pixels) | hidden)
            return masked
        wide = widened(pixels)
        cleared = wide.copy() if wide is pixels else wide
        cleared[hidden] = np.nan
        return cleared

    def _hidden(self, pixels: Array, position: Sequence[object]) -> Array:
        made = np.asanyarray(called(self.mask, pixels.copy(), position))
        hidden: Array = (np.ma.getdata(made) != 0) | np.ma.getmaskarray(made)
        if hidden.ndim == 2 and pixels.ndim == 3:
            hidden = hidden[np.newaxis]
        fits = hidden.ndim == pixels.ndim and all(
            own in (1, size) if axis == pixels.ndim - 3 else own == size
            for axis, (own, size) in enumerate(zip(hidden.shape, pixels.shape, strict=True))
        )
        if not fits:
            raise ValueError(
                f"the mask {self.mask.name} has shape {made.shape}, and the patch {pixels.shape}: it must be "
                "as high and wide, with one band or as many as the patch"
            )
        return np.broadcast_to(hidden, pixels.shape)

    def _fill_of(self, dtype: np.dtype) -> float:
        with np.errstate(invalid="ignore", over="ignore"):
            value = np.array([self.fill]).astype(dtype)[0]
        if not (np.isfinite(value) if dtype.kind == "f" else value == self.fill):
            raise ValueError(
                f"{dtype} cannot hold the fill {self.fill} of {self.name}: scale the patch first"
            )
        return float(value) if dtype.kind == "f" else int(value)

    def get_config(self) -> dict[str, Json]:
        """Return the name, what makes the mask, and the fill."""
        fill = None if self.fill is None else float(self.fill)
        return {**super().get_config(), "mask": self.mask.get_config(), "fill": fill}


def _value_of(given: int | str, names: Mapping[str, int]) -> int:
    if isinstance(given, str):
        if given not in names:
            raise ValueError(f"MaskFromClasses knows no class {given!r}, but {', '.join(names)}")
        return index(names[given])
    try:
        return index(given)
    except TypeError:
        raise TypeError(f"a class of MaskFromClasses is {given!r}: give a whole number or a name") from None
