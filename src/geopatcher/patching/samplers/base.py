"""What samplers share: the base class, seeds, and how anchors are kept inside a domain."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, Protocol, SupportsIndex, cast, runtime_checkable

import numpy as np

from geopatcher.core.axis import lattice_axes
from geopatcher.core.config import Configured
from geopatcher.core.places import NamedGrid
from geopatcher.core.protocols import RectGeometry
from geopatcher.errors import IncompleteScanConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from geopatcher.core.protocols import HasShape


class SpatialSampler(Configured, ABC):
    """Chooses where patches sit. One of your own is a dataclass with `anchors`.

    Examples
    --------
    >>> import geopatcher
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Diagonal(geopatcher.SpatialSampler):
    ...     step: int
    ...     def anchors(self, domain, geometry):
    ...         last = min(domain.shape[-2:]) - max(geometry.size)
    ...         return ((place, place) for place in range(0, last + 1, self.step))
    >>> list(Diagonal(10).anchors(geopatcher.RasterDomain((40, 60)), geopatcher.SpatialRectangular(16)))
    [(0, 0), (10, 10), (20, 20)]
    >>> Diagonal(10).get_config()["step"]
    10

    """

    @abstractmethod
    def anchors(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        """Return an iterator of ``(row, col)`` of each patch's upper-left pixel.

        Every call gives the same anchors, so a plan can be gone through again.

        Parameters
        ----------
        domain
            Anything with a ``shape`` that ends in height and width.
        geometry
            Says the size of patches, and what becomes of those that overhang.

        Returns
        -------
        iterator of tuple of int
            ``(row, col)``, made as they are asked for. Of a `geopatcher.GridDomain` ``{dim: index}``, of
            points, features and polygons their numbers. Of a geometry that is no rectangle it is the cell in
            the middle.

        """


@runtime_checkable
class Numbered(Protocol):
    """A geometry that may have places of its own, whatever the domain."""

    @property
    def n_places(self) -> int | None:
        """How many there are; ``None`` where places are those of the domain."""
        ...


@dataclass(frozen=True)
class Lattice:
    """A raster of which nothing is known but its shape."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Cell:
    """One cell as a patch: what stands for geometries that are no rectangles."""

    size: tuple[int, int] = (1, 1)
    boundary: str = "drop"
    pad_value: float | None = None


def n_places(domain: HasShape, geometry: object) -> int | None:
    """Return how many places are numbered, polygons, points or features; ``None`` where they are not."""
    if isinstance(geometry, Numbered) and geometry.n_places is not None:
        return geometry.n_places
    return int(domain.shape[0]) if len(domain.shape) == 1 and not isinstance(domain, NamedGrid) else None


def on_places(
    domain: HasShape,
    geometry: RectGeometry,
    pixels: Callable[[HasShape, RectGeometry], Iterator[tuple[int, int]]],
) -> Iterator[tuple[int, int]]:
    """Return the anchors a sampler chooses, as the domain calls its places.

    ``pixels`` is how it chooses on a raster. Numbered places are one row of pixels to it. On everything but a
    raster anchors are not the pairs that the type says, which is that of those who plan.
    """
    cell = geometry if isinstance(geometry, RectGeometry) else Cell()
    number = n_places(domain, geometry)
    if number is not None:
        return cast("Iterator[tuple[int, int]]", (col for _, col in pixels(Lattice((1, number)), Cell())))
    if isinstance(domain, NamedGrid):
        rows, cols = domain.rows, domain.cols
        size = {dim: len(domain.coords[dim]) for dim in (rows, cols)}
        pairs = pixels(Lattice((size[rows], size[cols])), cell)
        in_order = (rows, cols) if domain.dims.index(rows) < domain.dims.index(cols) else (cols, rows)
        named = ({rows: row, cols: col} for row, col in pairs)
        return cast("Iterator[tuple[int, int]]", ({dim: at[dim] for dim in in_order} for at in named))
    return pixels(domain, cell)


def fixed_seed(seed: SupportsIndex | None) -> int:
    """Return ``seed``, or one drawn from the system for ``None``: drawn once, then kept.

    Raises
    ------
    ValueError
        The seed is negative.

    """
    # 53 bits: the number survives JSON, whichever language reads it.
    number = secrets.randbits(53) if seed is None else index(seed)
    if number < 0:
        raise ValueError(f"a seed is None or a whole number that is not negative, not {number}")
    return number


def free_positions(domain: HasShape, geometry: RectGeometry) -> tuple[int, int]:
    """Return how many rows and columns a patch can start at: from 0 on, whole inside the domain.

    Where the domain is smaller than a patch that is one, 0, from which the patch overhangs; for
    ``boundary="drop"`` none, and for ``"raise"`` an error.
    """
    rows, cols = lattice_axes(domain.shape, geometry.size, (1, 1), geometry.boundary)
    return (rows.count, cols.count)


def settle(
    anchors: NDArray[np.int64],  # (n, 2): row, col
    domain: HasShape,
    geometry: RectGeometry,
) -> NDArray[np.int64]:
    """Apply the geometry's boundary to patches placed one by one, as an axis does to its last one.

    ``"cover"`` moves patches that overhang into the domain, ``"drop"`` leaves them out, ``"pad"``,
    ``"reflect"`` and ``"shrink"`` keep them as they are.

    Raises
    ------
    IncompleteScanConfiguration
        ``boundary="raise"`` and a patch overhangs.

    """
    grid = np.array(domain.shape[-2:], dtype=np.int64)
    last = grid - np.array(geometry.size, dtype=np.int64)
    if geometry.boundary == "cover":
        return np.clip(anchors, 0, np.maximum(last, 0))
    if geometry.boundary not in ("drop", "raise"):
        return anchors
    whole = ((anchors >= 0) & (anchors <= last)).all(axis=1)
    if geometry.boundary == "raise" and not whole.all():
        row, col = anchors[~whole][0].tolist()
        raise IncompleteScanConfiguration(
            f"{np.count_nonzero(~whole)} of {len(anchors)} patches of {geometry.size[0]}x{geometry.size[1]} "
            f"reach over the edge of the raster of {grid[0]}x{grid[1]}, the first at anchor ({row}, {col}): "
            f'boundary="raise" allows none; "cover" moves them in, "drop" leaves them out'
        )
    return anchors[whole]


def as_pairs(anchors: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Iterate over ``(n, 2)`` anchors as pairs of Python integers, a few thousand converted at once."""
    for start in range(0, len(anchors), 4096):
        block = anchors[start : start + 4096]
        yield from zip(block[:, 0].tolist(), block[:, 1].tolist(), strict=True)
