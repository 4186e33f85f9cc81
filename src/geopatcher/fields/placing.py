"""One of several rasters put over the first: as it is, warped onto the same pixels, or on its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from geopatcher.core.domain import RasterDomain
from geopatcher.core.packing import Member
from geopatcher.errors import SourceError
from geopatcher.fields.aligned import SAME, Aligned, Placed
from geopatcher.fields.grids import same_crs, whole_shift
from geopatcher.fields.mosaic import Mosaic
from geopatcher.fields.scenes import scene_on
from geopatcher.fields.warping import METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from geopatcher.core.sources import PixelSource

    #: ``(rows, columns)``.
    Pair: TypeAlias = tuple[int, int]

#: How far a ratio of pixels may be from a whole one: over a raster of 10,000 pixels a tenth of one.
RATIO_SLACK = 1e-5


def aligned(
    sources: Mapping[str, PixelSource],
    *,
    native: Sequence[str] = (),
    resampling: Mapping[str, str] | str | None = None,
    either: bool = False,
) -> Aligned:
    """Return several rasters as one source, on the grid of the first.

    Parameters
    ----------
    sources
        Rasters by the names that an operator is given them by.
    native
        Those that keep their own pixels.
    resampling
        How pixels are made where one is warped: one of GDAL's names for all, or for some by their own name.
    either
        Whether a pixel counts as data where any of them holds some.

    Raises
    ------
    SourceError
        One of them cannot be put over the first; names it.
    ValueError
        A name is none of them, or there is no such resampling.

    """
    first_name = next(iter(sources), None)
    if first_name is None or not all(isinstance(name, str) and name for name in sources):
        raise ValueError(f"several rasters are given by their names, one at least, not by {list(sources)}")
    by_name = resampling if isinstance(resampling, Mapping) else dict.fromkeys(sources, resampling)
    for what, names in (("native", native), ("resampling", by_name)):
        unknown = [name for name in names if name not in sources]
        if unknown:
            raise ValueError(f"{what} names {unknown[0]!r}, and the rasters are {', '.join(sources)}")
    if first_name in native:
        raise ValueError(f"{first_name} is the first, whose pixels all others lie on: leave it out of native")
    for method in by_name.values():
        if method is not None and method not in METHODS:
            raise ValueError(f"resampling is one of {', '.join(METHODS)}, not {method!r}")
    grid = sources[first_name].domain
    placed = [
        placed_on(name, source, grid, first_name, native=name in native, resampling=by_name.get(name))
        for name, source in sources.items()
    ]
    return Aligned(tuple(placed), either)


def placed_on(
    name: str,
    source: PixelSource,
    grid: RasterDomain,
    first_name: str,
    *,
    native: bool = False,
    resampling: str | None = None,
) -> Placed:
    """Put a raster over the first one.

    With ``native`` it keeps its own pixels, which have to be a whole number of times as fine or as coarse as
    those of the first, and begin with them. Without, it is warped where it does not share the pixels of the
    first, by ``resampling``. One without a transform and a CRS lies over all of the first.

    Raises
    ------
    SourceError
        It lies nowhere on the first, or cannot be warped, or has pixels of another shape; names both.

    """
    domain = source.domain
    called = f"{name} ({source.name})"
    finer, coarser = _ratio(called, domain, first_name, grid) if native else (SAME, SAME)
    onto = _refined(RasterDomain(grid.grid_shape, grid.transform, grid.crs), finer, coarser)
    same_shape = domain.grid_shape == onto.grid_shape
    tied = domain.is_tied and grid.is_tied
    if tied or _is_nowhere(domain) or _is_nowhere(grid):
        if not same_shape or (tied and domain.metadata.ground != grid.metadata.ground):
            raise SourceError(
                f"{called} has {_by(domain.grid_shape)} pixels and {first_name} {_by(onto.grid_shape)}, and "
                f"not both say where they lie: give arrays of one shape, or rasters with a transform and CRS"
            )
        found = source
    elif same_shape and whole_shift(domain, onto) == (0, 0):
        found = source
    elif native and whole_shift(domain, onto) is None:
        raise SourceError(
            f"pixels of {called} begin within pixels of {first_name}: leave it out of native to have it "
            f"warped onto them, or warp it first, as with gdalwarp -tap"
        )
    else:
        found = _on_grid(called, source, onto, first_name, resampling)
    kind = found.domain
    member = Member(
        name,
        kind.n_bands,
        kind.dtype,
        finer,
        coarser,
        marked=found.has_nodata,
        band_names=kind.band_names,
        leading=domain.leading if len(domain.leading) > 1 else (),
    )
    return Placed(source, found, member)


def _is_nowhere(domain: RasterDomain) -> bool:
    """Whether a raster says nothing of where it lies."""
    return domain.crs is None and domain.transform == Affine.identity() and not domain.is_tied


def _on_grid(
    called: str, source: PixelSource, onto: RasterDomain, first_name: str, resampling: str | None
) -> PixelSource:
    """Return a raster on a grid: shifted where it shares the pixels, warped where it does not."""
    try:
        if scene_on(source, onto, "nearest") is not None:
            return Mosaic([source], onto, resampling=resampling)
    except SourceError as error:
        raise SourceError(f"{called} cannot be put on the grid of {first_name}: {error}") from error
    raise SourceError(
        f"{called} lies nowhere on {first_name}: the bounds are {source.domain.bounds} of one and "
        f"{onto.bounds} of the other, each in its own CRS"
    )


def _refined(grid: RasterDomain, finer: Pair, coarser: Pair) -> RasterDomain:
    """Return a grid of pixels so many times finer or coarser that begins at the same corner."""
    rows, cols = (coarse / fine for coarse, fine in zip(coarser, finer, strict=True))
    a, b, c, d, e, f = grid.transform[:6]
    shape = tuple(
        -(-length * fine // coarse)
        for length, fine, coarse in zip(grid.grid_shape, finer, coarser, strict=True)
    )
    return replace(grid, shape=shape, transform=Affine(a * cols, b * rows, c, d * cols, e * rows, f))


def _ratio(called: str, domain: RasterDomain, first_name: str, grid: RasterDomain) -> tuple[Pair, Pair]:
    """Return how many times finer, and coarser, the pixels of a raster are than those of the first."""
    if _is_nowhere(domain) or _is_nowhere(grid):
        sides = [first / own for first, own in zip(grid.grid_shape, domain.grid_shape, strict=True)]
        askew = 0.0
    elif not same_crs(domain.crs, grid.crs):
        raise SourceError(
            f"{called} is in another CRS than {first_name}, and has no pixels in common with it: leave it "
            f"out of native to have it warped"
        )
    else:
        between = np.linalg.inv(_sides(grid)) @ _sides(domain)
        sides, askew = [float(between[1, 1]), float(between[0, 0])], float(abs(between[[0, 1], [1, 0]]).max())
    coarse, fine = (_whole(sides), _whole([1 / side if side else 0.0 for side in sides]))
    if askew > RATIO_SLACK or (coarse is None and fine is None):
        raise SourceError(
            f"a pixel of {called} is {sides[0]:.6g}x{sides[1]:.6g} of {first_name} (rows x columns): native "
            f"needs a whole number of one in the other. Leave it out of native to have it warped"
        )
    return (SAME, coarse) if coarse is not None else (fine or SAME, SAME)


def _sides(domain: RasterDomain) -> NDArray[np.float64]:
    """Return what a column and a row are in coordinates."""
    a, b, _, d, e, _ = domain.transform[:6]
    return np.array([[a, b], [d, e]])


def _whole(sides: list[float]) -> Pair | None:
    """Return sides that are whole numbers, ``None`` for others.

    >>> _whole([3.0, 1.0]), _whole([2.5, 2.0]), _whole([0.5, 0.5])
    ((3, 1), None, None)
    """
    rows, cols = (round(side) for side in sides)
    exact = all(abs(side - whole) <= RATIO_SLACK for side, whole in zip(sides, (rows, cols), strict=True))
    return (rows, cols) if exact and min(rows, cols) >= 1 else None


def _by(shape: Pair) -> str:
    return f"{shape[0]}x{shape[1]}"
