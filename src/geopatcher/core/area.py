"""An area of a raster that is no rectangle: which of its cells, patches and pixels it takes in."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine
from rasterio.features import rasterize

from geopatcher._optional import later
from geopatcher.core.box import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import shapely
    from numpy.typing import NDArray
else:
    shapely = later("shapely")

#: Side of the squares whose cells are found at once. Squares, and no patches: a cell on the outline is in or
#: out whichever patch asks.
SQUARE = 256
#: So many squares are remembered.
REMEMBERED = 256
#: An edge this close to that of a pixel, in pixels, is meant to lie on it.
SLACK_PX = 1e-6
#: An outline of more corners is cut to each square first.
MANY = 1000
#: Decimals of WKT, of which no double has more than 21 in the notation of GEOS; its "full" precision is 16.
WKT_DECIMALS = 30
#: No cell, and all of them.
OUTSIDE, INSIDE = False, True


@dataclass
class _Squares:
    """What was found last, and whose turn it is with the shape; they do not travel."""

    found: OrderedDict[tuple[int, int], NDArray[np.bool_] | bool] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def __reduce__(self) -> tuple[type[_Squares], tuple[()]]:
        return (_Squares, ())


@dataclass(frozen=True)
class Area:
    """A polygon, or several, on the grid of a result.

    ``shape`` has columns for x and rows for y, counted from the grid's corner. A cell is in it whose centre
    is; with ``all_touched`` every cell of which some is.

    >>> area = Area(shapely.box(1, 0, 3, 2))
    >>> area.cells(Box(0, 2, 0, 4))
    array([[False,  True,  True, False],
           [False,  True,  True, False]])
    >>> area.touches(Box(0, 2, 3, 9)), area.cells(Box(0, 2, 1, 3))
    (False, True)
    """

    shape: shapely.Geometry
    all_touched: bool = False
    _squares: _Squares = field(default_factory=_Squares, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", own_copy(self.shape))
        shapely.prepare(self.shape)

    @property
    def bounds(self) -> Box:
        """The smallest rectangle of cells around it."""
        left, top, right, bottom = shapely.bounds(self.shape)
        rows, cols = (
            (math.floor(lo + SLACK_PX), math.ceil(hi - SLACK_PX)) for lo, hi in ((top, bottom), (left, right))
        )
        return Box(*rows, *cols)

    def touches(self, box: Box) -> bool:
        """Whether some of a rectangle lies in it, by more than an edge."""
        cells = _rectangle(box)
        with self._squares.turn:
            return bool(shapely.intersects(self.shape, cells) and not shapely.touches(self.shape, cells))

    def cells(self, box: Box) -> NDArray[np.bool_] | bool:
        """Return which cells of a rectangle are in it, shaped like that; one answer where all are or none."""
        known: NDArray[np.bool_] = np.zeros(box.shape, dtype=bool)
        for part in box.tiles((SQUARE, SQUARE)):
            row, col = part.row0 // SQUARE * SQUARE, part.col0 // SQUARE * SQUARE
            square = Box(row, row + SQUARE, col, col + SQUARE)
            said = self._square(square)
            known[part.slices(box)] = said if isinstance(said, bool) else said[part.slices(square)]
        if known.all():
            return INSIDE
        return known if known.any() else OUTSIDE

    def columns(self, box: Box, around: tuple[int, int], width: int, first: int = 0) -> Iterator[Box]:
        """Yield what of a rectangle lies near it, from top to bottom: pieces side by side.

        Near is less than ``around`` rows and columns away; pieces begin ``width`` or a multiple of it behind
        column ``first``.
        """
        rows, cols = around
        edges = [*range(first + (box.col0 - first) // width * width, box.col1, width), box.col1]
        start: int | None = None
        for lo, hi in pairwise(edges):
            near = Box(box.row0 - rows, box.row1 + rows, lo - cols, hi + cols)
            with self._squares.turn:
                is_near = shapely.intersects(self.shape, _rectangle(near))
            if is_near:
                start = max(lo, box.col0) if start is None else start
            elif start is not None:
                yield Box(box.row0, box.row1, start, lo)
                start = None
        if start is not None:
            yield Box(box.row0, box.row1, start, box.col1)

    def fingerprint(self) -> str:
        """Return what tells it from another."""
        kind = "touched" if self.all_touched else "centres"
        return f"{kind} {shapely.to_wkb(shapely.normalize(self.shape), hex=True)}"

    def _square(self, square: Box) -> NDArray[np.bool_] | bool:
        squares, key = self._squares, (square.row0, square.col0)
        with squares.lock:
            if key in squares.found:
                squares.found.move_to_end(key)
                return squares.found[key]
        with squares.turn:
            said = self._looked_at(square)
        with squares.lock:
            squares.found[key] = said
            while len(squares.found) > REMEMBERED:
                squares.found.popitem(last=False)
        return said

    def _looked_at(self, square: Box) -> NDArray[np.bool_] | bool:
        rectangle = _rectangle(square)
        if not shapely.intersects(self.shape, rectangle):
            return OUTSIDE
        if shapely.contains_properly(self.shape, rectangle):
            return INSIDE
        near = self.shape
        if shapely.get_num_coordinates(near) > MANY:  # what lies far outside is cut away
            near = shapely.intersection(near, _rectangle(square.grown((2, 2, 2, 2))))
        corner = Affine.translation(square.col0, square.row0)
        burnt = rasterize([near], out_shape=square.shape, transform=corner, dtype="uint8")
        cells: NDArray[np.bool_] = burnt > 0
        if self.all_touched:  # which GDAL answers differently for another rectangle, where corners meet
            shapely.prepare(near)
            rows, cols = np.nonzero(~cells)
            x, y = cols + square.col0, rows + square.row0
            boxes = shapely.box(x, y, x + 1, y + 1)
            cells[rows, cols] = shapely.intersects(near, boxes) & ~shapely.touches(near, boxes)
        return cells


def own_copy(shape: shapely.Geometry) -> shapely.Geometry:
    """Return a geometry that nobody else has.

    One that is prepared, which shapely does by itself too, is for one thread at a time: what GEOS keeps
    beside it is made while it is asked, and two threads at once end the process.
    """
    return shapely.from_wkb(shapely.to_wkb(shape))


def exact_wkt(shapes: Iterable[shapely.Geometry | None]) -> list[str | None]:
    """Return geometries as WKT that gives the same numbers again, ``None`` for those that are missing.

    >>> exact_wkt([shapely.Point(1 / 3, 0.027), None])
    ['POINT (0.3333333333333333 0.027)', None]
    """
    return [None if shape is None else shapely.to_wkt(shape, WKT_DECIMALS) for shape in shapes]


def _rectangle(box: Box) -> shapely.Geometry:
    return shapely.box(box.col0, box.row0, box.col1, box.row1)
