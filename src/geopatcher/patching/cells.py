"""Where the cells of a raster or named grid lie: centres, and the cells at coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import numpy as np

from geopatcher.core.box import Box
from geopatcher.core.cell_window import CellWindow
from geopatcher.core.places import NamedGrid, cell_at

if TYPE_CHECKING:
    from collections.abc import Hashable

    from affine import Affine
    from numpy.typing import NDArray

    from geopatcher.core.places import Anchor
    from geopatcher.core.protocols import HasShape


@runtime_checkable
class Georeferenced(Protocol):
    """A domain that knows where its pixels are."""

    @property
    def transform(self) -> Affine:
        """From ``(column, row)`` of corners to ``(x, y)`` of the CRS."""
        ...

    @property
    def crs(self) -> object:
        """What pyproj takes for a CRS, or ``None``."""
        ...


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of a grid in two dimensions.

    ``xs`` and ``ys`` are the coordinates of columns and rows; ``None`` where the grid is rotated, and
    ``transform`` alone says where cells are. ``named`` is the domain whose dimensions have names.
    """

    shape: tuple[int, int]
    crs: object
    xs: NDArray[np.float64] | None = None
    ys: NDArray[np.float64] | None = None
    transform: Affine | None = None
    named: NamedGrid | None = None

    @classmethod
    def of(cls, domain: HasShape) -> Cells:
        """Return the cells of a domain.

        Raises
        ------
        TypeError
            The domain has no cells, or does not say where they are.

        """
        if isinstance(domain, NamedGrid):
            along_x = cast("NDArray[np.float64]", np.asarray(domain.coords[domain.cols], np.float64))
            along_y = cast("NDArray[np.float64]", np.asarray(domain.coords[domain.rows], np.float64))
            return cls((len(along_y), len(along_x)), domain.crs, along_x, along_y, named=domain)
        if not isinstance(domain, Georeferenced) or len(domain.shape) < 2:
            raise TypeError(
                f"{type(domain).__name__} is no raster and no named grid: take a RasterDomain or GridDomain"
            )
        height, width = (int(n) for n in domain.shape[-2:])
        a, b, c, d, e, f = (float(value) for value in domain.transform[:6])
        if b or d:
            return cls((height, width), domain.crs, transform=domain.transform)
        xs: NDArray[np.float64] = c + a * (np.arange(width, dtype=np.float64) + 0.5)
        ys: NDArray[np.float64] = f + e * (np.arange(height, dtype=np.float64) + 0.5)
        return cls((height, width), domain.crs, xs, ys, domain.transform)

    @property
    def box(self) -> Box:
        """All of them."""
        return Box.of_shape(self.shape)

    def place(self, anchor: Anchor) -> tuple[int, int]:
        """Return the row and column of an anchor.

        Raises
        ------
        TypeError
            It is no anchor of such a grid.
        IndexError
            It lies outside.

        """
        if self.named is not None and isinstance(anchor, Mapping):
            missing = [dim for dim in (self.named.rows, self.named.cols) if dim not in anchor]
            if missing:
                raise TypeError(f"the anchor {dict(anchor)} says nothing of {missing[0]!r}: give its index")
            row, col = cell_at((anchor[self.named.rows], anchor[self.named.cols]))
        elif not isinstance(anchor, Sequence | np.ndarray) or len(anchor) != 2:
            wanted = "(row, col)" if self.named is None else "{dim: index}"
            raise TypeError(f"an anchor on this domain is {wanted}, not {anchor!r}")
        else:
            row, col = cell_at(anchor)
        if not (0 <= row < self.shape[0] and 0 <= col < self.shape[1]):
            raise IndexError(
                f"the anchor {anchor!r} lies outside the grid of {self.shape[0]}x{self.shape[1]}"
            )
        return row, col

    def centres(self, box: Box) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return x and y of the centres in a box, each ``(h, w)``."""
        if self.xs is not None and self.ys is not None:
            x, y = np.meshgrid(self.xs[box.col0 : box.col1], self.ys[box.row0 : box.row1])
            return x, y
        a, b, c, d, e, f = self._affine()
        col, row = np.meshgrid(np.arange(box.col0, box.col1) + 0.5, np.arange(box.row0, box.row1) + 0.5)
        return a * col + b * row + c, d * col + e * row + f

    def positions(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return rows and columns of coordinates, as fractions: whole numbers at the centres of cells.

        Beyond the first and last centre of an uneven grid they stay at these.
        """
        if self.transform is None:
            if self.xs is None or self.ys is None:
                raise TypeError("the grid has neither coordinates nor a transform")
            return _along(self.ys, y), _along(self.xs, x)
        a, b, c, d, e, f = self._affine()
        determinant = a * e - b * d
        if determinant == 0.0:
            raise ValueError(
                f"the transform {(a, b, c, d, e, f)} puts all pixels on one line: it has no inverse"
            )
        right, down = x - c, y - f
        return (a * down - d * right) / determinant - 0.5, (e * right - b * down) / determinant - 0.5

    def _affine(self) -> tuple[float, ...]:
        if self.transform is None:
            raise TypeError("the grid has neither coordinates nor a transform")
        return tuple(float(value) for value in self.transform[:6])

    def indices(
        self, anchor: Anchor, box: Box, inside: NDArray[np.bool_], around: int | None = None
    ) -> CellWindow | dict[Hashable, slice | int | NDArray[np.int64]]:
        """Return what selects a rectangle of cells: a window, or an index by dimension on a named grid.

        Dimensions that are no rows or columns are selected at the anchor, where it says which.
        """
        window = CellWindow(box, inside, around)
        if self.named is None:
            return window
        cols = slice(box.col0, box.col1) if around is None else window.columns()
        spatial: dict[Hashable, slice | NDArray[np.int64]] = {
            self.named.rows: slice(box.row0, box.row1),
            self.named.cols: cols,
        }
        others = anchor if isinstance(anchor, Mapping) else {}
        return {
            dim: spatial[dim] if dim in spatial else int(others[dim])
            for dim in self.named.dims
            if dim in spatial or dim in others
        }


def _along(centres: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(centres, kind="stable")
    return np.interp(at, centres[order], order.astype(np.float64))
