"""A grid of named dimensions with a coordinate for each position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from numpy.typing import ArrayLike, NDArray

#: Names of dimensions that are known to be rows and columns, those that are surer first.
ROWS = ("y", "lat", "latitude", "northing", "row", "rows", "line", "lines", "rlat", "yc")
COLS = ("x", "lon", "longitude", "easting", "col", "cols", "column", "columns", "rlon", "xc")
#: Names of dimensions in degrees, whatever else is known.
DEGREES = ("lat", "latitude", "lon", "longitude")


@dataclass(frozen=True, init=False, eq=False)
class GridDomain:
    """A grid with named dimensions: anchors on it are ``{dim: index}``.

    Rows and columns are found by their names (``y``, ``lat``, ``northing`` ...; ``x``, ``lon`` ...), or else
    are the last two dimensions. Coordinates need not be evenly spaced.

    Parameters
    ----------
    coords
        ``{dim: values}``, one-dimensional, in the order of the array's dimensions.
    crs
        Anything pyproj understands. Dimensions called ``lat`` and ``lon`` are in degrees without one.

    Raises
    ------
    ValueError
        There is no dimension, or coordinates are not one-dimensional or have no values.

    Examples
    --------
    >>> domain = GridDomain({"lat": [60.0, 50.0, 40.0], "lon": [0.0, 10.0]})
    >>> domain.shape, domain.bounds
    ((3, 2), (0.0, 40.0, 10.0, 60.0))

    """

    coords: Mapping[Hashable, NDArray[np.generic]]
    crs: object

    def __init__(self, coords: Mapping[Hashable, ArrayLike], crs: object = None) -> None:
        arrays = {dim: np.asarray(values) for dim, values in coords.items()}
        if not arrays:
            raise ValueError("a GridDomain has at least one dimension: pass {'y': ..., 'x': ...}")
        for dim, values in arrays.items():
            if values.ndim != 1 or not len(values):
                raise ValueError(
                    f"the coordinates of {dim!r} are shaped {values.shape}: give one value for each position"
                )
        object.__setattr__(self, "coords", arrays)
        object.__setattr__(self, "crs", crs)

    @property
    def dims(self) -> tuple[Hashable, ...]:
        """Names of the dimensions, in order."""
        return tuple(self.coords)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions, in order."""
        return tuple(len(values) for values in self.coords.values())

    @property
    def rows(self) -> Hashable:
        """The dimension of rows."""
        return _spatial(self.dims)[0]

    @property
    def cols(self) -> Hashable:
        """The dimension of columns."""
        return _spatial(self.dims)[1]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """``(left, bottom, right, top)`` of the rectangle that holds all coordinates of rows and columns.

        Of the positions, that is: nothing says how far a cell reaches around its own.
        """
        x = np.asarray(self.coords[self.cols], dtype=np.float64)
        y = np.asarray(self.coords[self.rows], dtype=np.float64)
        return (float(x.min()), float(y.min()), float(x.max()), float(y.max()))

    @property
    def in_degrees(self) -> bool:
        """Whether the names of the dimensions say that coordinates are longitudes and latitudes."""
        return all(str(dim).lower() in DEGREES for dim in (self.rows, self.cols))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{dim}: {len(values)}" for dim, values in self.coords.items())
        return f"GridDomain({sizes}{'' if self.crs is None else f', {self.crs}'})"


def _named(dims: tuple[Hashable, ...], names: tuple[str, ...]) -> Hashable | None:
    lower = {str(dim).lower(): dim for dim in dims}
    return next((lower[name] for name in names if name in lower), None)


def _spatial(dims: tuple[Hashable, ...]) -> tuple[Hashable, Hashable]:
    """Return the dimensions of rows and columns: by name, else the last ones that are left."""
    rows, cols = _named(dims, ROWS), _named(dims, COLS)
    if cols is None:
        cols = next((dim for dim in reversed(dims) if dim != rows), dims[-1])
    if rows is None:
        rows = next((dim for dim in reversed(dims) if dim != cols), dims[-1])
    return rows, cols
