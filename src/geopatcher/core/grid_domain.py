"""A grid of named dimensions with a coordinate for each position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.config import Configured, known_only
from geopatcher.core.coordinate_json import coordinate_from_json, coordinate_to_json
from geopatcher.core.domain_json import crs_to_json

if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Self

    from numpy.typing import ArrayLike, NDArray

#: Names of dimensions that are known to be rows and columns, those that are surer first.
ROWS = ("y", "lat", "latitude", "northing", "row", "rows", "line", "lines", "rlat", "yc")
COLS = ("x", "lon", "longitude", "easting", "col", "cols", "column", "columns", "rlon", "xc")
#: Names of dimensions in degrees, whatever else is known.
DEGREES = ("lat", "latitude", "lon", "longitude")


@dataclass(frozen=True, init=False, eq=False)
class GridDomain(Configured):
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
    >>> GridDomain.from_config(domain.get_config()) == domain
    True

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

    def get_config(self) -> dict[str, object]:
        """Return ``"coords"``, of each dimension its dtype and its values, dates as text, and ``"crs"``.

        Returns
        -------
        dict
            What `from_config` takes.

        Raises
        ------
        TypeError
            The name of a dimension is no text, or coordinates are neither numbers, texts nor dates.

        """
        unnamed = [dim for dim in self.dims if not isinstance(dim, str)]
        if unnamed:
            raise TypeError(f"the dimension {unnamed[0]!r} cannot be told in a configuration: give it a name")
        told = {dim: coordinate_to_json(values) for dim, values in self.coords.items()}
        return {"coords": told, "crs": crs_to_json(self.crs)}

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Make a grid of what `get_config` gave.

        Parameters
        ----------
        config
            ``"coords"``, and perhaps ``"crs"``.

        Returns
        -------
        Self
            Equal to what the configuration was asked of.

        Raises
        ------
        TypeError
            There is no such parameter, or no ``"coords"``.
        ValueError
            Coordinates are of another kind.

        """
        given = known_only(cls, config, ("coords", "crs"))
        told = given.get("coords")
        if not isinstance(told, Mapping):
            raise TypeError(f"the configuration of a {cls.__name__} has coords, a dict by dimension")
        return cls({dim: coordinate_from_json(values) for dim, values in told.items()}, given.get("crs"))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GridDomain):
            return NotImplemented
        pairs = zip(self.coords.values(), other.coords.values(), strict=False)
        same = self.dims == other.dims and self.crs == other.crs
        return same and all(same_coordinate(mine, its) for mine, its in pairs)

    def __hash__(self) -> int:
        return hash((self.dims, self.shape))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{dim}: {len(values)}" for dim, values in self.coords.items())
        return f"GridDomain({sizes}{'' if self.crs is None else f', {self.crs}'})"


def same_coordinate(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    """Return whether two coordinates have the same values; those that are missing (NaN, NaT) are the same.

    >>> same_coordinate(np.array([1.0, np.nan]), np.array([1.0, np.nan]))
    True
    """
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind in "fcmM")


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
