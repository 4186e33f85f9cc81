"""Points as a domain, and a raster's values at them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from geopatcher._optional import load
from geopatcher.core.box import Box
from geopatcher.core.config import Configured, known_only
from geopatcher.core.domain_json import crs_to_json
from geopatcher.core.sphere import unit_vectors
from geopatcher.fields.open import as_field
from geopatcher.patching.cells import Cells
from geopatcher.patching.lonlat import DEGREES, as_counted, to_degrees, transformed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from numpy.typing import ArrayLike, NDArray

    from geopatcher.core.places import Tree
    from geopatcher.core.protocols import Array, PixelSource
    from geopatcher.fields.open import Source

Interp: TypeAlias = Literal["nearest", "linear", "bilinear"]
INTERPS = ("nearest", "linear", "bilinear")
#: Rows and columns of a raster that are looked at together when it is sampled.
TILE = 512
#: A point this close to the raster's edge, in pixels, is on it.
EDGE = 1e-6


class PointDomain(Configured):
    """Numbered points: a domain of stations, soundings or nodes of a mesh. Anchors are their numbers.

    Parameters
    ----------
    coords
        ``(n, 2)``: x, y in units of ``crs``, longitude first.
    kdtree
        A KD-tree over ``coords`` with scipy's ``query`` and ``query_ball_point``. By default one is built
        when it is asked for, which needs scipy, the extra ``features``.
    crs
        Anything pyproj understands. Without one, distances along the sphere take coordinates for degrees.
    interp
        How `sample` looks up a raster: ``"nearest"``, the pixel that a point lies in, or ``"linear"``,
        between the centres of four, which GDAL calls ``"bilinear"``.

    Raises
    ------
    ValueError
        ``coords`` are not finite pairs, or ``interp`` is unknown.

    Examples
    --------
    >>> domain = PointDomain([(10.0, 50.0), (12.0, 48.0)], crs="EPSG:4326")
    >>> domain.shape, domain.bounds
    ((2,), (10.0, 48.0, 12.0, 50.0))
    >>> PointDomain.from_config(domain.get_config()) == domain
    True

    """

    def __init__(
        self, coords: ArrayLike, kdtree: Tree | None = None, crs: object = None, interp: Interp = "nearest"
    ) -> None:
        given = np.asarray(coords, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != 2 or not len(given):
            raise ValueError(f"coords are pairs (x, y), an array (n, 2), not shaped {given.shape}")
        bad = np.flatnonzero(~np.isfinite(given).all(axis=1))
        if bad.size:
            raise ValueError(
                f"{bad.size} of {len(given)} points are not finite, the first is number {bad[0]}"
            )
        if interp not in INTERPS:
            raise ValueError(f"interp {interp!r} is none of {', '.join(INTERPS)}")
        self.coords: NDArray[np.float64] = given
        self.kdtree = kdtree
        self.crs = crs
        self.interp = interp

    def get_config(self) -> dict[str, object]:
        """Return ``"coords"``, ``"crs"`` and ``"interp"``; a KD-tree follows from the coordinates.

        Returns
        -------
        dict
            What `from_config` takes.

        """
        return {"coords": self.coords.tolist(), "crs": crs_to_json(self.crs), "interp": self.interp}

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Make points of what `get_config` gave.

        Parameters
        ----------
        config
            ``"coords"``, and perhaps ``"crs"`` and ``"interp"``.

        Returns
        -------
        Self
            Equal to what the configuration was asked of.

        Raises
        ------
        TypeError
            There is no such parameter, or no ``"coords"``.
        ValueError
            As of the class.

        """
        return cls(**known_only(cls, config, ("coords", "crs", "interp")))  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PointDomain):
            return NotImplemented
        same = np.array_equal(self.coords, other.coords) and self.interp == other.interp
        return same and bool(self.crs == other.crs)

    def __hash__(self) -> int:
        return hash((self.shape, self.interp))

    def __repr__(self) -> str:
        return f"PointDomain({len(self.coords):,} points{'' if self.crs is None else f', {self.crs}'})"

    def __len__(self) -> int:
        return len(self.coords)

    @property
    def shape(self) -> tuple[int]:
        """``(n,)``."""
        return (len(self.coords),)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """``(left, bottom, right, top)`` of the points."""
        low, high = self.coords.min(axis=0), self.coords.max(axis=0)
        return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))

    @cached_property
    def plane_tree(self) -> Tree:
        """The KD-tree over ``coords``: the one given, or scipy's."""
        return _tree_of(self.coords) if self.kdtree is None else self.kdtree

    @cached_property
    def vectors(self) -> NDArray[np.float64]:
        """``(n, 3)``: the points on the unit sphere.

        Raises
        ------
        ValueError
            A point has no longitude and latitude.

        """
        lon, lat = to_degrees(DEGREES if self.crs is None else self.crs, self.coords[:, 0], self.coords[:, 1])
        lost = np.flatnonzero(~(np.abs(lat) <= 90.0 + 1e-9) | ~np.isfinite(lon))
        if lost.size:
            x, y = self.coords[lost[0]].tolist()
            raise ValueError(
                f"{lost.size} of {len(self.coords)} points have no longitude and latitude, the first ({x:g}, "
                f"{y:g}): check crs={self.crs!r}, and that x comes first"
            )
        return unit_vectors(lon, lat)

    @cached_property
    def sphere_tree(self) -> Tree:
        """A KD-tree over ``vectors``: near on the sphere is near along chords."""
        return _tree_of(self.vectors)

    def sample(self, raster: Source) -> Array:
        """Return the values of a raster at the points; it is read in windows, where there are points.

        Parameters
        ----------
        raster
            What `geopatcher.reconstruct` takes as a source. Points are brought into its CRS where both have
            one, and longitudes are counted as it does, from -180, from 0 or on beyond 180.

        Returns
        -------
        numpy.ndarray
            ``(n,)``, or ``(bands, n)`` of a raster with a dimension of bands. Floats: NaN where a point lies
            outside, or on pixels without data. For ``"linear"`` four pixels around a point are weighed, those
            without data left out as long as they weigh less than half; beyond the outermost centres the
            nearest ones count.

        Raises
        ------
        SourceError
            The raster cannot be read.

        Examples
        --------
        >>> values = np.arange(6.0).reshape(2, 3)
        >>> PointDomain([(0.5, 0.5), (2.9, 1.1), (9, 9)]).sample(values)
        array([ 0.,  5., nan])

        """
        source = as_field(raster).source
        domain = source.domain
        x, y = transformed(self.coords[:, 0], self.coords[:, 1], self.crs, domain.crs)
        if self.crs is not None:
            left, _, right, _ = domain.bounds
            x = as_counted(x, domain.crs, (left + right) / 2)
        height, width = domain.grid_shape
        with np.errstate(invalid="ignore"):
            rows, cols = Cells.of(domain).positions(x, y)
            inside = (rows >= -0.5 - EDGE) & (rows <= height - 0.5 + EDGE)
            inside &= (cols >= -0.5 - EDGE) & (cols <= width - 0.5 + EDGE)
        rows = np.clip(np.where(inside, rows, 0.0), 0.0, height - 1.0)
        cols = np.clip(np.where(inside, cols, 0.0), 0.0, width - 1.0)
        values = np.full((domain.n_bands, len(x)), np.nan, np.result_type(domain.dtype, np.float32))
        numbers = np.flatnonzero(inside)
        tiles = (rows[numbers] // TILE) * (width // TILE + 1) + cols[numbers] // TILE
        order = np.argsort(tiles, kind="stable")
        starts = np.flatnonzero(np.diff(tiles[order], prepend=-1.0))
        for group in np.split(numbers[order], starts[1:]):
            if len(group):
                values[:, group] = _looked_up(source, rows[group], cols[group], self.interp)
        return values if len(domain.shape) == 3 else values[0]


def _tree_of(places: NDArray[np.float64]) -> Tree:
    tree: Tree = load("scipy.spatial").cKDTree(places)
    return tree


def _looked_up(
    source: PixelSource, rows: NDArray[np.float64], cols: NDArray[np.float64], interp: str
) -> Array:
    """Return values at fractional rows and columns that lie near each other, ``(bands, n)``."""
    if interp == "nearest":  # a point between two pixels belongs to the next, as it does in a raster
        rows, cols = np.floor(rows + 0.5 + EDGE), np.floor(cols + 0.5 + EDGE)
    height, width = source.domain.grid_shape
    rows, cols = np.minimum(rows, height - 1.0), np.minimum(cols, width - 1.0)
    top, left = np.floor(rows).astype(np.int64), np.floor(cols).astype(np.int64)
    below, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    box = Box(int(top.min()), int(below.max()) + 1, int(left.min()), int(right.max()) + 1)
    pixels = source.read(box)
    valid = source.valid(box, pixels)
    floats = pixels.astype(np.result_type(pixels.dtype, np.float32))
    if valid is not None:
        floats[~np.broadcast_to(valid, floats.shape)] = np.nan
    top, below, left, right = top - box.row0, below - box.row0, left - box.col0, right - box.col0
    if interp == "nearest":
        nearest: Array = floats[:, top, left]
        return nearest
    down, across = np.mod(rows, 1.0), np.mod(cols, 1.0)
    total = np.zeros((len(floats), len(rows)))
    weight = np.zeros_like(total)
    for row, rows_weigh in ((top, 1.0 - down), (below, down)):
        for col, cols_weigh in ((left, 1.0 - across), (right, across)):
            corner = floats[:, row, col]
            known = ~np.isnan(corner)
            share = rows_weigh * cols_weigh * known
            total += np.where(known, corner, 0.0) * share
            weight += share
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight >= 0.5, total / weight, np.nan)
