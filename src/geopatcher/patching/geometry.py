"""Neighbourhoods: which pixels belong to the patch at an anchor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from rasterio.windows import Window

from geopatcher.core.axis import BOUNDARIES, Axis, lattice_axes, pixel_pair
from geopatcher.core.box import Box
from geopatcher.core.config import Configured, comparable
from geopatcher.core.places import NamedGrid

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import ArrayLike

    from geopatcher.core.places import Anchor
    from geopatcher.core.protocols import HasShape

#: What a geometry gives for an anchor; on rasters a rasterio ``Window``.
N_co = TypeVar("N_co", covariant=True)


class SpatialGeometry(Configured, ABC, Generic[N_co]):
    """Maps an anchor to its neighbourhood."""

    @abstractmethod
    def neighborhood(self, domain: HasShape, anchor: Anchor) -> N_co:
        """Return what selects the patch at ``anchor`` from a field on ``domain``.

        Parameters
        ----------
        domain
            Anything with a ``shape`` that ends in height and width.
        anchor
            ``(row, col)``.

        Returns
        -------
        object
            On rasters a rasterio ``Window``.

        """

    @abstractmethod
    def extent(self, domain: HasShape) -> tuple[int, ...]:
        """Return the size of the largest neighbourhood on ``domain``.

        Parameters
        ----------
        domain
            Anything with a ``shape`` that ends in height and width.

        Returns
        -------
        tuple of int
            ``(height, width)`` in pixels; ``(n,)`` of points or features.

        """


@dataclass(frozen=True, init=False)
class SpatialRectangular(SpatialGeometry[Window]):
    """Rectangles of one size, anchored at their upper-left pixel.

    ``size`` is ``(height, width)`` in pixels, or one number for both. ``boundary`` says what becomes
    of a patch that would reach over the edge of the raster:

    - ``"cover"``: it moves in, so that every pixel is covered by whole patches (a raster smaller
      than a patch is padded by reflection, and the result cropped);
    - ``"drop"``: it is left out, with the pixels only it would cover;
    - ``"pad"``: it stays and is filled with ``pad_value``, and those cells count as outside the raster
      (``None``: of integers their nodata value, else 0; never NaN, which an operator that looks around
      would carry into the raster);
    - ``"reflect"``: it stays and is filled with the mirrored raster;
    - ``"shrink"``: it stays and is cut off, so it is smaller;
    - ``"raise"``: it is an error.

    Elsewhere a lattice of patches often ends where the last whole one does, and the rest is lost in silence:
    ``boundary="drop"`` is that.

    Parameters
    ----------
    size
        ``(height, width)`` in pixels, or one number for both.
    boundary
        What becomes of a patch that reaches over the edge; ``"cover"`` by default.
    pad_value
        What ``boundary="pad"`` fills with.

    Raises
    ------
    ValueError
        ``size`` is not a positive whole number or a pair of them, or ``boundary`` is unknown.

    Examples
    --------
    >>> from geopatcher.core.domain import RasterDomain
    >>> SpatialRectangular(64).neighborhood(RasterDomain((256, 256)), (0, 32))
    Window(col_off=32, row_off=0, width=64, height=64)

    """

    size: tuple[int, int]
    boundary: str
    pad_value: float | None = field(compare=False)
    _padded_with: object = field(init=False, repr=False)  # what is compared in its place

    def __init__(self, size: ArrayLike, boundary: str = "cover", pad_value: float | None = None) -> None:
        if boundary not in BOUNDARIES:
            raise ValueError(f"boundary {boundary!r} is none of {', '.join(BOUNDARIES)}")
        object.__setattr__(self, "size", pixel_pair(size, "size"))
        object.__setattr__(self, "boundary", boundary)
        object.__setattr__(self, "pad_value", pad_value)
        object.__setattr__(self, "_padded_with", comparable(pad_value))

    def neighborhood(self, domain: HasShape, anchor: Anchor) -> Window:
        """Return the patch at ``anchor``, ``(row, col)``, as a rasterio window of whole pixels.

        On a `geopatcher.GridDomain` the anchor is ``{dim: index}``, and so is what is returned, with a slice
        for each of rows and columns.

        Raises
        ------
        ValueError
            ``boundary="shrink"`` and the patch has no pixel in the domain, or it overhangs a `GridDomain`.
        TypeError
            The anchor is of another kind than the domain has.

        """
        if isinstance(domain, NamedGrid):
            return _by_name(self, domain, anchor)
        if isinstance(anchor, int | np.integer | Mapping):
            raise TypeError(f"an anchor on a raster is (row, col), not {anchor!r}")
        box = Box.at(anchor, self.size)
        if self.boundary == "shrink":
            grid = _grid(domain)
            box = box.intersect(Box.of_shape(grid))
            if box.n_pixels == 0:
                raise ValueError(
                    f"the patch of {self.size[0]}x{self.size[1]} at anchor {anchor} has no pixel in the "
                    f"raster of {grid[0]}x{grid[1]}, so nothing is left when it is cut off there"
                )
        return Window(col_off=box.col0, row_off=box.row0, width=box.width, height=box.height)

    def extent(self, domain: HasShape) -> tuple[int, int]:
        """Return the size of a patch, cut off at the domain for ``boundary="shrink"``.

        >>> from geopatcher.core.domain import RasterDomain
        >>> SpatialRectangular(64, boundary="shrink").extent(RasterDomain((3, 20, 100)))
        (20, 64)
        """
        if self.boundary != "shrink":
            return self.size
        height, width = _grid(domain)
        return (min(self.size[0], height), min(self.size[1], width))

    def axes(self, domain_shape: tuple[int, ...], step: tuple[int, int]) -> tuple[Axis, Axis]:
        """Return the axes of rows and columns of a lattice of such patches.

        ``domain_shape`` ends in ``(height, width)``; ``step`` is ``(rows, columns)``.

        Parameters
        ----------
        domain_shape
            Ends in ``(height, width)``.
        step
            ``(rows, columns)``.

        Returns
        -------
        tuple of Axis
            Of rows, and of columns.

        """
        return lattice_axes(domain_shape, self.size, step, self.boundary)


def _by_name(geometry: SpatialRectangular, domain: NamedGrid, anchor: Anchor) -> dict[Hashable, slice | int]:
    """Return the slices of a patch on a grid with named dimensions."""
    if not isinstance(anchor, Mapping) or not {domain.rows, domain.cols} <= set(anchor):
        raise TypeError(f"an anchor on {domain!r} says {domain.rows!r} and {domain.cols!r}, not {anchor!r}")
    box = Box.at((anchor[domain.rows], anchor[domain.cols]), geometry.size)
    whole = Box.of_shape((len(domain.coords[domain.rows]), len(domain.coords[domain.cols])))
    if geometry.boundary == "shrink":
        box = box.intersect(whole)
    if not box.n_pixels or not whole.contains(box):
        raise ValueError(
            f"the patch of {geometry.size[0]}x{geometry.size[1]} at {dict(anchor)} reaches over the edge of "
            f'{domain!r}, where nothing fills it: take a smaller size, or boundary="shrink"'
        )
    rows, cols = box.slices()
    chosen: dict[Hashable, slice | int] = {dim: int(at) for dim, at in anchor.items()}
    chosen |= {domain.rows: rows, domain.cols: cols}
    return {dim: chosen[dim] for dim in domain.dims if dim in chosen}


def _grid(domain: HasShape) -> tuple[int, int]:
    height, width = domain.shape[-2:]
    return (int(height), int(width))
