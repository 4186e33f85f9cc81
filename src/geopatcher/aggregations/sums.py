"""Overlap-add and its relatives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Generic, Literal

import numpy as np

from geopatcher.accumulators.sums import Mean, SumState, Total, TotalState, WeightedMean, WeightedTotal
from geopatcher.core.box import Box
from geopatcher.core.patch import Patch, carriers
from geopatcher.core.typevars import Place_co
from geopatcher.fields.plain_field import array_of
from geopatcher.merging.base import Mergeable
from geopatcher.merging.merge import Planned
from geopatcher.merging.placed import Layout, cells_of, is_placed, pieces_of
from geopatcher.planning.anchors import Listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from geopatcher.accumulators.finished import Finished
    from geopatcher.accumulators.pieces import Piece, Tile
    from geopatcher.core.protocols import Array, HasShape
    from geopatcher.merging.base import Pair
    from geopatcher.targets.product import ResultArray
    from geopatcher.targets.storage import CogStorage

#: Side of the pieces in which is looked for cells without a patch.
TILE = 512


@dataclass(frozen=True, kw_only=True)
class SpatialOverlapAdd(Mergeable[SumState, Place_co], WeightedMean, Generic[Place_co]):
    """Overlap-add: the mean of overlapping patches, weighted by their window.

    At each cell ``sum(w * x) / sum(w)`` over the patches that cover it with valid data. With a
    window that tapers to the border, neighbouring patches blend into each other without a seam.
    See Allen & Rabiner (1977), https://doi.org/10.1109/PROC.1977.10770.

    With ``normalize_by_window=False`` the weighted sum itself.

    Parameters
    ----------
    normalize_by_window
        Whether the weighted sum is divided by the sum of weights; true by default.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, SpatialOverlapAdd
    >>> patches = [Patch(np.full((2, 2), v), (0, c), None) for v, c in [(1.0, 0), (3.0, 1)]]
    >>> SpatialOverlapAdd().merge(patches, np.empty((2, 3)))
    array([[1., 2., 3.],
           [1., 2., 3.]])

    """

    # These by their place, too; what their defaults mean is said where they are first defined.
    streaming: bool = field(default=False, kw_only=False)
    target_path: Place_co = field(default=None, kw_only=False)  # type: ignore[assignment] # as there
    chunks: Pair | None = field(default=None, kw_only=False)
    shard_shape: Pair | None = field(default=None, kw_only=False)
    writer: Literal["zarr", "cog"] = field(default="zarr", kw_only=False)
    cog: CogStorage | None = field(default=None, kw_only=False)
    normalize_by_window: bool = field(default=True, kw_only=False)

    def zero(self, tile: Tile) -> SumState:
        """Return zeros in the accumulator's dtype."""
        return super().zero(tile) if self.normalize_by_window else WeightedTotal.zero(self, tile)

    def update(self, state: SumState, piece: Piece) -> SumState:
        """Take in one more value per cell."""
        if self.normalize_by_window:
            return super().update(state, piece)
        return WeightedTotal.update(self, state, piece)

    def merge_states(self, first: SumState, second: SumState) -> SumState:
        """Join two groups of patches."""
        if self.normalize_by_window:
            return super().merge_states(first, second)
        return WeightedTotal.merge_states(self, first, second)

    def finalise(self, state: SumState) -> Finished:
        """Return the mean, or the sum."""
        return super().finalise(state) if self.normalize_by_window else WeightedTotal.finalise(self, state)

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return the patches' own dtype; a floating one for sums, whose weights are fractions."""
        return super().out_dtype(dtype) if self.normalize_by_window else WeightedTotal.out_dtype(self, dtype)


@dataclass(frozen=True, kw_only=True)
class SpatialMean(Mergeable[SumState, Place_co], Mean, Generic[Place_co]):
    """The mean of the patches over each cell, each counted alike: the window does not matter.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, SpatialMean
    >>> taper = np.array([[0.9, 0.1]])
    >>> patches = [Patch(np.full((1, 2), v), (0, 0), None, taper) for v in (1.0, 4.0)]
    >>> SpatialMean().merge(patches, np.empty((1, 2)))
    array([[2.5, 2.5]])

    """


@dataclass(frozen=True, kw_only=True)
class SpatialSum(Mergeable[TotalState, Place_co], Total, Generic[Place_co]):
    """The sum of the patches over each cell; the window does not matter.

    Sums of integers are exact and, in a result of their own, int64 or uint64; beyond these they stay
    at the limit. Where no patch was the sum is 0, as that of nothing is; where patches were and had no data,
    it is nodata. (In `geopatcher.reconstruct` cells without a patch are nodata, as those of others are.)

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, SpatialSum
    >>> patches = [Patch(np.full((1, 2), 200, "uint8"), (0, c), None) for c in (0, 1)]
    >>> SpatialSum().merge(patches, np.empty((1, 3)))
    array([[200., 400., 200.]])

    """

    dtype: str | np.dtype | None = None

    def stitch(self, patches: Iterable[Patch[object]], domain: HasShape) -> ResultArray:
        """Return the sums over the domain, 0 where no patch was."""
        complete = isinstance(patches, Planned) and not patches.plan.anchors.uncovered(patches.plan.region)
        return super().stitch(patches if complete else _with_zeros(patches, domain), domain)


