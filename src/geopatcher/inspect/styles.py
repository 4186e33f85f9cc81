"""How a band looks, decided once: in the viewer, the report, plots and cards it is the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.box import Box
from geopatcher.core.styles import declared
from geopatcher.inspect.classes import classes_shown, painted
from geopatcher.inspect.levels import decoded_bytes, statistics_of
from geopatcher.inspect.meaning import scale_of
from geopatcher.inspect.png import LABELS, USUAL, coloured, looks_like_labels, showable, value_range
from geopatcher.inspect.thumbnail import overview

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.metadata import ClassLabel
    from geopatcher.core.protocols import Array
    from geopatcher.core.statistics import Statistics
    from geopatcher.inspect.levels import Described, Raster

#: The ramp of layers, which are not to be taken for results.
OF_LAYERS = "magma"
#: Longest side of what the look of a band is decided by, in cells.
SEEN_PX = 1024


@dataclass(frozen=True, slots=True)
class BandStyle:
    """How a band looks: its values by a ramp between two of them, or each of its classes in a color.

    Parameters
    ----------
    ramp
        The name of a ramp, ``"labels"`` for classes.
    span
        The lowest and the highest value of the ramp.
    classes
        The classes by their values; none of a quantity.
    shares
        How much of the cells that hold a value each class has, 0 to 1.

    """

    ramp: str
    span: tuple[float, float]
    classes: tuple[ClassLabel, ...] = ()
    shares: tuple[float, ...] = ()

    def painted(self, cells: Array) -> NDArray[np.uint8]:
        """Return cells as colors, ``(h, w, 4)`` uint8; NaN is transparent.

        Of a map of classes, those that were not seen when its style was made are of the palette.
        """
        if self.ramp != LABELS:
            return coloured(cells, self.span, self.ramp)
        picture = painted(cells, self.classes)
        others = np.isfinite(cells) & (picture[..., 3] == 0)
        others &= ~np.isin(cells, [one.value for one in self.classes])
        picture[others] = coloured(cells[others], self.span, LABELS)
        return picture


def style_of(
    raster: Described, band: int, cells: Array, *, labels: bool | None = None, ramp: str = USUAL
) -> BandStyle:
    """Return how a band looks, going by what its raster says and by ``cells`` of it.

    A quantity is shown from the lowest to the highest of the cells that are seen, but for 2 % at either end.
    Where no cell is seen that holds data, or all are alike, it is shown from the lowest to the highest of all
    cells, if that is known.

    Parameters
    ----------
    raster
        Its grid, and what is known of all of its cells.
    band
        Counted from 0.
    cells
        Of the band, floats, NaN where missing.
    labels
        Whether values are names, such as classes; `None` to decide by `is_labels`.
    ramp
        That of a quantity whose raster names none.

    Examples
    --------
    >>> from geopatcher.inspect.levels import raster_of
    >>> from geopatcher.fields.array_source import ArraySource
    >>> cells = np.arange(101.0)[None]
    >>> style_of(raster_of(ArraySource.of(cells)), 0, cells).span
    (2.0, 98.0)
    >>> classes = np.array([[10, 20], [20, 20]], np.uint8)
    >>> found = style_of(raster_of(ArraySource.of(classes)), 0, np.array([[10.0, 20.0], [20.0, np.nan]]))
    >>> [one.name for one in found.classes], [round(share, 2) for share in found.shares]
    (['10', '20'], [0.33, 0.67])

    """
    domain, known = raster.domain, cells[np.isfinite(cells)]
    if is_labels(domain, known, band) if labels is None else labels and is_whole(known):
        classes = classes_shown(domain.metadata, band, known)
        shares = tuple(float((known == one.value).mean()) if known.size else 0.0 for one in classes)
        return BandStyle(LABELS, (0.0, 255.0), classes, shares)
    said = declared(domain.metadata, band)
    span = showable(*said.range) if said.range else _middle(known, statistics_of(raster, band))
    return BandStyle(said.ramp or ramp, span)


def _middle(known: Array, statistics: Statistics | None) -> tuple[float, float]:
    """Return the range that shows cells best, that of all of them where those seen show too little."""
    if statistics is None or (known.size and known.min() < known.max()):
        return value_range(known)
    low, high = float(statistics.minimum), float(statistics.maximum)
    return showable(low, high) if low < high else value_range(np.array([low]))


def is_labels(domain: RasterDomain, known: Array, band: int = 0) -> bool:
    """Whether a band holds names rather than quantities.

    The raster may say so, by names or colors of classes; or a sample of its cells, ``known``, holds only a
    few small whole numbers. What has a scale or an offset is a quantity.
    """
    if domain.dtype.kind not in "iub" or not known.size:
        return False
    said = domain.metadata.bands[band] if band < len(domain.metadata.bands) else None
    if said is not None and (said.classes or said.colormap or said.color == "palette"):
        return True
    if scale_of(domain.metadata, band) is not None:
        return False
    small = known.min() >= 0 and known.max() <= 255  # as palettes are; larger ones may not fit into integers
    return bool(small) and looks_like_labels(known.astype(np.int64))


def is_whole(known: Array) -> bool:
    """Whether all values are whole numbers, as those of classes are.

    >>> is_whole(np.array([1.0, 20.0])), is_whole(np.array([0.5]))
    (True, False)
    """
    return bool((known == np.floor(known)).all())


def seen(raster: Raster, band: int) -> Array:
    """Return the cells that the look of a band is decided by, everywhere the same ones."""
    return overview(raster, band, SEEN_PX)


def is_seen_soon(raster: Raster, limit_bytes: int) -> bool:
    """Whether `seen` decodes no more than so many bytes."""
    height, width = raster.domain.grid_shape
    step = max(1, -(-max(height, width) // SEEN_PX))
    return decoded_bytes(raster, Box.of_shape((height, width)), 1, step) <= limit_bytes
