"""Which cells of a result hold data, where no value of its dtype could say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from geopatcher.core.arrays import Array

#: The array beside a result that says which of its cells hold data.
VALID = "valid"
#: The tag, and its namespace, by which a GeoTIFF says that this array is a file beside it.
TAG_NAMESPACE, TAG = "GEOPATCHER", "VALID"
#: What its cells say; whatever is not 0 holds data.
MISSING, HELD, MET = 0, 1, 2
#: The same in words, as CF flags have them.
MEANINGS = "missing valid valid_and_equal_to_what_missing_cells_hold"


class Gaps(NamedTuple):
    """What was found in the cells of a result.

    ``missing`` hold no data; ``met`` do, and have the value that stands for missing; ``uneven`` are
    cells of the grid that are missing in some bands only.
    """

    missing: int = 0
    met: int = 0
    uneven: int = 0


def codes(cells: Array, known: Array | None, nodata: float | int | None) -> Array:
    """Return what a result's `VALID` array holds for ``cells``, shaped like them.

    ``known`` is where they hold data, shaped like them or one band for all; ``None`` is everywhere.

    >>> codes(np.array([[0, 0, 7]], "uint8"), np.array([[False, True, True]]), 0)
    array([[0, 2, 1]], dtype=uint8)
    """
    said: Array = np.full(cells.shape, HELD, np.uint8)
    if known is not None:
        said[...] = known
    if nodata is not None and nodata == nodata:  # noqa: PLR0124 - no cell equals NaN
        said <<= cells == cells.dtype.type(nodata)  # 0 stays 0, 1 becomes 2
    return said


def gaps_of(said: Array) -> Gaps:
    """Count what a part of a `VALID` array says, ``(h, w)`` or ``(bands, h, w)``.

    >>> gaps_of(np.array([[[0, 1, 1]], [[0, 0, 2]]], "uint8"))
    Gaps(missing=3, met=1, uneven=1)
    """
    held = said != MISSING
    missing = held.size - int(np.count_nonzero(held))
    uneven = 0
    if missing and said.ndim == 3 and len(said) > 1:
        uneven = int(np.count_nonzero(held.any(axis=0) & ~held.all(axis=0)))
    return Gaps(missing, int(np.count_nonzero(said == MET)), uneven)


def together(first: Gaps, second: Gaps) -> Gaps:
    """Return what was found in two parts.

    >>> together(Gaps(1, 2), Gaps(3, 4, 5))
    Gaps(missing=4, met=6, uneven=5)
    """
    return Gaps(first.missing + second.missing, first.met + second.met, first.uneven + second.uneven)
