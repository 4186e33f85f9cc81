"""Parts of a source: some of its bands, and a window by pixels or by coordinates."""

from __future__ import annotations

import math
from operator import index
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.area import SLACK_PX
from geopatcher.core.band_names import bands_called
from geopatcher.core.box import Box
from geopatcher.core.leading import at_each_place
from geopatcher.core.protocols import BandSelectable
from geopatcher.engine.prepare import check_region
from geopatcher.fields.labels import names_along

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import PixelSource


def pick_bands(source: PixelSource, bands: Sequence[int | str]) -> PixelSource:
    """Return a source of some bands, by number from 1 or by name, in the order given; others are not read.

    Of several leading dimensions, such as ``(time, band)``, these are along the last, at each place of the
    others.

    Raises
    ------
    ValueError
        There is no such band, or none is named, or bands of this kind of source cannot be picked.
    TypeError
        Bands are neither whole numbers nor names.

    """
    if isinstance(bands, str):
        raise TypeError(f"bands are numbers from 1 or names in a list, such as [{bands!r}], not {bands!r}")
    names = bands_of_each(source.domain)
    try:
        numbers = [_number(band, source, names) if isinstance(band, str) else index(band) for band in bands]
    except TypeError as error:
        raise TypeError(
            f"bands are whole numbers from 1, or names, in a list, such as [4, 3, 2], not {bands!r}"
        ) from error
    leading = source.domain.leading
    n_bands = leading[-1].length if leading else source.domain.n_bands
    wrong = [band for band in numbers if not 1 <= band <= n_bands]
    if wrong or not numbers:
        raise ValueError(f"{source.name} has bands 1 to {n_bands}; asked for {wrong or 'none'}")
    if len(source.domain.shape) == 2:
        return source
    if isinstance(source, BandSelectable):
        picked = [band - 1 for band in numbers]
        return source.select_bands(at_each_place(leading, picked) if leading else picked)
    raise ValueError(f"bands cannot be chosen from {source.name}: give its path, or an array")


def bands_of_each(domain: RasterDomain) -> tuple[str, ...]:
    """Return what bands are called at each place along all leading dimensions but the last.

    >>> from affine import Affine
    >>> from geopatcher.core.domain import RasterDomain
    >>> from geopatcher.core.leading import Dimension
    >>> leading = (Dimension("time", 2), Dimension("band", 2, ("B04", "B08"), "str"))
    >>> bands_of_each(RasterDomain((4, 5, 6), Affine.identity(), leading=leading))
    ('B04', 'B08')
    """
    own = domain.leading[-1:]
    return names_along(own, own[0].length) if len(domain.leading) > 1 else domain.band_names


def _number(name: str, source: PixelSource, names: Sequence[str]) -> int:
    """Return which band, from 1, has a name."""
    found = bands_called(name, names)
    if len(found) != 1:
        known = ", ".join(names) or "no names: choose by number"
        what = f"{len(found)} bands" if found else "no band"
        raise ValueError(f"{source.name} has {what} called {name}; its bands are {known}")
    return found[0] + 1


def box_of_bounds(domain: RasterDomain, bounds: tuple[float, float, float, float]) -> Box:
    """Return the pixels that ``(left, bottom, right, top)``, in coordinates of the CRS, touch.

    Of a rotated raster these are the smallest rectangle of pixels that holds them.

    Raises
    ------
    ValueError
        The bounds are empty, or lie outside the raster.

    Examples
    --------
    >>> from affine import Affine
    >>> from geopatcher.core.domain import RasterDomain
    >>> domain = RasterDomain((100, 100), Affine(10, 0, 5000, 0, -10, 8000))
    >>> box_of_bounds(domain, (5000, 7905, 5025, 7950))
    Box(row0=5, row1=10, col0=0, col1=3)

    """
    given = np.asarray(bounds)
    if given.shape != (4,) or given.dtype.kind not in "iuf":
        raise ValueError(f"bounds are four numbers, left, bottom, right and top, not {bounds!r}")
    left, bottom, right, top = bounds
    if not (left < right and bottom < top):
        raise ValueError(f"bounds {bounds} are empty: give left, bottom, right, top, as in 5e5,4e6,6e5,5e6")
    a, b, c, d, e, f = domain.transform[:6]
    scale = a * e - b * d
    corners = [(x - c, y - f) for x in (left, right) for y in (bottom, top)]
    cols = [(e * x - b * y) / scale for x, y in corners]
    rows = [(a * y - d * x) / scale for x, y in corners]
    box = Box(
        math.floor(min(rows) + SLACK_PX),
        math.ceil(max(rows) - SLACK_PX),
        math.floor(min(cols) + SLACK_PX),
        math.ceil(max(cols) - SLACK_PX),
    ).intersect(Box.of_shape(domain.grid_shape))
    if box.empty:
        raise ValueError(f"bounds {bounds} lie outside the raster, whose own are {domain.bounds}")
    return box


def box_within(domain: RasterDomain, region: Box) -> Box:
    """Return a window of pixels, refusing one that is empty or reaches over the edge.

    Raises
    ------
    TypeError
        It is no `Box` of whole pixels.
    ValueError
        Names the window and the raster's size.

    """
    region = check_region(region)
    whole = Box.of_shape(domain.grid_shape)
    if region.empty or not whole.contains(region):
        raise ValueError(
            f"window {region} is not inside the raster of {domain.height} rows and {domain.width} columns"
        )
    return region
