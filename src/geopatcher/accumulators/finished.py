"""What an aggregation gives of a tile, before it has the dtype of the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from geopatcher.core.metadata import Metadata

if TYPE_CHECKING:
    import numpy as np

    from geopatcher.core.protocols import Array


class Finished(NamedTuple):
    """Values of a tile, ``(bands, h, w)``, and which cells have one.

    ``covered`` is ``(h, w)`` or ``(bands, h, w)``; ``None`` says all of them. With a ``base``, shaped
    like ``values``, the value of a cell is ``base + values``: 64-bit integers and a fraction that
    float64 could not hold together.
    """

    values: Array
    covered: Array | None
    base: Array | None = None


class Beside(NamedTuple):
    """A further array that follows from the same state as a result.

    Its ``dtype``, what cells without a value hold, its ``bands`` (0 is ``(h, w)``), and what is said of them.
    """

    dtype: np.dtype
    fill: float | int
    bands: int = 0
    metadata: Metadata = Metadata()
