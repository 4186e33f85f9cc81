"""Anchors given as a list of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, cast

import numpy as np

from geopatcher.core.places import NamedGrid
from geopatcher.patching.samplers.base import SpatialSampler, as_pairs, n_places, on_places, settle

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from numpy.typing import ArrayLike

    from geopatcher.core.places import Anchor
    from geopatcher.core.protocols import HasShape, RectGeometry


@dataclass(frozen=True, init=False)
class SpatialExplicit(SpatialSampler):
    """Patches at anchors that are given, in the order given.

    ``anchors_`` is a sequence of ``(row, col)`` or an integer array ``(n, 2)``: upper-left pixels.
    A patch that reaches over the edge of the raster is treated as the geometry's ``boundary`` says:
    moved in for ``"cover"``, left out for ``"drop"``, kept for ``"pad"``, ``"reflect"`` and ``"shrink"``.

    Parameters
    ----------
    anchors_
        ``(row, col)`` of each upper-left pixel, an integer array ``(n, 2)`` or pairs; ``{dim: index}`` on a
        `geopatcher.GridDomain`; numbers ``(n,)`` of points, features or polygons.

    Raises
    ------
    ValueError
        ``anchors_`` are neither pairs of whole numbers, nor numbers, nor indices by dimension.

    Examples
    --------
    >>> from geopatcher.core.domain import RasterDomain
    >>> from geopatcher.patching.geometry import SpatialRectangular
    >>> list(SpatialExplicit([(5, 0), (0, 18)]).anchors(RasterDomain((20, 20)), SpatialRectangular(4)))
    [(5, 0), (0, 16)]

    """

    anchors_: tuple[Anchor, ...]

    def __init__(self, anchors_: ArrayLike | Sequence[Mapping[Hashable, int]]) -> None:
        if isinstance(anchors_, Sequence) and anchors_ and all(isinstance(at, Mapping) for at in anchors_):
            given_by_name = cast("Sequence[Mapping[Hashable, int]]", anchors_)
            named = tuple({dim: index(at) for dim, at in anchor.items()} for anchor in given_by_name)
            object.__setattr__(self, "anchors_", named)
            return
        given = np.asarray(anchors_)
        if given.ndim == 1 and given.size and given.dtype.kind in "iu":
            object.__setattr__(self, "anchors_", tuple(given.tolist()))
            return
        if given.size == 0:
            given = np.empty((0, 2), dtype=np.int64)
        if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "iu":
            raise ValueError(
                f"anchors_ are pairs (row, col) of whole numbers, an array (n, 2), or numbers of places, "
                f"not {given.dtype} shaped {given.shape}"
            )
        object.__setattr__(self, "anchors_", tuple(as_pairs(given.astype(np.int64))))

    def anchors(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        """Return an iterator over the anchors.

        Raises
        ------
        ValueError
            A patch has no pixel in the domain.
        IncompleteScanConfiguration
            ``boundary="raise"`` and a patch overhangs.
        TypeError
            The anchors are not of the kind the domain has.

        """
        if self.anchors_ and isinstance(self.anchors_[0], int):
            return self._numbers(domain, geometry)
        if self.anchors_ and isinstance(self.anchors_[0], Mapping):
            return self._named(domain)
        if self.anchors_ and n_places(domain, geometry) is not None:
            raise TypeError(
                f"places here are numbered, and the anchors are pairs, such as {self.anchors_[0]}"
            )
        return on_places(domain, geometry, self._pixels)

    def _numbers(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        number = n_places(domain, geometry)
        if number is None:
            raise TypeError(
                f"the anchors are numbers, such as {self.anchors_[0]}, and on {type(domain).__name__} places "
                f"are (row, col) or {{dim: index}}"
            )
        outside = [at for at in self.anchors_ if not 0 <= cast("int", at) < number]
        if outside:
            raise ValueError(
                f"{len(outside)} of {len(self.anchors_)} anchors are no places, the first is {outside[0]}: "
                f"there are {number}, counted from 0"
            )
        return cast("Iterator[tuple[int, int]]", iter(self.anchors_))

    def _named(self, domain: HasShape) -> Iterator[tuple[int, int]]:
        if not isinstance(domain, NamedGrid):
            raise TypeError(
                f"the anchors are indices by dimension, such as {self.anchors_[0]}, and "
                f"{type(domain).__name__} has no named dimensions: take (row, col)"
            )
        return cast(
            "Iterator[tuple[int, int]]", (dict(cast("Mapping[Hashable, int]", at)) for at in self.anchors_)
        )

    def _pixels(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        anchors = np.array(self.anchors_, dtype=np.int64).reshape(-1, 2)
        grid = np.array(domain.shape[-2:], dtype=np.int64)
        outside = ((anchors <= -np.array(geometry.size)) | (anchors >= grid)).any(axis=1)
        if outside.any():
            row, col = anchors[outside][0].tolist()
            raise ValueError(
                f"{np.count_nonzero(outside)} of {len(anchors)} anchors lie outside the raster of "
                f"{grid[0]}x{grid[1]} (height x width), the first is (row {row}, column {col}): "
                f"leave them out, or check the order of row and column"
            )
        return as_pairs(settle(anchors, domain, geometry))