def _with_zeros(patches: Iterable[Patch[object]], domain: HasShape) -> Iterator[Patch[object]]:
    """Yield patches, and then others that hold 0 where none of them was, and nothing elsewhere."""
    layout = Layout.of(domain)
    like = None
    touched = _Places(layout.n_places) if layout.numbered else _Cells(layout.domain.shape[-2:])
    for patch in carriers(patches):
        array = patch.with_data(array_of(patch.data))
        like = array.data if like is None else like
        touched.add(array)
        yield array
    yield from touched.zeros(np.zeros((1,) * (1 if layout.numbered else 2)) if like is None else like)


class _Places:
    """Numbered places, and which of them were in a patch."""

    def __init__(self, number: int) -> None:
        self._seen = np.zeros(number, dtype=bool)

    def add(self, patch: Patch[Array]) -> None:
        """Take the places of a patch; those that are none are refused by whom it is given to."""
        places = np.asarray(patch.indices, dtype=np.int64).reshape(-1)
        self._seen[places[(places >= 0) & (places < len(self._seen))]] = True

    def zeros(self, like: Array) -> Iterator[Patch[object]]:
        """Yield a patch of the others."""
        others = np.flatnonzero(~self._seen)
        if others.size:
            yield Patch(np.zeros((*like.shape[:-1], others.size), like.dtype), (0, int(others[0])), others)


class _Cells:
    """The cells of a raster, and which of them were in a patch."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._whole = Box.of_shape((int(shape[0]), int(shape[1])))
        self._boxes: list[tuple[int, int, int, int]] = []
        self._seen: NDArray[np.bool_] | None = None  # of patches that are no rectangles

    def add(self, patch: Patch[Array]) -> None:
        """Take the cells of a patch."""
        if is_placed(patch):
            self._add_placed(patch)
            return
        # Fewer dimensions than two are refused by whom it is given to.
        box = cells_of(patch, (1, 1, *patch.data.shape))
        self._boxes.append((box.row0, box.row1, box.col0, box.col1))

    def _add_placed(self, patch: Patch[Array]) -> None:
        if self._seen is None:
            self._seen = np.zeros(self._whole.shape, dtype=bool)
        for piece in pieces_of(patch.with_data(np.zeros(patch.data.shape[-2:]))):
            members = ~np.ma.getmaskarray(array_of(piece.data))
            box = cells_of(piece, members.shape)
            inner = box.intersect(self._whole)
            self._seen[inner.slices()] |= members[inner.slices(box)]

    def zeros(self, like: Array) -> Iterator[Patch[object]]:
        """Yield patches of the others, tile by tile."""
        order = np.asarray(sorted(self._boxes), dtype=np.int64).reshape(-1, 4)
        listed = Listed(order, self._whole.shape)
        for tile in self._whole.tiles((TILE, TILE)):
            if not listed.uncovered(tile):
                continue
            touched = np.zeros(tile.shape, dtype=bool) if self._seen is None else self._seen[tile.slices()]
            for strip in listed.strips(tile):
                for box in strip.boxes:
                    touched[box.intersect(tile).slices(tile)] = True
            zeros = np.zeros((*like.shape[:-2], *tile.shape), like.dtype)
            mask = np.broadcast_to(touched, zeros.shape)
            yield Patch(np.ma.array(zeros, mask=mask), (tile.row0, tile.col0), None)


@dataclass(frozen=True)
class SpatialWeightedSum(Mergeable[SumState, Place_co], WeightedTotal, Generic[Place_co]):
    """The sum of weight times value over each cell, not divided by the sum of weights.

    Parameters
    ----------
    weight_fn
        ``weight_fn(data)`` gives the weights of a patch, ``(h, w)`` or one number for all of it, finite and
        not negative, from its data, ``(h, w)`` or ``(bands, h, w)``. By default they are those of the window.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, SpatialWeightedSum
    >>> patches = [Patch(np.full((1, 2), v), (0, 0), None) for v in (1.0, 4.0)]
    >>> SpatialWeightedSum(lambda data: data > 2).merge(patches, np.empty((1, 2)))
    array([[4., 4.]])
    >>> SpatialWeightedSum(np.max).merge(patches, np.empty((1, 2)))  # 1 * 1 + 4 * 4
    array([[17., 17.]])

    """

    forbid_in_yaml: ClassVar[bool] = True
    function_parameter: ClassVar[str] = "weight_fn"

    weight_fn: Callable[[Array], Array | float] | None = None

    def weights_for(self, data: Array, weights: Array | None) -> Array | None:
        """Return what ``weight_fn`` makes of a patch, or the weights of its window."""
        if self.weight_fn is None:
            return weights
        given = np.asarray(self.weight_fn(data), dtype=np.float64)
        return given if given.ndim else np.full(data.shape[-2:], given)
