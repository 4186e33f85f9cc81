"""Bands of patches ``(bands, h, w)`` and of batches ``(n, bands, h, w)``: chosen by number, and stacked."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Final

import numpy as np

from geotoolz.operators import Json, Operator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geopatcher.core.protocols import Array

#: of bands, counted from the end: a batch has one more axis in front
AXIS: Final = -3


def band_number(given: int, what: str) -> int:
    """Return the number of a band, refusing what is none.

    Raises
    ------
    TypeError
        It is no whole number.
    ValueError
        It is below 1.

    """
    try:
        number = index(given)
    except TypeError:
        raise TypeError(f"{what} is {given!r}: a band is a whole number, 1 for the first") from None
    if number < 1 or isinstance(given, bool):
        raise ValueError(f"{what} is {given!r}: bands are numbered from 1")
    return number


def bands_of(patch: Array, numbers: Sequence[int], who: str) -> Array:
    """Return bands of a patch or batch in the order of their numbers, in memory of their own.

    Raises
    ------
    ValueError
        The patch has no axis of bands, or fewer of them.

    """
    pixels = np.asanyarray(patch)
    n_bands = count_bands(pixels, who)
    missing = [number for number in numbers if number > n_bands]
    if missing:
        raise ValueError(
            f"{who} takes band {', '.join(map(str, missing))}, and a patch of shape {pixels.shape} has "
            f"{n_bands}: give numbers from 1 to {n_bands}"
        )
    taken: Array = pixels[..., [number - 1 for number in numbers], :, :]
    return taken


def count_bands(pixels: Array, who: str) -> int:
    """Return how many bands a patch or batch has.

    Raises
    ------
    ValueError
        It is neither ``(bands, h, w)`` nor ``(n, bands, h, w)``.

    """
    if pixels.ndim not in (3, 4):
        raise ValueError(
            f"{who} takes patches (bands, h, w) or batches (n, bands, h, w), not an array of shape "
            f"{pixels.shape}: patch[np.newaxis] makes a single band of (h, w)"
        )
    return int(pixels.shape[AXIS])


def widened(patch: Array) -> Array:
    """Return floats as they are; integers, truth values and float16 as float32.

    uint16 would wrap around below 0, and has no NaN.
    """
    pixels = np.asanyarray(patch)
    narrow = pixels.dtype.kind in "iub" or pixels.dtype == np.float16
    return pixels.astype(np.float32) if narrow else pixels


def with_mask_of(result: Array, *givers: Array) -> Array:
    """Return a result with the masks of what it was made of, where any of that is a masked array."""
    masks = [np.ma.getmaskarray(giver) for giver in givers if np.ma.isMaskedArray(giver)]
    if not masks:
        return result
    mask = np.logical_or.reduce(np.broadcast_arrays(*masks))
    masked: Array = np.ma.array(result, mask=np.broadcast_to(mask, result.shape))
    return masked


def stacked(parts: Iterable[Array], who: str) -> Array:
    """Return the bands of several arrays, in order, as one array; ``(h, w)`` is a single band.

    Raises
    ------
    ValueError
        There are none, or they differ in more than their number of bands.

    """
    given = [np.asanyarray(part) for part in parts]
    arrays = [part[np.newaxis] if part.ndim == 2 else part for part in given]
    if not arrays:
        raise ValueError(f"{who} has nothing to stack: give one array or more")
    for array in arrays:
        count_bands(array, who)
    if len({(array.shape[:AXIS], array.shape[-2:]) for array in arrays}) > 1:
        shapes = ", ".join(str(part.shape) for part in given)
        raise ValueError(f"{who} stacks arrays that differ only in their bands, not of shapes {shapes}")
    return concatenated(arrays, AXIS)


def concatenated(arrays: Sequence[Array], axis: int) -> Array:
    """Return arrays one behind the other, masked where any of them is a masked array."""
    data = np.concatenate([np.ma.getdata(array) for array in arrays], axis=axis)
    if not any(map(np.ma.isMaskedArray, arrays)):
        return data
    masked: Array = np.ma.array(data, mask=np.concatenate([np.ma.getmaskarray(a) for a in arrays], axis=axis))
    return masked


class SelectBands(Operator["Array", "Array"]):
    """Takes bands by their numbers, in that order.

    Parameters
    ----------
    bands
        Numbers from 1, or a single one; a band may come twice.

    Raises
    ------
    TypeError
        A number is not whole.
    ValueError
        A number is below 1, or there is none. When it is called: the patch has fewer bands.

    Examples
    --------
    >>> import numpy as np
    >>> patch = np.array([[[1, 2]], [[3, 4]], [[5, 6]]], dtype="uint16")
    >>> SelectBands([3, 1])(patch).tolist()
    [[[5, 6]], [[1, 2]]]
    >>> SelectBands(4)(patch)
    Traceback (most recent call last):
        ...
    ValueError: SelectBands takes band 4, and a patch of shape (3, 1, 2) has 3: give numbers from 1 to 3

    """

    def __init__(self, bands: int | Sequence[int]) -> None:
        numbers = bands if isinstance(bands, Sequence) else [bands]
        self.bands: Final = tuple(band_number(number, "a band of SelectBands") for number in numbers)
        if not self.bands:
            raise ValueError(
                "SelectBands takes no band: give one number or more, such as SelectBands([4, 3, 2])"
            )

    def __call__(self, patch: Array, /) -> Array:
        """Return the bands, in the dtype of the patch."""
        return bands_of(patch, self.bands, self.name)

    def get_config(self) -> dict[str, Json]:
        """Return the name, and the numbers of the bands."""
        return {**super().get_config(), "bands": list(self.bands)}


class StackBands(Operator["Sequence[Array]", "Array"]):
    """Makes one array of several: the bands of the first, then those of the second, and so on.

    It takes a list or tuple, as a function before it returns one. `Fanout` runs several operators on one
    patch and stacks their results.

    Raises
    ------
    TypeError
        It is called with an array instead of a list of them.
    ValueError
        The list is empty, or the arrays differ in more than their number of bands.

    Examples
    --------
    >>> import numpy as np
    >>> def ends(patch):
    ...     return [patch.min(axis=-3), patch.max(axis=-3)]
    >>> low_and_high = ends | StackBands()
    >>> low_and_high(np.array([[[1, 2]], [[3, 4]], [[5, 6]]])).tolist()
    [[[1, 2]], [[5, 6]]]

    """

    def __call__(self, parts: Sequence[Array], /) -> Array:
        """Return the arrays stacked: ``(h, w)`` is one band, masks are kept, the dtype holds all."""
        if not isinstance(parts, list | tuple):
            raise TypeError(
                f"StackBands takes a list of arrays, not {type(parts).__name__}: write [first, second]"
            )
        return stacked(parts, self.name)
