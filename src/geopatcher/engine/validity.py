"""Which cells of a patch's result count."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import numpy as np

if TYPE_CHECKING:
    from geopatcher.core.protocols import Array


def is_masked_array(data: object) -> TypeGuard[np.ma.MaskedArray]:
    """Whether an array is masked. ``numpy.ma``, which takes time to load, is not loaded for a plain one."""
    return type(data) is not np.ndarray and isinstance(data, np.ma.MaskedArray)


def where_not_nan(pixels: Array) -> Array | None:
    """Return where floats are numbers; ``None`` when all of them are."""
    if pixels.dtype.kind != "f":
        return None
    largest = np.maximum.reduce(pixels, axis=None, initial=-np.inf)
    if largest == largest:  # noqa: PLR0124 - NaN passes through the maximum, and is not equal to itself
        return None
    known: Array = ~np.isnan(pixels)
    return known


def known_cells(data: Array) -> Array | None:
    """Return which cells of a result are neither NaN nor masked; ``None`` for all."""
    if not is_masked_array(data):
        return where_not_nan(data)
    known = where_not_nan(np.ma.getdata(data))
    if not np.ma.is_masked(data):
        return known
    unmasked = ~np.ma.getmaskarray(data)
    return unmasked if known is None else known & unmasked


def shaped_like(valid: Array, shape: tuple[int, ...], *, own_bands: bool = True) -> Array:
    """Return which cells of a result of ``shape`` have data in the pixels it was made from.

    Band by band when the numbers of bands agree, and in all bands together otherwise, or where bands of the
    result are not known to be the source's own.
    """
    same = own_bands and valid.shape == shape
    return valid if same else np.broadcast_to(valid.all(axis=0), shape)


def both_count(
    valid: Array | None, known: Array | None, shape: tuple[int, ...], *, own_bands: bool = True
) -> Array | None:
    """Return which cells of a result of ``shape`` count in the pixels it was made from and by themselves.

    ``valid`` is that of the pixels, see `shaped_like`. ``None`` is all cells.
    """
    counts = known
    if valid is not None:
        wanted = shaped_like(valid, shape, own_bands=own_bands)
        counts = wanted if known is None else known & wanted
    return None if counts is None or counts.all() else counts


def validity(valid: Array | None, data: Array) -> Array | None:
    """Return which cells of a result count, shaped like it; ``None`` for all.

    A cell does not count where the result is NaN or masked, nor where ``valid``, that of the pixels
    it was made from, says that there was no data.
    """
    return both_count(valid, known_cells(data), data.shape)
