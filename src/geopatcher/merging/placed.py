"""Patches that are no rectangles, laid out as rectangles: then the one way to stitch is enough for all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from rasterio.windows import Window

from geopatcher.core.box import Box, box_of
from geopatcher.core.cell_window import CellWindow
from geopatcher.core.patch import Patch, carriers
from geopatcher.core.places import NamedGrid
from geopatcher.core.protocols import HasShape
from geopatcher.engine.results import NoArrayError, as_array
from geopatcher.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array

#: Members of patches of points that are put together before they are passed on.
GATHERED = 1 << 20
#: Points in a row that no patch of a round has: more than these are not part of one rectangle.
WIDEST_GAP = 1024


@runtime_checkable
class HasDomain(Protocol):
    """A field."""

    @property
    def domain(self) -> HasShape:
        """What it covers."""
        ...


@dataclass(frozen=True)
class Layout:
    """A raster that stands for a domain: ``shape`` is its own, ``numbered`` where it is one row of places."""

    domain: HasShape
    numbered: bool = False

    @classmethod
    def of(cls, domain: HasShape | HasDomain) -> Layout:
        """Return what stands for a domain, or for that of a field."""
        inner = domain_in(domain)
        if isinstance(inner, NamedGrid):
            height, width = len(inner.coords[inner.rows]), len(inner.coords[inner.cols])
            return cls(np.broadcast_to(np.float32(0), (height, width)))
        if len(inner.shape) == 1:
            return cls(np.broadcast_to(np.float32(0), (1, int(inner.shape[0]))), numbered=True)
        return cls(inner)

    def patches(self, patches: Iterable[Patch[object]]) -> Iterable[Patch[object]]:
        """Return patches as rectangles of the raster; those that are rectangles as they are."""
        if self.numbered:
            return in_rounds(carriers(patches), self.n_places)
        if isinstance(patches, Sequence) and not any(map(is_placed, carriers(patches))):
            return patches
        return (piece for patch in carriers(patches) for piece in pieces_of(patch))

    @property
    def n_places(self) -> int:
        """How many places there are, of numbered ones."""
        return int(self.domain.shape[-1])

    def result(self, array: Array) -> Array:
        """Return a result on the raster as one on the domain."""
        return array[..., 0, :] if self.numbered else array


def domain_in(domain: object) -> HasShape:
    """Return a domain, or that of a field.

    Raises
    ------
    TypeError
        It is neither.

    """
    if isinstance(domain, HasShape):
        return domain
    if isinstance(domain, HasDomain):
        return domain.domain
    way = "the field they were cut from, its domain, or an array of its shape"
    if isinstance(domain, str | os.PathLike):
        way += "; a file is written by SpatialOverlapAdd(streaming=True, target_path=...) and its like, "
        way += "a GeoTIFF with writer='cog'"
    raise TypeError(f"patches are merged onto a domain, and {domain!r} is none: pass {way}")


def cells_of(patch: Patch[object], shape: tuple[int, ...]) -> Box:
    """Return the rectangle that a patch with data of ``(..., height, width)`` lies in.

    It begins where its window does; where it has none, at its anchor, which need not be its first cell.
    """
    row, col = patch.anchor
    if patch.indices is not None:
        window = box_of(patch.indices)
        row, col = window.row0, window.col0
    return Box(row, row + shape[-2], col, col + shape[-1])


def is_placed(patch: Patch[object]) -> bool:
    """Whether a patch has to be laid out."""
    return isinstance(patch.indices, CellWindow | Mapping)


def pieces_of(patch: Patch[object]) -> Iterator[Patch[object]]:
    """Yield a patch as rectangles of a raster, the cells that do not belong to it masked."""
    indices: object = patch.indices
    if isinstance(indices, CellWindow):
        parts, inside = list(indices.parts()), indices.inside
    elif isinstance(indices, Mapping):
        parts = list(_runs(indices))
        inside = None if patch.weights is None else patch.weights > 0
    else:
        yield patch
        return
    data = _array(patch)
    width = sum(box.width for box, _ in parts)
    shape = (parts[0][0].height, width) if parts else (0, 0)
    if data.shape[-2:] != shape:
        raise OperatorError(
            f"the patch at {patch.anchor} has data of {data.shape[-2:]}, and its window is {shape}: an "
            f"operator must return the height and width it was given"
        )
    if inside is not None and not inside.all():
        data = np.ma.array(data, mask=np.ma.getmaskarray(data) | ~inside)
    for box, cols in parts:
        weights = None if patch.weights is None else patch.weights[:, cols]
        window = Window(box.col0, box.row0, box.width, box.height)
        yield Patch(data[..., cols], (box.row0, box.col0), window, weights)


def _runs(indices: Mapping[object, object]) -> Iterator[tuple[Box, slice]]:
    """Yield rectangles for indices by dimension, of which the last two that are no numbers count."""
    given = [index for index in indices.values() if not isinstance(index, int)]
    rows, cols = (np.arange(i.start, i.stop) if isinstance(i, slice) else np.asarray(i) for i in given[-2:])
    for down in _consecutive(rows):
        for across in _consecutive(cols):
            row, col = int(rows[down.start]), int(cols[across.start])
            yield Box(row, row + down.stop - down.start, col, col + across.stop - across.start), across


def _consecutive(numbers: NDArray[np.int64], gap: int = 1) -> Iterator[slice]:
    """Yield the runs of numbers that follow each other by at most ``gap``."""
    ends = np.flatnonzero((np.diff(numbers) > gap) | (np.diff(numbers) < 1)) + 1
    for start, stop in zip([0, *ends], [*ends, len(numbers)], strict=True):
        yield slice(int(start), int(stop))


@dataclass
class _Gathered:
    """Members of patches: the places, their values ``(bands, n)`` and which count, their weights."""

    n_places: int
    places: list[NDArray[np.int64]]
    values: list[Array]
    weights: list[NDArray[np.float64]]
    flat: bool = True
    count: int = 0

    def add(self, patch: Patch[object]) -> None:
        """Take the members of a patch."""
        places = np.asarray(patch.indices, dtype=np.int64).reshape(-1)
        data = _array(patch)
        if data.ndim not in (1, 2) or data.shape[-1] != len(places):
            raise OperatorError(
                f"the patch at {patch.anchor} has data of {data.shape} and holds {len(places)} places: "
                f"return one value for each, (n,) or (bands, n); SpatialByIndex keeps whatever a patch gives"
            )
        outside = places[(places < 0) | (places >= self.n_places)]
        if outside.size:
            raise OperatorError(
                f"the patch at {patch.anchor} has a value for place {outside[0]}, and the domain "
                f"has {self.n_places} places, counted from 0: were the patches cut from another?"
            )
        bands = data[np.newaxis] if data.ndim == 1 else data
        if self.values and len(self.values[0]) != len(bands):
            raise OperatorError(
                f"the patch at {patch.anchor} has {len(bands)} bands and those before have "
                f"{len(self.values[0])}: the number of bands must not change midway"
            )
        weights = np.ones(len(places)) if patch.weights is None else np.asarray(patch.weights, np.float64)
        self.flat = data.ndim == 1
        self.places.append(places)
        self.values.append(bands)
        self.weights.append(weights)
        self.count += len(places)

    def rounds(self) -> Iterator[Patch[object]]:
        """Yield patches of one row in each of which a place comes once, and forget the members."""
        if not self.count:
            return
        places = np.concatenate(self.places)
        values = _joined(self.values)
        weights = np.concatenate(self.weights)
        self.places, self.values, self.weights, self.count = [], [], [], 0
        by_place = np.argsort(places, kind="stable")
        starts = np.flatnonzero(np.diff(places[by_place], prepend=-1))
        turn = np.arange(len(places)) - np.repeat(starts, np.diff(np.append(starts, len(places))))
        by_turn = by_place[np.argsort(turn, kind="stable")]
        for members in np.split(by_turn, np.cumsum(np.bincount(turn))[:-1]):
            for run in _consecutive(places[members], WIDEST_GAP):
                yield self._row(places[members[run]], values[:, members[run]], weights[members[run]])

    def _row(self, at: NDArray[np.int64], values: Array, weights: NDArray[np.float64]) -> Patch[object]:
        first, width = int(at[0]), int(at[-1] - at[0]) + 1
        filled = np.zeros((len(values), 1, width), values.dtype)
        missing = np.ones(filled.shape, dtype=bool)
        filled[:, 0, at - first] = np.ma.getdata(values)
        missing[:, 0, at - first] = np.ma.getmaskarray(values)
        data = np.ma.array(filled, mask=missing)
        taper = np.zeros((1, width))
        taper[0, at - first] = weights
        return Patch(data[0] if self.flat else data, (0, first), None, taper)


def _joined(values: Sequence[Array]) -> Array:
    """Join members along the last axis; masked ones stay masked."""
    data = np.concatenate([np.ma.getdata(part) for part in values], axis=1)
    if not any(isinstance(part, np.ma.MaskedArray) for part in values):
        return data
    return np.ma.array(data, mask=np.concatenate([np.ma.getmaskarray(part) for part in values], axis=1))


def in_rounds(patches: Iterable[Patch[object]], n_places: int) -> Iterator[Patch[object]]:
    """Yield patches of numbered places as patches of one row of a raster with a column for each place."""
    gathered = _Gathered(n_places, [], [], [])
    for patch in patches:
        gathered.add(patch)
        if gathered.count >= GATHERED:
            yield from gathered.rounds()
    yield from gathered.rounds()


def once(patches: Iterable[Patch[object]], domain: HasShape) -> Iterator[Patch[object]]:
    """Yield patches as rectangles, and each cell with the first of them alone: for statistics of a field.

    Keeps a byte for each cell that a patch has touched.
    """
    layout = Layout.of(domain)
    height, width = map(int, layout.domain.shape[-2:])
    whole = Box.of_shape((height, width))
    seen = np.zeros(whole.shape, dtype=bool)
    for patch in layout.patches(patches):
        data = _array(patch)
        box = cells_of(patch, data.shape)
        inner = box.intersect(whole)
        if not inner.n_pixels:
            continue
        there = np.ones(box.shape, dtype=bool)  # what lies outside is none of the field
        there[inner.slices(box)] = seen[inner.slices()]
        mask = np.ma.getmaskarray(data)
        yield replace(patch, data=np.ma.array(data, mask=mask | there))
        found = np.logical_or.reduce(~mask.reshape(-1, *box.shape), axis=0)
        seen[inner.slices()] |= found[inner.slices(box)]


def _array(patch: Patch[object]) -> Array:
    try:
        return as_array(patch.data)
    except NoArrayError as error:
        raise OperatorError(
            f"the patch at {patch.anchor} holds {error.what}, which is no array: {error.advice}"
        ) from error
