"""Neighbourhoods: which pixels belong to the patch at an anchor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from rasterio.windows import Window

from geopatcher.core.axis import BOUNDARIES, Axis, lattice_axes, pixel_pair
from geopatcher.core.box import Box
from geopatcher.core.config import Configured

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from geopatcher.core.protocols import HasShape

#: What a geometry gives for an anchor; on rasters a rasterio ``Window``.
N_co = TypeVar("N_co", covariant=True)


class SpatialGeometry(Configured, ABC, Generic[N_co]):
    """Maps an anchor to its neighbourhood."""

    @abstractmethod
    def neighborhood(self, domain: HasShape, anchor: tuple[int, int]) -> N_co:
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
    def extent(self, domain: HasShape) -> tuple[int, int]:
        """Return ``(height, width)`` in pixels of the largest neighbourhood on ``domain``.

        Parameters
        ----------
        domain
            Anything with a ``shape`` that ends in height and width.

        Returns
        -------
        tuple of int
            ``(height, width)``.

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
    pad_value: float | None

    def __init__(self, size: ArrayLike, boundary: str = "cover", pad_value: float | None = None) -> None:
        if boundary not in BOUNDARIES:
            raise ValueError(f"boundary {boundary!r} is none of {', '.join(BOUNDARIES)}")
        object.__setattr__(self, "size", pixel_pair(size, "size"))
        object.__setattr__(self, "boundary", boundary)
        object.__setattr__(self, "pad_value", pad_value)

    def neighborhood(self, domain: HasShape, anchor: tuple[int, int]) -> Window:
        """Return the patch at ``anchor``, ``(row, col)``, as a rasterio window of whole pixels.

        Raises
        ------
        ValueError
            ``boundary="shrink"`` and the patch has no pixel in the domain.

        """
        row, col = int(anchor[0]), int(anchor[1])
        box = Box(row, row + self.size[0], col, col + self.size[1])
        if self.boundary == "shrink":
            grid = _grid(domain)
            box = box.intersect(Box.of_shape(grid))
            if box.n_pixels == 0:
                raise ValueError(
                    f"the patch of {self.size[0]}x{self.size[1]} at anchor ({row}, {col}) has no pixel in "
                    f"the raster of {grid[0]}x{grid[1]}, so nothing is left when it is cut off there"
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


def _grid(domain: HasShape) -> tuple[int, int]:
    height, width = domain.shape[-2:]
    return (int(height), int(width))
